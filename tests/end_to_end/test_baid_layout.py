"""The canonical config on real paintings laid out as BAID: Swin-B, VGG-16 Gram matrices, 26.3 million parameters."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


def baid_from_paintings(source: Path, root: Path, per_split: dict[str, int]) -> None:
    """Lay out some of the 477 rated paintings as ``images/<id>.jpg`` and ``dataset/{split}_set.csv``."""
    labels = pd.read_csv(source / 'labels.csv')
    (root / 'images').mkdir(parents=True)
    (root / 'dataset').mkdir()
    for split, count in per_split.items():
        chosen = labels[labels.split == split].head(count)
        for image in chosen.image:
            shutil.copy(source / 'images' / image, root / 'images' / image)
        chosen[['image', 'score']].to_csv(root / 'dataset' / f'{split}_set.csv', index=False)


@pytest.mark.slow
@pytest.mark.data
def test_every_stage_of_the_canonical_config_runs(repo: Path, shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / 'baid'
    baid_from_paintings(shared_data / 'sidhu477', root, {'train': 20, 'val': 6, 'test': 6})
    options = ['--work-dir', str(tmp_path / 'run'), '--cfg-options']
    options += [f'table.root={root}', f'artifact_dir={tmp_path / "artifacts"}', 'retriever.num_references=10']
    options += ['encoders.semantic.weights=None', 'encoders.style.weights=None']
    options += ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=10']
    config = str(repo / 'configs' / 'ssmr_swin_baid.py')
    trained = subprocess.run(
        [sys.executable, str(repo / 'tools/train.py'), config, *options], capture_output=True, text=True
    )
    assert trained.returncode == 0, trained.stderr
    checkpoint = str(tmp_path / 'run' / 'best.pth')
    command = [sys.executable, str(repo / 'tools/test.py'), config, checkpoint, *options]
    tested = subprocess.run(command, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    assert '| id_16 ' in tested.stdout and 'BAID, unknown labels (20/6/6 works' in tested.stdout
    assert len(pd.read_csv(tmp_path / 'run' / 'predictions_test.csv')) == 6
