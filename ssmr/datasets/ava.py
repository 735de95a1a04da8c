"""AVA, a large-scale database for aesthetic visual analysis (Murray et al., CVPR 2012)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import build_table
from ssmr.datasets.delimited_text import read_text
from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.datasets.label_files import require_root
from ssmr.datasets.splits import (
    BY_CHECKSUM,
    check_share,
    held_out,
    read_list,
    refuse_unlabelled,
    short_hash,
    split_of,
    splits_of_lists,
)
from ssmr.errors import DataError
from ssmr.registry import DATASETS

SCORES = np.arange(1, 11)
FIELDS = ('index', 'id', *(f'votes_{score}' for score in SCORES), 'tag_1', 'tag_2', 'challenge')
VOTES = list(FIELDS[2:12])
#: Sizes of the test lists in use: figures on different ones cannot be compared.
TEST_LISTS = {
    19_998: 'a known size',
    20_000: 'a known size',
    19_928: 'a known size',
    19_805: 'a known size',
    12_776: 'a known size',
    19_930: "the size of the authors' generic_test.jpgl",
}
#: Pictures that are broken or gone in the copies that go around.
BROKEN = frozenset(('2113', '2878', '770406', '729377', '2761', '3101', '3937'))


@DATASETS.register_module(name='AVA')
def read_ava(
    root: str,
    test_list: str | None = None,
    train_list: str | None = None,
    val_share: float = 0.05,
    unknown: Literal['error', 'skip'] = 'error',
    skip_broken: bool = True,
    image_dir: str = 'images',
) -> ImageTable:
    """Read AVA in its authors' layout: ``AVA.txt`` and ``images/<id>.jpg``.

    Votes from 1 to 10 are kept as shares, the score is their mean; a work counts as good above 5. A share of the
    training works is held out for validation, by a checksum of their names. With a ``train_list``, works of neither
    list are in the split 'none'.

    Args:
        root: The data root.
        test_list: File of the ids that test, one a line, relative to ``root`` or absolute; its name, size and checksum
            go to ``split_name``. Without it works are divided 80/10/10 by checksum: results then compare with no
            published ones.
        train_list: File of the ids that train and validate; without it all that do not test.
        val_share: Share of the training works that validate, above 0 and below 1.
        unknown: What to do with ids of a list that AVA.txt lacks: 'error', or 'skip' and count them in ``split_name``.
        skip_broken: Put the pictures that are broken in the copies that go around into the split 'none'.
        image_dir: Folder of the images below ``root``.

    Raises:
        DataError: A file is missing (says what to get), a line of AVA.txt is malformed, a work is in two lists or twice
            in one, or see :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py ava --root {root} says what to get: AVA.txt, the lists of works and the images '
        'as images/<id>.jpg'
    )
    folder = require_root(root, need)
    check_share(val_share)
    if unknown not in ('error', 'skip'):
        raise DataError(f'table.unknown is {unknown!r}', "use 'error' or 'skip'")
    if train_list is not None and test_list is None:
        raise DataError('table.train_list is given without table.test_list', 'name the list of the works that test')
    source = folder / 'AVA.txt'
    if not source.is_file():
        raise DataError(f'AVA is incomplete: there is no {source}', need)
    frame = _read_votes(source)
    ids = frame['id'].tolist()
    if test_list is None:
        splits, split_name = [split_of(f'{i}.jpg') for i in ids], f'AVA: {BY_CHECKSUM}; not a published test list'
    else:
        files = {'test': folder / test_list} | ({'train': folder / train_list} if train_list is not None else {})
        splits, split_name = _listed(files, ids, source, unknown)
        splits = [
            'val' if s == 'train' and held_out(f'{i}.jpg', val_share) else s for i, s in zip(ids, splits, strict=True)
        ]
    if skip_broken:
        broken = sum(i in BROKEN and s != UNUSED for i, s in zip(ids, splits, strict=True))
        splits = [UNUSED if i in BROKEN else s for i, s in zip(ids, splits, strict=True)]
        split_name += f'; {broken} broken pictures unused' if broken else ''
    votes = frame[VOTES]
    total = votes.sum(axis=1)
    works = pd.DataFrame(
        {
            'image': [f'{i}.jpg' for i in ids],
            'score': votes.to_numpy() @ SCORES / total.clip(lower=1),  # build_table names works without votes
            'split': splits,
            'votes': total,
            **{name: frame[name] for name in FIELDS[12:]},
        },
        index=frame.index,
    )
    works['score'] = works['score'].where(total > 0, SCORES[0])
    return build_table(
        works, source, name='AVA', root=folder, image_dir=image_dir, scale=(1, 10), threshold=5, rule='>',
        split_name=split_name, votes=votes,
    )  # fmt: skip


def _read_votes(source: Path) -> pd.DataFrame:
    """AVA.txt: columns ``FIELDS``, ids as text; the index is '<source> line <n>'."""
    rows, lines = [], []
    for number, line in enumerate(read_text(source).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != len(FIELDS) or not all(map(str.isdecimal, fields)):
            raise DataError(
                f'{source} line {number} is {line[:80]!r}',
                f'a line is {len(FIELDS)} whole numbers between blanks, without a header: an index, the id, the votes '
                'for 1 to 10, two tags, the challenge',
            )
        rows.append(list(map(int, fields)))
        lines.append(f'{source} line {number}')
    if not rows:
        raise DataError(f'{source} is empty', 'get AVA.txt again')
    frame = pd.DataFrame(np.array(rows, dtype=np.int64), columns=list(FIELDS), index=pd.Index(lines, dtype=object))
    return frame.assign(id=frame['id'].astype(str))


def _listed(
    files: dict[str, Path], ids: list[str], source: Path, unknown: Literal['error', 'skip']
) -> tuple[list[str], str]:
    """The split of each id by lists, and the name of the splits."""
    lists = {split: read_list(file, '.jpg') for split, file in files.items()}
    known = set(ids)
    skipped = sum(name not in known for names in lists.values() for name in names)
    if unknown == 'error':
        for names in lists.values():
            refuse_unlabelled(names, known, source)
    of = splits_of_lists(lists)
    others = 'train' if 'train' not in files else UNUSED
    parts = [_describe(split, files[split], len(names)) for split, names in lists.items()]
    parts += [f'{skipped} listed works without votes skipped'] if skipped else []
    return [of.get(i, others) for i in ids], f'AVA, {"; ".join(parts)}'


def _describe(split: str, file: Path, count: int) -> str:
    standing = f', {TEST_LISTS.get(count, "unknown list")}' if split == 'test' else ''
    return f'{split} list {file.name} ({count:,} works{standing}, sha256 {short_hash(file)})'
