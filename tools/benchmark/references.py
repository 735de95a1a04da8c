"""Exact reference search over one view, against the released loop, mmpretrain, faiss, and multiplying alone.

The vectors are drawn from a fixed seed: a cluster for every hundred works, all of length 1. The pool is the first works
of the table; the queries are spread over all of it, and no query may find itself. The loops over single queries get few
of the queries, and their seconds are scaled to all; what they find is compared for these. The limit is multiplying the
same blocks without looking for the largest, by torch.mm or by NumPy, whichever is faster: their BLAS libraries differ
by half on some processors. Both are printed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: How much faster than the peers, and the share of the limit.
AIMS = {'released loop': 150.0, 'faiss Flat': 2.0}
AIM_LIMIT = 0.9
LIMITS = ('torch.mm alone', 'np.matmul alone')


def vectors(n: int, dim: int, seed: int = 0) -> np.ndarray:
    """[n, dim] float32 of length 1, in n / 100 clusters."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, n // 100), dim), dtype=np.float32)
    drawn = rng.standard_normal((n, dim), dtype=np.float32)
    drawn += centres[rng.integers(len(centres), size=n)]
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def without_self(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Take the query itself out of what it found, or else the last.

    Args:
        found: [Q, k + 1] positions.
        own: [Q] the query's position, or one that is in no row.

    Returns:
        [Q, k].
    """
    import numpy as np

    kept = found != own[:, None]
    kept[kept.all(axis=1), -1] = False
    return np.asarray(found[kept].reshape(len(found), -1))


def agree(queries: np.ndarray, pool: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two searches found the same, up to works whose similarities float32 cannot tell apart.

    Args:
        queries: [Q, D].
        pool: [P, D].
        one: [Q, k] positions.
        other: [Q, k] positions.
    """
    import numpy as np

    from ssmr.retrievers.exact_search import CLOSE
    from ssmr.retrievers.ranking import inner_products

    distinct = (np.diff(np.sort(other, axis=1), axis=1) > 0).all()
    apart = np.abs(inner_products(queries, pool, one) - inner_products(queries, pool, other))
    return bool(distinct and (apart <= CLOSE).all())


def multiply(queries: np.ndarray, pool: np.ndarray, library: str) -> None:
    """Multiply block by block with all threads, and no more.

    Args:
        queries: [Q, D].
        pool: [P, D].
        library: 'torch' or 'numpy'.
    """
    import numpy as np
    import torch

    from ssmr.retrievers.exact_search import BLOCK, POOL_BLOCK

    buffer = np.empty((min(BLOCK, len(queries)), min(POOL_BLOCK, len(pool))), dtype=np.float32)
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        for first in range(0, len(pool), POOL_BLOCK):
            part = pool[first : first + POOL_BLOCK]
            out = buffer[: len(block), : len(part)]
            if library == 'torch':
                torch.mm(torch.from_numpy(block), torch.from_numpy(part).T, out=torch.from_numpy(out))
            else:
                np.matmul(block, part.T, out=out)


def faiss_flat(pool: np.ndarray) -> Any:
    """The exact index of faiss; None, with a note, where faiss is not installed."""
    try:
        import faiss
    except ImportError:
        print('faiss is not installed and left out: pip install faiss-cpu')
        return None
    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    return index


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=int, default=60_337, help='in the table (default: 60337)')
    parser.add_argument('--pool', type=int, default=50_737, help='of these, the first (default: 50737)')
    parser.add_argument('--queries', type=int, default=4096, help='a sample of the works (default: 4096)')
    parser.add_argument('--few', type=int, default=8, help='queries for the loops over single ones (default: 8)')
    parser.add_argument('--dim', type=int, default=1024, help='default: 1024')
    parser.add_argument('--k', type=int, default=50, help='default: 50')
    parser.add_argument('--runs', type=int, default=3, help='of each (default: 3)')
    args = parser.parse_args()
    import numpy as np
    import torch
    from peers.mmpretrain_search import mmpretrain_search
    from peers.released_search import released_search
    from record import HEADER, record
    from timing import in_turn

    from ssmr.retrievers.exact_search import exact_search

    table = vectors(args.works, args.dim)
    rows = np.linspace(0, args.works - 1, args.queries).astype(np.int64)
    few = np.linspace(0, args.queries - 1, args.few).astype(np.int64)
    queries, pool = table[rows], table[: args.pool]
    inside = np.flatnonzero(rows < args.pool)
    some, all_of_pool, wide = torch.from_numpy(queries[few]), torch.from_numpy(pool), args.k + 1
    mmpretrain, index = mmpretrain_search(all_of_pool, wide), faiss_flat(pool)

    searches: dict[str, Callable[[], np.ndarray]] = {
        'released loop': lambda: released_search(some, all_of_pool, wide).numpy(),
        'mmpretrain': lambda: mmpretrain(some).numpy(),
    }
    if index is not None:
        searches['faiss Flat'] = lambda: index.search(queries, wide)[1]
    ways: dict[str, Callable[[], Any]] = {
        'ours': lambda: exact_search(queries, pool, (inside, rows[inside]), args.k)[0],
        'torch.mm alone': lambda: multiply(queries, pool, 'torch'),
        'np.matmul alone': lambda: multiply(queries, pool, 'numpy'),
        **searches,
    }
    ours = ways['ours']()
    equal = True
    for name, search in searches.items():
        subset = np.arange(args.queries) if name == 'faiss Flat' else few
        same = agree(queries[subset], pool, ours[subset], without_self(search(), rows[subset]))
        assert same, f'{name} found others'
        equal &= same

    seconds = in_turn(ways, args.runs)
    scale = {'released loop': args.queries / args.few, 'mmpretrain': args.queries / args.few}
    peers = {name: [s * scale.get(name, 1) for s in runs] for name, runs in seconds.items() if name != 'ours'}
    limit = min(statistics.median(seconds[name]) for name in LIMITS)
    middle = statistics.median(seconds['ours'])
    met = limit / middle >= AIM_LIMIT and all(
        statistics.median(peers[name]) / middle >= aim for name, aim in AIMS.items() if name in peers
    )
    work = (
        f'top-{args.k} of {args.queries} queries (a sample of {args.works}) in {args.pool} works x {args.dim}, '
        f'synthetic (seed 0), {torch.get_num_threads()} threads; loops: {args.few} queries, scaled to {args.queries}'
    )
    packages = ['ssmr', 'torch', 'mmpretrain', *(['faiss-cpu'] if index is not None else [])]
    print(HEADER)
    print(record('references, one view', work, seconds['ours'], peers, limit, equal, met, packages))


if __name__ == '__main__':
    main()
