"""Exact search by the fused similarity of two views, against views searched one by one and fused in Python.

Ours is what the fusion retriever does: both views side by side, searched as one. Normalizing and laying them out is
done once for all works, however many queries there are, so that a sample of the queries would show too much of it: it
is timed by itself and printed, and all others start from ready vectors, too. The plain way sums what each view finds:
with the whole pool as depth it is exact (a few queries, scaled to all), with --depth candidates it is quicker and
misses some, and its recall is printed. The limit is multiplying the ready concatenation by torch.mm or by NumPy,
whichever is faster. The vectors are those of references.py.
"""

from __future__ import annotations

import argparse
import statistics

#: The share of the limit.
AIM = 0.85
WEIGHTS = (0.7, 0.3)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=int, default=60_337, help='in the table (default: 60337)')
    parser.add_argument('--pool', type=int, default=50_737, help='of these, the first (default: 50737)')
    parser.add_argument('--queries', type=int, default=4096, help='a sample of the works (default: 4096)')
    parser.add_argument('--few', type=int, default=8, help='queries for the plain way (default: 8)')
    parser.add_argument('--dims', type=int, nargs=2, default=[1024, 1024], help='of the views (default: 1024 1024)')
    parser.add_argument('--depth', type=int, default=1000, help='candidates a view of the inexact way (default: 1000)')
    parser.add_argument('--k', type=int, default=50, help='default: 50')
    parser.add_argument('--runs', type=int, default=3, help='of each (default: 3)')
    args = parser.parse_args()
    import numpy as np
    import torch
    from peers.search_and_fuse import search_and_fuse
    from record import HEADER, record
    from references import LIMITS, agree, multiply, vectors, without_self
    from timing import in_turn

    from ssmr.retrievers.exact_search import exact_search
    from ssmr.retrievers.fusion import FusionRetriever
    from ssmr.retrievers.search import Search, same_group_pairs

    views = {name: vectors(args.works, dim, seed) for seed, (name, dim) in enumerate(zip('ab', args.dims, strict=True))}
    rows = np.linspace(0, args.works - 1, args.queries).astype(np.int64)
    few = np.linspace(0, args.queries - 1, args.few).astype(np.int64)
    pool, ids = np.arange(args.pool), tuple(map(str, range(args.works)))
    search = Search(views, ids, rows, pool, same_group_pairs(rows, pool), args.k)
    retriever = FusionRetriever([{'type': 'CosineRetriever', 'view': view} for view in views], list(WEIGHTS))
    queries, works = retriever.embed_search(search)
    left = [torch.from_numpy(view[rows[few]]) for view in views.values()]
    right = [torch.from_numpy(view[: args.pool]) for view in views.values()]

    def plain(depth: int) -> np.ndarray:
        return search_and_fuse(left, right, WEIGHTS, depth, args.k + 1).numpy()

    ours = retriever.find(search)[0]
    equal = agree(queries[few], works, ours[few], without_self(plain(args.pool), rows[few]))
    assert equal, 'the plain way found others'
    depth = min(args.depth, args.pool)
    candidates = without_self(plain(depth), rows[few])
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(ours[few], candidates, strict=True)])

    seconds = in_turn(
        {
            'ours': lambda: exact_search(queries, works, search.excluded, args.k),
            'laying out': lambda: retriever.embed_search(search),
            'torch.mm alone': lambda: multiply(queries, works, 'torch'),
            'np.matmul alone': lambda: multiply(queries, works, 'numpy'),
            'one by one, all': lambda: plain(args.pool),
            f'one by one, {depth}': lambda: plain(depth),
        },
        args.runs,
    )
    layout = statistics.median(seconds.pop('laying out'))
    scale = args.queries / args.few
    peers = {n: [s * (scale if 'one' in n.split() else 1) for s in runs] for n, runs in seconds.items() if n != 'ours'}
    limit = min(statistics.median(seconds[name]) for name in LIMITS)
    met = limit / statistics.median(seconds['ours']) >= AIM
    work = (
        f'top-{args.k} of {args.queries} queries (a sample of {args.works}) in {args.pool} works x '
        f'{" + ".join(map(str, args.dims))}, synthetic (seeds 0, 1), {torch.get_num_threads()} threads; one by one: '
        f'{args.few} queries, scaled to {args.queries}; of {depth} candidates a view, recall@{args.k} {recall:.3f}; '
        f'laying out all works, once: {layout:.2f} s more'
    )
    print(HEADER)
    packages = ['ssmr', 'torch', 'numpy']
    print(record('references, fused views', work, seconds['ours'], peers, limit, equal, met, packages))


if __name__ == '__main__':
    main()
