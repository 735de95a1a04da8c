"""All pairs of perceptual hashes that differ in a few bits only: exact, by blocks."""

from __future__ import annotations

import numpy as np

#: Hashes a block: one block of products takes BLOCK² float32, 16 MB.
BLOCK = 2048


def near_pairs(hashes: np.ndarray, threshold: int, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """Find every pair of hashes that differ in at most ``threshold`` bits.

    With bits as -1 and 1, two hashes of b bits whose inner product is p differ in (b - p) / 2 of them; the matrix
    product makes it exact (small whole numbers) and fast.

    Args:
        hashes: [N, bytes] uint8, packed bits.
        threshold: Largest distance. Where it is far below b / 2, the pairs are few; all of them are kept in memory.
        block: Hashes compared with as many others at a time.

    Returns:
        [P, 2] int64 positions, each pair once with the smaller first, in ascending order; [P] int64 distances.
    """
    signs = np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
    bits = signs.shape[1]
    pairs, distances = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for top in range(0, len(signs), block):
        for left in range(top, len(signs), block):
            products = signs[top : top + block] @ signs[left : left + block].T
            rows, columns = np.nonzero(products >= bits - 2 * threshold)
            once = rows + top < columns + left
            rows, columns = rows[once], columns[once]
            pairs.append(np.stack([rows + top, columns + left], axis=1))
            distances.append(((bits - products[rows, columns]) / 2).astype(np.int64))
    found, apart = np.concatenate(pairs), np.concatenate(distances)
    order = np.lexsort(found.T[::-1])
    return found[order], apart[order]
