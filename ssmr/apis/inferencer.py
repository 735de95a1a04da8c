"""Scores for works that are in no table, by a trained model and the references it finds for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from torch import Tensor

from ssmr.apis.assessment import Assessment, Reference
from ssmr.apis.pictures import Picture, Source, sources
from ssmr.artifacts.arrays import read_array
from ssmr.artifacts.feature_bank import CONTENTS
from ssmr.backbones.encoder import Encoder, build_encoder
from ssmr.config.load import load_config
from ssmr.datasets.duplicates import with_identical_files
from ssmr.datasets.image_batches import ImageInput
from ssmr.datasets.images import load_image
from ssmr.engine.trained import load_trained
from ssmr.errors import ArtifactError, ConfigError, ImageError
from ssmr.retrievers.new_works import NewWorks
from ssmr.stages.pipeline import plan, references
from ssmr.stages.project import Project, plain
from ssmr.stages.references import readable
from ssmr.stages.train import build_assessor


class AestheticInferencer:
    """Assesses pictures as ``tools/test.py`` assesses the works of a split.

    What takes long is done once, here: the banks are opened, the pool is embedded, model and encoders are built.

    Args:
        config: A config file, or one that is loaded and checked (:func:`ssmr.config.load.load_config`); its features
            and references must be there.
        checkpoint: ``best.pth`` or another checkpoint of it, or a published ``.safetensors``.
        device: As torch names it; by default the GPU where there is one.

    Raises:
        ConfigError: The config is wrong, its retriever cannot serve new works, or there is no such device.
        ArtifactError: Features or references are missing.
        CheckpointError: The checkpoint is unsafe, damaged or of another config.
    """

    def __init__(self, config: str | Path | Config, checkpoint: str | Path, device: str | None = None) -> None:
        self.device = _device(device)
        self.project = project = Project(config if isinstance(config, Config) else load_config(str(config)))
        _require_built(project)
        banks, index = references(project)
        self._encoders, self._encoder_of = _encoders(project, self.device)
        self._model: Any = build_assessor(project, banks, index)
        load_trained(self._model, Path(checkpoint), project.model_inputs())
        self._model.eval().to(self.device)
        table, features = project.table, {view: bank.features for view, bank in banks.items()}
        pool = readable(banks) & (table.splits == 'train')
        groups, self._group_of = _groups_by_content(project)
        self._works = NewWorks(project.retriever, features, table.ids, pool, groups, self.device)

    def __call__(self, images: Picture | Iterable[Picture], batch_size: int = 8) -> list[Assessment | ImageError]:
        """Assess pictures.

        A file that is, byte by byte, a work of the table finds neither itself nor what the table knows as its
        duplicates.

        Args:
            images: One or more of: files, folders, pictures of Pillow's, arrays [H, W, 3] uint8.
            batch_size: Pictures that go through the encoders at once.

        Returns:
            One for each picture, in their order; the error in the place of one that cannot be read.

        Raises:
            ConfigError: The batch size is not positive.
            DataError: There is no picture in a folder, an array is none, or something else is given.
        """
        return list(self.iterate(images, batch_size))

    def iterate(self, images: Picture | Iterable[Picture], batch_size: int = 8) -> Iterator[Assessment | ImageError]:
        """As a call, but each is given as soon as its batch is done."""
        if batch_size < 1:
            raise ConfigError(f'batch_size is {batch_size}', 'give a whole number, 1 or more')
        everything = sources(images)
        for start in range(0, len(everything), batch_size):
            yield from self._batch(everything[start : start + batch_size])

    def _batch(self, batch: Sequence[Source]) -> Iterator[Assessment | ImageError]:
        names, pictures, contents, failed = [], [], [], {}
        for place, source in enumerate(batch):
            try:
                picture, content = source.read()
            except ImageError as error:
                failed[place] = error
                continue
            names.append(source.name)
            pictures.append(picture)
            contents.append(content)
        assessed = iter(self._assess(names, pictures, contents) if pictures else ())
        for place in range(len(batch)):
            yield failed[place] if place in failed else next(assessed)

    @torch.inference_mode()
    def _assess(
        self, names: Sequence[str], pictures: Sequence[Image.Image], contents: Sequence[bytes]
    ) -> list[Assessment]:
        encoded = [self._encode(encoder, pictures) for encoder in self._encoders]
        vectors = {view: encoded[number] for view, number in self._encoder_of.items()}
        groups = np.array([self._group_of.get(content, -1) for content in contents])
        rows, similarities = self._works.find({view: v.cpu().numpy() for view, v in vectors.items()}, groups)
        graph = self._model.data_preprocessor.new_works(
            torch.cat([vectors[view] for view in self.project.node_views], dim=1),
            torch.from_numpy(rows).to(self.device),
            torch.from_numpy(similarities).to(self.device),
            self._images(pictures, rows),
        )
        scores, k = self._model.scores(graph).tolist(), graph.similarities.shape[1]
        columns = zip(names, scores, rows[:, :k], similarities[:, :k], strict=True)
        return [Assessment(name, score, self._references(r, s)) for name, score, r, s in columns]

    def _encode(self, encoder: Encoder, pictures: Sequence[Image.Image]) -> Tensor:
        """[n, D] float32."""
        squares = torch.from_numpy(np.stack([encoder.preprocess.square(picture) for picture in pictures]))
        vectors: Tensor = encoder(encoder.preprocess.normalise(squares.to(self.device))).float()
        return vectors

    def _images(self, pictures: Sequence[Image.Image], rows: np.ndarray) -> Tensor | None:
        """[n, m, 3, S, S] of the works, and of their references, for models that look at pictures; else None."""
        wanted: ImageInput | None = self._model.image_input
        if wanted is None:
            return None
        table, k = self.project.table, self.project.cfg.graph.num_references
        shown = [[picture] for picture in pictures]
        if wanted.references:
            for seen, own in zip(shown, rows, strict=True):
                seen += [load_image(table.root, table.files[row]) for row in own[:k]]
        return torch.from_numpy(np.stack([[wanted.preprocess(p) for p in seen] for seen in shown])).to(self.device)

    def _references(self, rows: np.ndarray, similarities: np.ndarray) -> tuple[Reference, ...]:
        """Those that the graph holds; others are masked in it."""
        table, least = self.project.table, self.project.cfg.graph.get('min_similarity')
        return tuple(
            Reference(table.ids[row], table.root / table.files[row], float(similarity), float(table.scores[row]))
            for row, similarity in zip(rows, similarities, strict=True)
            if least is None or similarity >= least
        )


def _device(device: str | None) -> str:
    name = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'there is no device {name!r} here: {error}', "use 'cpu', or 'cuda' beside a GPU") from error
    return name


def _require_built(project: Project) -> None:
    """Features may take hours: whoever asks for one score shall not begin with them unknowingly."""
    missing = [step for step in plan(project) if step.stage != 'training' and not step.hit]
    if missing:
        raise ArtifactError(
            f'not built yet: {", ".join(step.stage for step in missing)} ({missing[0].where})',
            'run python tools/train.py with this config first',
        )


def _encoders(project: Project, device: str) -> tuple[list[Encoder], dict[str, int]]:
    """The encoders, each once, and view -> which of them."""
    inputs: list[Any] = []
    built: list[Encoder] = []
    for view in project.views:
        if project.encoder_inputs[view] not in inputs:
            inputs.append(project.encoder_inputs[view])
            encoder = build_encoder(view, plain(project.cfg.encoders[view])).to(device)
            built.append(encoder.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return built, {view: inputs.index(project.encoder_inputs[view]) for view in project.views}


def _groups_by_content(project: Project) -> tuple[np.ndarray, dict[bytes, int]]:
    """[N] groups of the table's works, and SHA-256 of a file -> the group of all works whose picture it is."""
    path = project.store.path(project.bank_key(project.views[0])) / CONTENTS
    groups = project.table.groups
    if not path.is_file():  # banks of former times have none
        return groups, {}
    contents = read_array(path, np.uint8)
    groups = with_identical_files(groups, contents)
    pairs = zip(contents, groups.tolist(), strict=True)
    return groups, {content.tobytes(): group for content, group in pairs if content.any()}
