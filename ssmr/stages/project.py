"""A project: a config, its image table and the keys of everything that is made from them.

A key lists all that an artifact depends on, and nothing else: batch sizes, workers, devices, folders and log levels
do not change what comes out and are left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ssmr.artifacts.files import sha256_file
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
from ssmr.backbones.principal_gram import axes_file
from ssmr.backbones.weights import resolve_weights
from ssmr.config.fingerprint import code_version
from ssmr.config.parts import NESTED
from ssmr.datasets.duplicates import with_duplicates, without_leaks
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import CheckpointError
from ssmr.evaluation.protocol import Protocol
from ssmr.registry import BACKBONES, DATASETS, MODELS, RETRIEVERS
from ssmr.retrievers.base import Retriever

#: Raised when the same inputs begin to give other numbers.
EXTRACT_VERSION, REFERENCES_VERSION, TRAIN_VERSION = 2, 2, 3


@dataclass
class Project:
    """What all stages share.

    Attributes:
        cfg: A checked config.
        table: The works.
        store: Where artifacts are kept.
    """

    cfg: Config
    table: ImageTable = field(init=False)
    store: ArtifactStore = field(init=False)

    def __post_init__(self) -> None:
        self.table = DATASETS.build(plain(self.cfg.table))
        duplicates = self.cfg.get('duplicates', {})
        if duplicates.get('file'):
            self.table = with_duplicates(self.table, duplicates['file'])
        if duplicates.get('leaks') == 'drop':
            self.table = without_leaks(self.table)
        self.store = ArtifactStore(self.cfg.artifact_dir)

    def with_splits(self, splits: np.ndarray) -> Project:
        """The same project with its works divided otherwise, [N] of 'train', 'val', 'test'."""
        other = copy.copy(self)  # with what it has looked up: images, weights and parts do not depend on the splits
        other.table = replace(self.table, splits=splits)
        return other

    @property
    def protocol(self) -> Protocol:
        """How results on this table are measured."""
        table, draws = self.table, self.cfg.get('evaluation', {})
        return Protocol(
            table.threshold,
            table.rule,
            draws.get('bootstrap', 1000),
            draws.get('seed', 0),
            table.scale,
            table.split_name,
        )

    @property
    def work_dir(self) -> Path:
        """Where this run writes."""
        return Path(self.cfg.work_dir)

    @cached_property
    def retriever(self) -> Retriever:
        """The retriever, built."""
        retriever: Retriever = RETRIEVERS.build(plain(self.cfg.retriever))
        return retriever

    @property
    def node_views(self) -> tuple[str, ...]:
        """The views whose vectors, side by side, are the nodes of the graph."""
        view = self.cfg.graph.view
        return (view,) if isinstance(view, str) else tuple(view)

    @property
    def views(self) -> tuple[str, ...]:
        """The views that this config needs: the retriever's and the graph's."""
        return tuple(dict.fromkeys((*self.retriever.views, *self.node_views)))

    @cached_property
    def _images(self) -> str:
        return self.table.images_identity()

    @cached_property
    def encoder_inputs(self) -> dict[str, dict[str, Any]]:
        """view -> what makes its vectors: the encoder's fields, its weights by content, its code."""
        return {view: self._encoder_inputs(view) for view in self.views}

    def _encoder_inputs(self, view: str) -> dict[str, Any]:
        encoder = plain(self.cfg.encoders[view])
        spec = encoder.pop('weights', None)
        weights = None if spec is None else sha256_file(resolve_weights(spec, f'encoders.{view}.weights'))
        found = {'encoder': encoder, 'weights': weights, 'code': part_code(encoder, BACKBONES)}
        if 'axes' in encoder:
            found['axes'] = sha256_file(axes_file(encoder.pop('axes'), f'encoders.{view}.axes'))
        return found

    def bank_key(self, view: str) -> ArtifactKey:
        """The feature bank of a view; views with the same encoder share one bank."""
        inputs = {'version': EXTRACT_VERSION, 'images': self._images, **self.encoder_inputs[view]}
        return ArtifactKey('features', self.table.name, inputs)

    def index_key(self) -> ArtifactKey:
        """The reference index."""
        retriever = plain(self.cfg.retriever)
        inputs = {
            'version': REFERENCES_VERSION,
            'retriever': retriever,
            'code': part_code(retriever, RETRIEVERS),
            'features': {view: self.bank_key(view).fingerprint for view in self.views},
            'pool': self.table.pool_identity(),
        }
        if self.retriever.reads_labels:
            inputs['scores'] = self.table.scores_identity()
        return ArtifactKey('references', self.table.name, inputs)

    @cached_property
    def _model(self) -> Any:
        return weights_by_content(plain(self.cfg.model), 'model')

    def model_inputs(self) -> dict[str, Any]:
        """What a checkpoint belongs to: the model, its graphs, their node features and how references are found."""
        return {
            'model': self._model,
            'graph': plain(self.cfg.graph),
            'node_encoder': {view: self.encoder_inputs[view] for view in self.node_views},
            'retriever': plain(self.cfg.retriever),
        }

    def train_inputs(self) -> dict[str, Any]:
        """Everything that a trained model depends on."""
        start = None if self.cfg.get('resume') else self.cfg.get('load_from')
        settings = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'custom_hooks', 'randomness')
        return {
            'version': TRAIN_VERSION,
            **self.model_inputs(),
            'references': self.index_key().fingerprint,
            'scores': self.table.scores_identity(),
            'batch_size': self.cfg.get('train_dataloader', {}).get('batch_size'),
            'checkpoint': plain(self.cfg.get('default_hooks', {}).get('checkpoint')),
            'load_from': None if start is None else _checkpoint_hash(Path(start)),
            'code': part_code(plain(self.cfg.model), MODELS),
            **{name: plain(self.cfg.get(name)) for name in settings},
        }


def _checkpoint_hash(path: Path) -> str:
    if not path.is_file():
        raise CheckpointError(f'load_from: there is no checkpoint {path}', 'correct the path')
    return sha256_file(path)


def plain(value: Any) -> Any:
    """Turn a config's dicts, lists and tuples into plain ones."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def weights_by_content(value: Any, field: str) -> Any:
    """Put the hash of the file in the place of every ``weights`` that names one, in a part and in those it holds.

    Raises:
        WeightsError: A file is not there and cannot be had.
    """
    if isinstance(value, dict):
        return {name: weights_by_content(item, f'{field}.{name}') for name, item in value.items()}
    if isinstance(value, list):
        return [weights_by_content(item, f'{field}[{i}]') for i, item in enumerate(value)]
    if isinstance(value, str) and field.endswith('.weights'):
        return sha256_file(resolve_weights(value, field))
    return value


def part_code(part: dict[str, Any], registry: Any) -> dict[str, str]:
    """The code versions of a part and of the parts it holds."""
    found = code_version(registry.get(part['type']))
    for name, nested in NESTED.items():
        if part.get(name) is not None:
            for item in part[name] if isinstance(part[name], list) else [part[name]]:
                found |= part_code(item, nested)
    return found
