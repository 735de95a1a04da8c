"""How the cost of the reference search grows with the number of works: predicted, and measured.

A sample of queries is searched exactly in pools of growing size. The time predicted is proportional to the pool, from
the smallest one; the memory predicted is the pool, one block of similarities and the results. For the largest pool
there is an approximate index of faiss, too, with its recall, and the exact search in shards, one after another, as
several machines would do it: the best of each shard, and of these the best. Every search is a process of its own,
so that its memory is its own; the memory is what the search adds to the vectors that were there before. The vectors
are those of references.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

#: How far the measured time and memory may be from the prediction.
AIM = 0.5


def predicted_megabytes(queries: int, pool: int, k: int) -> float:
    """Memory of an exact search beyond the vectors: a block of similarities, its queries' results, their copies."""
    from ssmr.retrievers.exact_search import BLOCK, POOL_BLOCK

    return (min(queries, BLOCK) * min(pool, POOL_BLOCK) * 4 + 2 * queries * k * 12) / 2**20


def sharded_search(queries: Any, pool: Any, k: int, shards: int) -> Any:
    """[Q, k] positions: the best of every shard of the pool, and of these the best."""
    import numpy as np

    from ssmr.retrievers.exact_search import exact_search
    from ssmr.retrievers.ranking import inner_products, ranked

    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    ends = np.linspace(0, len(pool), shards + 1).astype(np.int64)
    parts = [a + exact_search(queries, pool[a:b], nothing, min(k, b - a))[0] for a, b in pairwise(ends)]
    positions = np.concatenate(parts, axis=1)
    return ranked(positions, inner_products(queries, pool, positions), k)[0]


def measure(args: argparse.Namespace) -> None:
    """Search once in this process, and print seconds, memory and, of what is not the plain search, the agreement."""
    import resource
    import time

    import numpy as np
    from references import vectors

    from ssmr.retrievers.exact_search import exact_search
    from ssmr.retrievers.faiss_index import search_index

    drawn = vectors(args.one + args.queries, args.dim)
    pool, queries = drawn[: args.one], drawn[args.one :]
    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    exact_search(queries[:64], pool[:64], nothing, 8)  # what libraries do once
    ways = {
        'exact': lambda: exact_search(queries, pool, nothing, args.k)[0],
        'sharded': lambda: sharded_search(queries, pool, args.k, args.shards),
        'faiss': lambda: search_index(queries, pool, args.k, args.index, args.nprobe, 64, None),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = ways[args.way]()
    seconds = time.perf_counter() - start
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    line: dict[str, float | bool] = {'seconds': seconds, 'megabytes': added}
    if args.way != 'exact':
        truth = ways['exact']()
        line['recall'] = float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))
        line['equal'] = bool((truth == found).all())
    print(json.dumps(line))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [5_000, 50_000, 500_000]
    parser.add_argument('--sizes', type=int, nargs='+', default=sizes, help='of the pool (default: 5000 50000 500000)')
    parser.add_argument('--queries', type=int, default=1024, help='a sample (default: 1024)')
    parser.add_argument('--dim', type=int, default=256, help='default: 256')
    parser.add_argument('--k', type=int, default=50, help='default: 50')
    parser.add_argument('--shards', type=int, default=8, help='of the largest pool (default: 8)')
    parser.add_argument('--index', default='IVF1024,Flat', help="faiss's index of the largest pool")
    parser.add_argument('--nprobe', type=int, default=16, help='lists of it that are searched (default: 16)')
    parser.add_argument('--runs', type=int, default=3, help='processes of each search (default: 3)')
    parser.add_argument('--way', choices=['exact', 'sharded', 'faiss'], help='only this, for --one works, here')
    parser.add_argument('--one', type=int, help='see --way')
    args = parser.parse_args()
    if args.way:
        return measure(args)
    import statistics

    from record import HEADER, record

    def searched(way: str, size: int) -> list[dict[str, Any]]:
        options = ('queries', 'dim', 'k', 'shards', 'index', 'nprobe')
        given = [f'--{name}={getattr(args, name)}' for name in options]
        command = [sys.executable, str(Path(__file__)), f'--way={way}', f'--one={size}', *given]
        return [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(args.runs)]

    def middle(runs: list[dict[str, Any]], field: str) -> float:
        return statistics.median(run[field] for run in runs)

    print(HEADER)
    base = 0.0
    for size in args.sizes:
        exact = searched('exact', size)
        seconds, memory = middle(exact, 'seconds'), middle(exact, 'megabytes')
        base = base or seconds / size
        expected, expected_memory = base * size, predicted_megabytes(args.queries, size, args.k)
        peers: dict[str, list[float]] = {}
        equal, more = True, ''
        if size == max(args.sizes):
            sharded, faiss = searched('sharded', size), searched('faiss', size)
            equal = all(run['equal'] for run in sharded)
            assert equal, 'the shards found others'
            others = {f'{args.shards} shards': sharded, args.index: faiss}
            peers = {name: [run['seconds'] for run in runs] for name, runs in others.items()}
            more = (
                f'; {args.shards} shards: equal, {middle(sharded, "megabytes"):.0f} MB; {args.index} with building and '
                f'nprobe {args.nprobe}: recall@{args.k} {faiss[0]["recall"]:.3f}, {middle(faiss, "megabytes"):.0f} MB'
            )
        met = abs(seconds / expected - 1) <= AIM and memory <= expected_memory * (1 + AIM)
        work = (
            f'top-{args.k} of {args.queries} queries in {size} works x {args.dim}, synthetic; predicted '
            f'{expected:.2f} s (from {args.sizes[0]} works) and {expected_memory:.0f} MB, measured {seconds:.2f} s and '
            f'{memory:.0f} MB{more}'
        )
        runs = [run['seconds'] for run in exact]
        print(record('growth, references', work, runs, peers, None, equal, met, ['ssmr', 'torch', 'numpy']))


if __name__ == '__main__':
    main()
