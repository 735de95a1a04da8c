"""How the cost of the reference search and of training grows with the number of works: predicted, and measured.

References: a sample of queries is searched exactly in pools of growing size. Seconds are predicted by the straight line
through the two smallest pools, memory as one block of similarities and the results. For the largest pool there is an
approximate index of faiss, too, with its recall, and the exact search in shards, one after another, as several machines
would do it: the best of each shard, and of these the best.

Training: steps of the config's network on a memory-mapped bank of growing size. A step is predicted to cost the same
whatever the number of works, and memory to grow by the index and labels that training holds, and by the bank: its pages
are mapped around the rows that are read, but belong to the system's cache, which takes them back where memory is short.

Every measurement is a process of its own; memory is the highest that the work adds to what was there before.
The vectors are those of references.py and feature_bank.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: How far the measured seconds and memory may be above the prediction. Pages and libraries' own memory come in steps.
AIM, SLACK_MB = 0.5, 100


def highest_megabytes() -> float:
    """The most memory that this process has held since :func:`forget_highest` (Linux)."""
    status = Path('/proc/self/status').read_text(encoding='ascii')
    return int(status.partition('VmHWM:')[2].split()[0]) / 1024


def forget_highest() -> None:
    """Let :func:`highest_megabytes` begin at what is held now."""
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def cost(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do the work; its result, and the seconds and megabytes it took."""
    forget_highest()
    before, start = highest_megabytes(), time.perf_counter()
    result = work()
    return result, {'seconds': time.perf_counter() - start, 'megabytes': highest_megabytes() - before}


def sharded_search(queries: np.ndarray, pool: np.ndarray, k: int, shards: int) -> np.ndarray:
    """[Q, k] positions: the best of every shard of the pool, and of these the best."""
    import numpy as np

    from ssmr.retrievers.exact_search import exact_search
    from ssmr.retrievers.ranking import inner_products, ranked

    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    ends = np.linspace(0, len(pool), shards + 1).astype(np.int64)
    parts = [a + exact_search(queries, pool[a:b], nothing, min(k, b - a))[0] for a, b in pairwise(ends)]
    positions = np.concatenate(parts, axis=1)
    return ranked(positions, inner_products(queries, pool, positions), k)[0]


def search(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What the searches of one pool cost: the exact one, and of the largest pool all."""
    import numpy as np
    from references import vectors

    from ssmr.retrievers.exact_search import exact_search
    from ssmr.retrievers.faiss_index import search_index

    drawn = vectors(args.one + args.queries, args.dim)
    pool, queries = drawn[: args.one], drawn[args.one :]
    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    exact_search(queries[:64], pool[:64], nothing, 8)  # what libraries do once
    exact, costs = cost(lambda: exact_search(queries, pool, nothing, args.k)[0])
    found = {'exact': costs}
    if args.one == max(args.sizes):
        shards, found['shards'] = cost(lambda: sharded_search(queries, pool, args.k, args.shards))
        assert (shards == exact).all(), 'the shards found others'
        settings = (args.k, args.index, args.nprobe, 64, None)
        near, found['build and search'] = cost(lambda: search_index(queries, pool, *settings))
        found['build and search']['recall'] = np.mean([np.isin(a, b).mean() for a, b in zip(exact, near, strict=True)])
    return found


def train(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What building the runner and training some steps costs."""
    import numpy as np
    from feature_bank import synthetic
    from training import warm_runner

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        features, index, scores = synthetic(args.one, args.dim, rng)
        np.save(folder / 'features.npy', features)
        del features
        bank = np.load(folder / 'features.npy', mmap_mode='r')
        rows = rng.choice(args.one, args.steps * args.batch_size, replace=False)
        runner, first = cost(lambda: warm_runner(args, folder, bank, index, scores, rows))
        _, epoch = cost(runner.train_loop.run_epoch)
    return {'training': {'seconds': epoch['seconds'] / args.steps, 'megabytes': first['megabytes']}}


def predicted_megabytes(args: argparse.Namespace, size: int) -> float:
    """The most memory of an exact search beyond the vectors: similarities; the results, and those of the blocks."""
    from ssmr.retrievers.exact_search import BLOCK, POOL_BLOCK

    parts = -(-size // POOL_BLOCK)
    return (min(args.queries, BLOCK) * min(size, POOL_BLOCK) * 4 + (1 + parts) * args.queries * args.k * 12) / 2**20


def several(args: argparse.Namespace, way: str, size: int) -> list[dict[str, dict[str, float]]]:
    """Measure in processes of their own."""
    names = ('queries', 'dim', 'k', 'shards', 'index', 'nprobe', 'steps', 'batch_size', 'depth')
    options = [f'--{name.replace("_", "-")}={getattr(args, name)}' for name in names]
    sizes = ['--sizes', *map(str, args.sizes)]
    command = [sys.executable, str(Path(__file__)), f'--way={way}', f'--one={size}', *options, *sizes]
    return [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(args.runs)]


def middle(runs: list[dict[str, dict[str, float]]], part: str, field: str) -> float:
    """The median over the runs."""
    return statistics.median(run[part][field] for run in runs)


def report_search(args: argparse.Namespace) -> None:
    """Measure the searches, predict each from the smaller ones, and record."""
    from record import record

    known: list[tuple[int, float]] = []
    for size in args.sizes:
        runs = several(args, 'search', size)
        seconds, memory = middle(runs, 'exact', 'seconds'), middle(runs, 'exact', 'megabytes')
        expected_memory = predicted_megabytes(args, size)
        met = memory <= expected_memory * (1 + AIM) + SLACK_MB
        said = f'measured {seconds:.2f} s and {memory:.0f} MB; predicted at most {expected_memory:.0f} MB'
        if len(known) > 1:
            (a, at_a), (b, at_b) = known[:2]
            expected = at_a + (at_b - at_a) * (size - a) / (b - a)
            met, said = met and seconds <= expected * (1 + AIM), f'{said} and {expected:.2f} s'
        known.append((size, seconds))
        peers = {}
        if size == max(args.sizes):
            both = middle(runs, 'build and search', 'seconds')
            recall, added = (middle(runs, 'build and search', field) for field in ('recall', 'megabytes'))
            shards = f'{args.shards} shards'
            peers = {shards: [r['shards']['seconds'] for r in runs]}
            peers[args.index] = [r['build and search']['seconds'] for r in runs]
            said += (
                f'; {shards}: equal, {middle(runs, "shards", "megabytes"):.0f} MB; {args.index}, nprobe {args.nprobe}: '
                f'{both:.1f} s for building and searching, recall@{args.k} {recall:.3f}, {added:.0f} MB'
            )
        work = f'top-{args.k} of {args.queries:,} queries in {size:,} works x {args.dim}, synthetic; {said}'
        exact = [r['exact']['seconds'] for r in runs]
        print(record('growth, references', work, exact, peers, None, True, met, ['ssmr', 'torch', 'numpy']))


def report_training(args: argparse.Namespace) -> None:
    """Measure a step, predict that it costs what it cost with the fewest works, and record."""
    from feature_bank import USED
    from record import record

    smallest: tuple[float, float] | None = None
    for size in args.sizes:
        runs = several(args, 'training', size)
        seconds, memory = (middle(runs, 'training', field) for field in ('seconds', 'megabytes'))
        smallest = smallest or (seconds, memory)
        # of each work: place, references, similarities, label; and its row of the bank, in the system's cache of files
        more = (size - args.sizes[0]) * (8 + USED * 12 + 4 + 4 * args.dim) / 2**20
        expected, expected_memory = smallest[0], smallest[1] + more
        met = seconds <= expected * (1 + AIM) and memory <= expected_memory * (1 + AIM) + SLACK_MB
        work = (
            f'{args.steps} steps of {args.batch_size} x {1 + USED} x {args.dim}, {args.depth} layers, from {size:,} '
            f'works, memory-mapped, synthetic; seconds a step; an epoch of all of them: '
            f'{seconds * size / args.batch_size:,.0f} s; memory with the runner: measured {memory:.0f} MB, predicted '
            f'{expected_memory:.0f} MB from the fewest works'
        )
        steps = [r['training']['seconds'] for r in runs]
        print(record('growth, training', work, steps, {}, None, True, met, ['ssmr', 'torch', 'numpy', 'mmengine']))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [5_000, 50_000, 500_000]
    parser.add_argument('--sizes', type=int, nargs='+', default=sizes, help='ascending (default: 5000 50000 500000)')
    parser.add_argument('--queries', type=int, default=1024, help='a sample (default: 1024)')
    parser.add_argument('--dim', type=int, default=256, help='default: 256')
    parser.add_argument('--k', type=int, default=50, help='default: 50')
    parser.add_argument('--shards', type=int, default=8, help='of the largest pool (default: 8)')
    parser.add_argument('--index', default='IVF1024,Flat', help="faiss's index of the largest pool")
    parser.add_argument('--nprobe', type=int, default=16, help='lists of it that are searched (default: 16)')
    parser.add_argument('--steps', type=int, default=20, help='of training (default: 20)')
    parser.add_argument('--batch-size', type=int, default=128, help='default: 128')
    parser.add_argument('--depth', type=int, default=6, help='relation layers (default: 6)')
    parser.add_argument('--runs', type=int, default=3, help='processes of each (default: 3)')
    parser.add_argument('--way', choices=['search', 'training'], help='only this, for --one works, in this process')
    parser.add_argument('--one', type=int, help='see --way')
    args = parser.parse_args()
    if args.way:
        print(json.dumps(search(args) if args.way == 'search' else train(args)))
        return
    from record import HEADER

    print(HEADER)
    report_search(args)
    report_training(args)


if __name__ == '__main__':
    main()
