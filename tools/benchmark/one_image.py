"""The inferencer's time for one picture, from the file to the score, with a large pool.

Encoders, retriever and network are those of configs/ssmr_swin_baid.py, with random weights; the pool's vectors are
drawn from a fixed seed. The limit is the forward pass of the encoders on a ready tensor. mmpretrain's image retrieval
does less: it encodes by the semantic encoder alone and finds nearest works in one view. Both find what NumPy finds by
comparing with the whole pool. The aim is 1.15 times the forward pass, as a median over single pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ssmr.apis import AestheticInferencer
    from ssmr.stages.project import Project

CONFIG = Path(__file__).resolve().parents[2] / 'configs/ssmr_swin_baid.py'
AIM = 1.15


def lay_out(root: Path, works: int) -> list[str]:
    """A data set of ``works`` names for one small picture, all but twenty of the training split."""
    import numpy as np
    from PIL import Image

    (root / 'images').mkdir()
    first = root / 'images/0.png'
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(first)
    lines = ['image,score,split']
    for number in range(works):
        name, split = f'{number}.png', 'train' if number >= 20 else ('val', 'test')[number % 2]
        if number:
            os.link(first, root / 'images' / name)
        lines.append(f'{name},{number % 101 / 10},{split}')
    (root / 'labels.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return lines[1:]


def build(root: Path, works: int, options: list[str]) -> Project:
    """A project whose features and references are there: drawn at random, not computed."""
    import numpy as np
    from feature_bank import synthetic

    from ssmr.artifacts.feature_bank import FeatureBankWriter
    from ssmr.artifacts.reference_index import ReferenceIndex
    from ssmr.backbones.encoder import build_encoder
    from ssmr.config.load import load_config
    from ssmr.stages.project import Project, plain

    lay_out(root, works)
    config = root / 'config.py'
    config.write_text(
        f"_base_ = {str(CONFIG)!r}\ntable = dict(_delete_=True, type='CsvTable', root={str(root)!r})\n"
        'encoders = dict(semantic=dict(weights=None), style=dict(weights=None))\n'
        f'artifact_dir, work_dir = {str(root / "artifacts")!r}, {str(root / "run")!r}\n',
        encoding='utf-8',
    )
    project = Project(load_config(str(config), options))
    rng = np.random.default_rng(0)

    def bank(folder: Path, dim: int) -> dict[str, int]:
        writer = FeatureBankWriter(folder, project.table.ids, dim, works)
        vectors = np.abs(rng.standard_normal((works, dim), dtype=np.float32))
        writer.write(0, vectors, {}, np.zeros((works, 32), np.uint8))
        writer.finish()
        return {'dim': dim}

    for view in project.views:
        dim = build_encoder(view, plain(project.cfg.encoders[view])).dim
        project.store.get_or_build(project.bank_key(view), lambda folder, dim=dim: bank(folder, dim))  # type: ignore[misc]
    _, drawn, _ = synthetic(works, 1, rng)
    index = ReferenceIndex(project.table.ids, drawn.queries, drawn.references, drawn.similarities)

    def save(folder: Path) -> dict[str, int]:
        index.save(folder)
        return {}

    project.store.get_or_build(project.index_key(), save)
    return project


def publish(project: Project, folder: Path) -> Path:
    """The config's network as it is before training."""
    from ssmr.engine.published import write_published
    from ssmr.stages.pipeline import references
    from ssmr.stages.train import build_assessor

    model = build_assessor(project, *references(project))
    return write_published(folder, 'untrained', model.state_dict(), {'inputs': project.model_inputs()})


def check(inferencer: AestheticInferencer, file: Path, mmpretrain: np.ndarray) -> None:
    """Assert that the inferencer and mmpretrain [k] find what NumPy finds."""
    import numpy as np
    from PIL import Image

    project, rows = inferencer.project, inferencer._works.rows
    picture = Image.open(file).convert('RGB')
    cosines = {}
    for view, number in inferencer._encoder_of.items():
        bank = project.store.path(project.bank_key(view)) / 'features.npy'
        pool, query = np.load(bank, mmap_mode='r')[rows], inferencer._encode(inferencer._encoders[number], [picture])
        cosines[view] = pool @ query[0].detach().numpy() / np.linalg.norm(pool, axis=1) / float(query.norm())
    [result] = inferencer(file)
    fused = np.sort(sum(cosines.values()) / len(cosines))[::-1]
    found = [r.similarity for r in result.references]  # type: ignore[union-attr]
    np.testing.assert_allclose(found, fused[: len(found)], atol=1e-5)
    alone = cosines['semantic']
    np.testing.assert_allclose(alone[mmpretrain], np.sort(alone)[::-1][: len(mmpretrain)], atol=1e-5)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=int, default=50_757, help='in the table, 20 not in the pool (default: 50757)')
    parser.add_argument('--pictures', type=int, default=40, help='one after another (default: 40)')
    parser.add_argument('--side', type=int, default=512, help='of the pictures, in pixels (default: 512)')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change fields of the config')
    args = parser.parse_args()
    import numpy as np
    import torch
    from peers.mmpretrain_search import mmpretrain_search
    from PIL import Image
    from record import HEADER, record
    from timing import in_turn

    from ssmr.apis import AestheticInferencer

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        project = build(root, args.works, args.cfg_options)
        inferencer = AestheticInferencer(project.cfg, publish(project, root), 'cpu')
        file = root / 'one.jpg'
        noise = np.random.default_rng(0).integers(0, 255, (args.side // 8, args.side // 8, 3), np.uint8)
        Image.fromarray(noise).resize((args.side, args.side)).save(file)
        semantic = inferencer._encoders[inferencer._encoder_of['semantic']]
        features = np.load(project.store.path(project.bank_key('semantic')) / 'features.npy', mmap_mode='r')
        retriever = mmpretrain_search(torch.from_numpy(features[inferencer._works.rows]), 4)

        @torch.inference_mode()
        def mmpretrain() -> torch.Tensor:
            return retriever(inferencer._encode(semantic, [Image.open(file).convert('RGB')]))

        ready = [torch.zeros(1, 3, e.preprocess.size, e.preprocess.size) for e in inferencer._encoders]

        @torch.inference_mode()
        def forward() -> None:
            for encoder, image in zip(inferencer._encoders, ready, strict=True):
                encoder(image.contiguous(memory_format=torch.channels_last))

        check(inferencer, file, mmpretrain()[0].numpy())
        ways = {'ours': lambda: inferencer(file), 'forward alone': forward, 'mmpretrain': mmpretrain}
        seconds = in_turn(ways, args.pictures, warm_up=2)
    limit = float(np.median(seconds['forward alone']))
    met = float(np.median(seconds['ours'])) <= AIM * limit
    peers = {'forward alone': seconds['forward alone'], 'mmpretrain, one view, no score': seconds['mmpretrain']}
    work = (
        f'a picture of {args.side} x {args.side}, {len(inferencer._works.rows)} works in the pool, encoders of '
        f'{CONFIG.stem} at random, {torch.get_num_threads()} threads'
    )
    print(HEADER)
    print(record('one image', work, seconds['ours'], peers, limit, True, met, ['ssmr', 'torch', 'mmpretrain']))


if __name__ == '__main__':
    main()
