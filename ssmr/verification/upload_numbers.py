"""The numbers in ids: which works came one after the other, as far as their names tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from ssmr.errors import DataError
from ssmr.retrievers.id_gap import id_number

#: Added between two kinds of names, so that works of one are never near those of another.
APART = 10**9


def upload_numbers(ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the works by their names.

    Numbers mean something among names that are otherwise alike (abs_012 and abs_013, not rep_013): each kind of names
    is moved to a range of its own, far above the one before. Ids without a number are left out.

    Args:
        ids: N ids.

    Returns:
        Numbers in ascending order [M], the rows that have them [M], and the kind of their names [M].
    """
    found = []
    for row, name in enumerate(ids):
        try:
            number = id_number(name)
        except DataError:
            continue  # an id without a number has no neighbours
        path = PurePosixPath(name)
        found.append((str(path.parent), re.sub(r'[0-9]+(?=[^0-9]*$)', '', path.stem), number, row))
    found.sort()
    numbers, kinds = np.empty(len(found), dtype=np.int64), np.zeros(len(found), dtype=np.int64)
    shift = -found[0][2] if found else 0
    for i, (folder, stem, number, _) in enumerate(found):
        if i:
            new = (folder, stem) != found[i - 1][:2]
            kinds[i] = kinds[i - 1] + new
            shift = int(numbers[i - 1]) + APART - number if new else shift
        numbers[i] = number + shift
    return numbers, np.array([row for *_, row in found], dtype=np.int64), kinds
