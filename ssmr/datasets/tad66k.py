"""TAD66K, theme and aesthetics data set (He et al., IJCAI 2022)."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from ssmr.datasets.build_table import build_table
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.label_files import read_labels, require_root
from ssmr.datasets.splits import check_share, held_out
from ssmr.errors import DataError
from ssmr.registry import DATASETS

#: Works in the two published files.
COUNTS = {'train': 52_248, 'test': 14_079}


@DATASETS.register_module(name='TAD66K')
def read_tad66k(root: str, image_dir: str = 'images', val_share: float = 0.05) -> ImageTable:
    """Read TAD66K in its authors' layout: ``images/``, ``labels/merge/{train,test}.csv``, ``labels/unmerge/``.

    Scores are read on a scale from 0 to 10; a work counts as good above 5. There is no validation split: a share of the
    training works is held out, by a checksum of their names, and never a test work. The themes of ``unmerge`` become
    the column ``theme``, where they are there.

    Args:
        root: The data root; ``merge`` and ``unmerge`` may lie in it too, without ``labels``.
        image_dir: Folder of the images below ``root``.
        val_share: Share of the training works that validate, above 0 and below 1.

    Raises:
        DataError: A file is missing (says what to get), or see :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py tad66k --root {root} says what to get: labels/merge/{{train,test}}.csv and the '
        'images of github.com/woshidandan/TANet-image-aesthetics-and-quality-assessment'
    )
    folder = require_root(root, need)
    check_share(val_share)
    labels = next((base for base in (folder / 'labels', folder) if (base / 'merge').is_dir()), folder / 'labels')
    frames = []
    for split, count in COUNTS.items():
        source = labels / 'merge' / f'{split}.csv'
        if not source.is_file():
            raise DataError(f'TAD66K is incomplete: there is no {source}', need)
        frame = read_labels(source, ['image', 'score'])[['image', 'score']]
        if len(frame) != count:
            warnings.warn(f'{source} has {len(frame)} works, that of TAD66K {count}', LabelWarning, stacklevel=2)
        frames.append(frame.assign(split=split))
    frame = pd.concat(frames)
    to_val = [
        split == 'train' and held_out(str(i), val_share) for i, split in zip(frame.image, frame.split, strict=True)
    ]
    frame['split'] = frame['split'].mask(pd.Series(to_val, index=frame.index), 'val')
    themes = _themes(labels / 'unmerge')
    if themes:
        frame['theme'] = [themes.get(str(image), 'unknown') for image in frame['image']]
    return build_table(
        frame, labels / 'merge', name='TAD66K', root=folder, image_dir=image_dir, scale=(0, 10), threshold=5, rule='>',
        split_name=f"TAD66K, the authors' test works; {val_share:.3g} of their training works validate, by checksum of "
        'the name',
    )  # fmt: skip


def _themes(folder: Path) -> dict[str, str]:
    """Image -> theme, from every CSV below a folder that has a column ``image``.

    A file is named after its theme, or lies in a folder that is (``<theme>/train.csv``).
    """
    themes: dict[str, str] = {}
    two = 0
    for source in sorted(folder.rglob('*.csv')):
        theme = source.parent.name if source.stem.lower() in ('train', 'val', 'test', 'all') else source.stem
        frame = read_labels(source, [])
        for image in frame['image'].astype(str) if 'image' in frame else ():
            two += themes.setdefault(image, theme) != theme
    if two:
        warnings.warn(
            f'{folder}: {two} rows give a work a second theme; its first one counts', LabelWarning, stacklevel=3
        )
    return themes
