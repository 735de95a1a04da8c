"""Gathering batches of reference graphs from the feature bank, in memory and memory-mapped.

"feature bank" is the nodes alone: from row numbers to vectors, against one memcpy of as many bytes, from another place
of the bank for each batch. "reference graphs" is all that training needs of a batch (which works are its nodes, their
vectors, similarities and labels), against the released code's loader: one pickle for every work and two data frames
that are scanned for every sample. All use one thread, and all files are in the page cache. The vectors are synthetic
(NumPy, seed 0). The aims are half of the memcpy's speed and 100 times the released loader's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from peers.released_loader import ReleasedDataset

    from ssmr.artifacts.reference_index import ReferenceIndex

AIM_PEER, AIM_LIMIT = 100, 0.5
#: References that are stored for a query, and how many of them are in its graph.
STORED, USED = 50, 4


def synthetic(works: int, dim: int, rng: np.random.Generator) -> tuple[np.ndarray, ReferenceIndex, np.ndarray]:
    """Features [works, dim], random references of every work, and scores [works]."""
    import numpy as np

    from ssmr.artifacts.reference_index import ReferenceIndex

    ids = tuple(f'{i:06d}.jpg' for i in range(works))
    first, step = rng.integers(1, works, (works, 1)), np.arange(min(STORED, works - 1))
    references = (np.arange(works)[:, None] + 1 + (first + step) % (works - 1)) % works  # never itself, never twice
    similarities = -np.sort(-rng.random(references.shape, dtype=np.float32), axis=1)
    index = ReferenceIndex(ids, np.arange(works), references, similarities)
    return rng.standard_normal((works, dim), dtype=np.float32), index, rng.uniform(0, 10, works)


def released_dataset(
    folder: Path, features: np.ndarray, index: ReferenceIndex, scores: np.ndarray, queries: np.ndarray
) -> ReleasedDataset:
    """The peer's loader of queries [n]: frames of all works, and files of those that the queries need."""
    import numpy as np
    import pandas as pd
    from peers.released_loader import ReleasedDataset, write_features

    ids = np.array(index.ids, dtype=object)
    needed = np.unique(np.concatenate([queries, index.references[queries, :USED].ravel()]))
    write_features(folder, ids[needed], features[needed])
    labels = pd.DataFrame({'image': index.ids, 'score': scores})
    references = pd.DataFrame({'query': index.ids, 'references': [' '.join(ids[r]) for r in index.references]})
    return ReleasedDataset(ids[queries], labels, references, USED, folder)


def released_seconds(args: argparse.Namespace, dataset: ReleasedDataset) -> list[float]:
    """Seconds of the released loader for all batches, from those of the first few: each costs the same."""
    from timing import in_turn
    from torch.utils.data import DataLoader

    loader = DataLoader(dataset, batch_size=args.batch_size)
    runs = in_turn({'released': lambda: [None for _ in loader]}, args.runs)['released']
    return [seconds * args.batches / args.peer_batches for seconds in runs]


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Compare, time and record."""
    import numpy as np
    import torch
    from record import HEADER, record
    from timing import in_turn
    from torch.utils.data import DataLoader

    from ssmr.datasets.reference_graph import GraphGather

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    features, index, scores = synthetic(args.works, args.dim, rng)
    np.save(folder / 'features.npy', features)
    banks = {'memory': features, 'memory-mapped': np.load(folder / 'features.npy', mmap_mode='r')}
    gathers = {name: GraphGather([bank], index, scores, USED) for name, bank in banks.items()}
    batches = torch.from_numpy(rng.integers(0, args.works, (args.batches, args.batch_size)))
    sample = batches[: args.peer_batches]
    released = released_dataset(folder, features, index, scores, sample.flatten().numpy())
    for rows, (nodes, labels) in zip(sample, DataLoader(released, batch_size=args.batch_size), strict=True):
        for gather in gathers.values():
            graph = gather(rows)['graph']
            assert torch.equal(graph.nodes, nodes) and torch.equal(graph.scores, labels)

    size = args.batch_size * (1 + USED)  # rows of the bank that a batch holds
    target = np.empty((size, args.dim), dtype=np.float32)
    places = rng.integers(0, args.works - size + 1, args.batches)

    def copy_all() -> None:
        for place in places:
            np.copyto(target, features[place : place + size])

    def nodes_of(gather: GraphGather) -> None:
        for rows in members:
            gather.nodes(rows)

    def graphs_of(gather: GraphGather) -> None:
        for rows in batches:
            gather(rows)

    members = torch.cat([batches[..., None], torch.from_numpy(index.references[batches, :USED])], dim=-1)
    ways = {f'feature bank, {name}': partial(nodes_of, gather) for name, gather in gathers.items()}
    ways |= {f'reference graphs, {name}': partial(graphs_of, gather) for name, gather in gathers.items()}
    seconds = in_turn({**ways, 'memcpy': copy_all}, args.runs, warm_up=2)
    limit, peer = statistics.median(seconds['memcpy']), released_seconds(args, released)
    work = (
        f'{args.batches} random batches of {args.batch_size} x {1 + USED} x {args.dim} float32 from {args.works:,} '
        'works, synthetic, one thread'
    )
    print(HEADER)
    for case in ways:
        ours, alone = statistics.median(seconds[case]), case.startswith('feature bank')
        peers = {} if alone else {f'released loader ({args.peer_batches} batches, scaled)': peer}
        met = limit / ours >= AIM_LIMIT if alone else statistics.median(peer) / ours >= AIM_PEER
        print(record(case, work, seconds[case], peers, limit, True, met, ['ssmr', 'torch', 'numpy', 'pandas']))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=int, default=50737, help='in the bank (default: 50737)')
    parser.add_argument('--dim', type=int, default=1024, help='of a vector (default: 1024)')
    parser.add_argument('--batches', type=int, default=200, help='default: 200')
    parser.add_argument('--batch-size', type=int, default=128, help='graphs in a batch (default: 128)')
    parser.add_argument('--peer-batches', type=int, default=2, help='of them, for the released loader (default: 2)')
    parser.add_argument('--runs', type=int, default=7, help='default: 7')
    args = parser.parse_args()
    if args.works < args.batch_size * (1 + USED):
        parser.error(f'--works must be {args.batch_size * (1 + USED)} or more, the vectors of one batch')
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


if __name__ == '__main__':
    main()
