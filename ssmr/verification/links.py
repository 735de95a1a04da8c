"""Which pictures look alike: by hash, and by thumbnail where a hash says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from ssmr.verification.hash_search import near_pairs
from ssmr.verification.pictures import HASH_SIZE, Picture

#: Mean difference of two thumbnails, of 255, up to which pictures without a usable hash are duplicates.
FLAT_DIFFERENCE = 2.0


def is_flat(packed: bytes) -> bool:
    """Whether a hash says nothing: many frequencies are equal to the median, so that not half of the bits are set.

    All of 1,049 paintings, and of their altered copies, have exactly half of them set. A single colour has one bit, a
    horizontal ramp a few, whatever the colours: such hashes are all alike.
    """
    return int.from_bytes(packed, 'big').bit_count() != HASH_SIZE**2 // 2


def find_links(pictures: Sequence[Picture], flat: np.ndarray, threshold: int) -> tuple[np.ndarray, np.ndarray]:
    """Link pictures so that all duplicates are connected; not every pair of them is a link.

    Args:
        pictures: N readable ones.
        flat: [N] bool, those whose hash says nothing.
        threshold: Bits in which linked hashes may differ.

    Returns:
        [P, 2] int64 positions and [P] int64 distances in bits.
    """
    found, apart = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for chosen, near in ((~flat, _near_hashes), (flat, _near_thumbnails)):
        positions = np.flatnonzero(chosen)
        if len(positions):
            pairs, distances = near([pictures[position] for position in positions], threshold)
            found.append(positions[pairs])
            apart.append(distances)
    return np.concatenate(found), np.concatenate(apart)


def _near_hashes(pictures: list[Picture], threshold: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal hashes are linked to the first of them, which alone is compared: a thousand copies are few links."""
    hashes, first, which = _distinct([picture.hash for picture in pictures])
    pairs, distances = near_pairs(hashes, threshold)
    copies = _copies(first, which)
    return np.concatenate([first[pairs], copies]), np.concatenate([distances, np.zeros(len(copies), np.int64)])


def _near_thumbnails(pictures: list[Picture], _: int) -> tuple[np.ndarray, np.ndarray]:
    thumbnails, first, which = _distinct([picture.thumbnail for picture in pictures])
    radius = FLAT_DIFFERENCE * thumbnails.shape[1]
    pairs = KDTree(thumbnails.astype(np.float64)).query_pairs(radius, p=1, output_type='ndarray')
    links = np.concatenate([first[pairs.astype(np.int64)], _copies(first, which)])
    return links, np.zeros(len(links), np.int64)


def _distinct(values: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows [U, bytes] uint8, the position of the first of each [U], and which one every value is [N]."""
    rows = np.frombuffer(b''.join(values), dtype=np.uint8).reshape(len(values), -1)
    _, first, which = np.unique(np.array(values, dtype=object), return_index=True, return_inverse=True)
    return rows[first], first, which.ravel()


def _copies(first: np.ndarray, which: np.ndarray) -> np.ndarray:
    """[C, 2]: each value that is not the first of its kind, after that first one."""
    later = np.setdiff1d(np.arange(len(which)), first)
    return np.stack([first[which[later]], later], axis=1)
