"""BAID, the Boldbrush artistic image data set (Yi et al., CVPR 2023), and its two releases of labels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from ssmr.artifacts.files import sha256_file
from ssmr.datasets.build_table import build_table
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import SPLITS, ImageTable
from ssmr.datasets.label_files import read_labels, require_root
from ssmr.errors import DataError
from ssmr.registry import DATASETS


@dataclass(frozen=True)
class Release:
    """One release of BAID's labels.

    Attributes:
        train_minimum: The lowest training score, which the released SSMR code uses as a constant.
        sha256: Split -> checksum of its file, where known.
    """

    train_minimum: float
    sha256: dict[str, str] = field(default_factory=dict)


CURRENT, OLD = 'July 2023', 'May 2023'
RELEASES = {
    CURRENT: Release(
        2.700217,
        {
            'train': '8ec532ec2a17b011ebdd73970461620a2e72bd8d4ff9e892a15ceb0b0e2bc5eb',
            'val': '3764d3abc70ffe7d0aefd217b80923b5a82d8e1355e720b31aff99024fbde5c8',
            'test': '75133de6ddd093f52df9f65a2e4a889f5b741365f51476282fda861d3abc4267',
        },
    ),
    OLD: Release(2.756945),
}
#: Works in each split, of either release.
COUNTS = {'train': 50_737, 'val': 3_200, 'test': 6_400}
DECIMALS = 6  #: The current release rounds its scores to as many; the old one's are unrounded.


@DATASETS.register_module(name='BAID')
def read_baid(root: str) -> ImageTable:
    """Read BAID in its authors' layout: ``images/<id>.jpg`` and ``dataset/{train,val,test}_set.csv``.

    Scores run from 0 to 10; a work counts as good above 5, ties are not good (BAID's rule). The release of the labels
    is recognised and named in ``split_name``; the old one, and labels of no known release, give a warning.

    Raises:
        DataError: A file is missing (says what to get), the files are of different releases, or see
            :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py baid --root {root} gets the images as images/<id>.jpg; the labels are '
        'dataset/{train,val,test}_set.csv of github.com/Dreemurr-T/BAID; to see ssmr run without BAID: '
        'python tools/train.py configs/ssmr_efficientnet_quickstart.py'
    )
    folder = require_root(root, need)
    sources = {split: folder / 'dataset' / f'{split}_set.csv' for split in SPLITS}
    for source in sources.values():
        if not source.is_file():
            raise DataError(f'BAID is incomplete: there is no {source}', need)
    frames = {split: read_labels(source, ['image', 'score'])[['image', 'score']] for split, source in sources.items()}
    table = build_table(
        pd.concat([frame.assign(split=split) for split, frame in frames.items()]), folder / 'dataset', name='BAID',
        root=folder, image_dir='images', scale=(0, 10), threshold=5, rule='>', split_name='',
    )  # fmt: skip
    return _with_release(table, sources, frames)


def _with_release(table: ImageTable, sources: dict[str, Path], frames: dict[str, pd.DataFrame]) -> ImageTable:
    """The table with its release as ``split_name``."""
    counts = {split: len(frame) for split, frame in frames.items()}
    minimum = float(table.scores[table.rows('train')].min())
    files = {split: _release_of(split, sources[split], frames[split], minimum) for split in SPLITS}
    _refuse_mixture(files, sources)
    if set(files.values()) == {CURRENT}:
        return replace(table, split_name=f'BAID, labels of {CURRENT}')
    if files['train'] == OLD and counts == COUNTS:
        warnings.warn(
            f'{sources["train"].parent} has the labels of {OLD} (train minimum {RELEASES[OLD].train_minimum}), which '
            f'those of {CURRENT} replaced: scores of models are comparable within one release only; get the current '
            'files of github.com/Dreemurr-T/BAID',
            LabelWarning,
            stacklevel=3,
        )
        return replace(table, split_name=f'BAID, labels of {OLD} (superseded)')
    name = f'unknown labels ({"/".join(map(str, counts.values()))} works, train minimum {minimum:.7g})'
    near = [release for release, known in RELEASES.items() if _is_minimum(minimum, known)]
    hint = f'; the minimum is that of {near[0]}, but the files are not: were line ends or rows changed?' if near else ''
    warnings.warn(
        f'{sources["train"].parent}: {name}; the releases of BAID have {"/".join(map(str, COUNTS.values()))} works and '
        f'the train minimum {" or ".join(f"{known.train_minimum}" for known in RELEASES.values())}{hint}',
        LabelWarning,
        stacklevel=3,
    )
    return replace(table, split_name=f'BAID, {name}')


def _release_of(split: str, source: Path, frame: pd.DataFrame, train_minimum: float) -> str | None:
    """The release that a file belongs to, as far as it can be told: by its checksum, its minimum or its decimals."""
    if sha256_file(source) == RELEASES[CURRENT].sha256[split]:
        return CURRENT
    if split == 'train':
        return OLD if _is_minimum(train_minimum, RELEASES[OLD]) else None
    decimals = frame['score'].astype(str).str.partition('.')[2].str.len()
    return OLD if len(frame) == COUNTS[split] and (decimals > DECIMALS).any() else None


def _is_minimum(value: float, release: Release) -> bool:
    return abs(value - release.train_minimum) < 1e-6  # both are given with six decimals


def _refuse_mixture(files: dict[str, str | None], sources: dict[str, Path]) -> None:
    current, old = ([split for split in SPLITS if files[split] == release] for release in (CURRENT, OLD))
    if current and old:
        raise DataError(
            f'{sources[old[0]]} is of the labels of {OLD}, {sources[current[0]]} of those of {CURRENT}: their scores '
            'are not on one scale',
            f'get all three files of one release, best that of {CURRENT}, from github.com/Dreemurr-T/BAID',
        )
