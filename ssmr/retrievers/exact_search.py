"""Exact nearest neighbours by blocked matrix multiplication and top-k, with exclusions and reproducible ties.

Nearly all of its time is one matrix multiplication, and it needs no excuse about recall.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

#: Similarities closer than this may be in the wrong order in float32 (vectors of length 1 or so, of a few thousand
#: numbers; others are scaled first); such neighbours are compared again in float64.
CLOSE = 4e-6
#: Queries and vectors of the pool that are multiplied at once: 256 MB of similarities, however large the pool is. All
#: threads together take as many vectors of the pool, but each no fewer than SMALLEST, below which it gets slow.
BLOCK, POOL_BLOCK, SMALLEST = 1024, 65_536, 8_192
#: Queries a thread from which on each thread searches for queries of its own.
ENOUGH = 128
#: Neighbouring similarities of which the largest stands for all, until it is known where the largest of a row lie.
TILE = 32
#: Numbers that are compared again at once: what stays in a processor's cache (five times faster), or fills a GPU.
GATHERED = {'cpu': 2**17, 'cuda': 2**24}


def exact_search(
    queries: np.ndarray, pool: np.ndarray, excluded: tuple[np.ndarray, np.ndarray], k: int, device: str = 'cpu'
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k pool vectors of largest inner product with each query.

    Args:
        queries: [Q, E] float32.
        pool: [P, E] float32, in the order in which equal similarities shall come.
        excluded: Two [X] integer arrays, positions of a query and of a pool vector that it must not find; queries
            ascending.
        k: At most P.
        device: Where to multiply.

    Returns:
        positions [Q, k] int64 into the pool and similarities [Q, k] float32, largest first, ties by position. A query
        that may find fewer than k ends with its excluded positions, at -inf.
    """
    return PreparedPool(pool, device).search(queries, excluded, k)


class PreparedPool:
    """A pool that is searched again and again.

    Args:
        pool: [P, E] float32, in the order in which equal similarities shall come.
        device: Where to multiply.
    """

    def __init__(self, pool: np.ndarray, device: str = 'cpu') -> None:
        self.device, self.scale = device, _powers_of_two(pool).max(initial=0) or np.float32(1)
        self.vectors = torch.as_tensor(pool if self.scale == 1 else pool / self.scale, device=device)

    def search(
        self, queries: np.ndarray, excluded: tuple[np.ndarray, np.ndarray], k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k vectors of largest inner product with each query; see :func:`exact_search`."""
        scales = _powers_of_two(queries)
        positions = np.empty((len(queries), k), dtype=np.int64)
        similarities = np.empty((len(queries), k), dtype=np.float32)
        workers = _workers(len(queries), self.device)
        size = min(BLOCK, -(-len(queries) // workers))
        part = min(max(POOL_BLOCK // workers, SMALLEST), max(len(self.vectors), 1))
        buffers: SimpleQueue[Tensor] = SimpleQueue()
        for _ in range(workers):
            buffers.put(torch.empty(size, part, device=self.device))

        def search_block(start: int) -> None:
            stop = min(start + size, len(queries))
            block = torch.as_tensor(queries[start:stop] / scales[start:stop, None], device=self.device)
            low, high = np.searchsorted(excluded[0], (start, stop))
            pairs, buffer = (excluded[0][low:high] - start, excluded[1][low:high]), buffers.get()
            try:
                best, found = _search(block, self.vectors, pairs, k, buffer)
            finally:
                buffers.put(buffer)
            positions[start:stop], similarities[start:stop] = found.cpu().numpy(), best.cpu().numpy()

        starts = range(0, len(queries), size or 1)
        if workers == 1:
            for start in starts:
                search_block(start)
        else:
            with _one_thread_each(), ThreadPoolExecutor(workers) as threads:
                list(threads.map(search_block, starts))
        return positions, similarities * (scales[:, None] * self.scale)


def _workers(queries: int, device: str) -> int:
    """How many threads search for queries of their own.

    Where instead all of them multiply, and then all of them look for the largest, those of the two libraries stand in
    each other's way at every change: they stay awake, waiting for more. That costs a tenth of the time on two cores.
    """
    threads = torch.get_num_threads() if torch.device(device).type == 'cpu' else 1
    return threads if queries >= threads * ENOUGH else 1


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let every thread work alone, in NumPy's BLAS and in torch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that begin from here on take it over
    try:
        with threadpool_limits(1, 'blas'):
            yield
    finally:
        torch.set_num_threads(threads)


def _search(
    queries: Tensor, pool: Tensor, excluded: tuple[np.ndarray, np.ndarray], k: int, buffer: Tensor
) -> tuple[Tensor, Tensor]:
    """The k best of each query of a block: the best of every block of the pool, and of these the best."""
    parts = []
    size = buffer.shape[1]
    for first in range(0, len(pool), size):
        part = pool[first : first + size]
        scores = _multiply(queries, part, buffer[: len(queries), : len(part)])
        within = (excluded[1] >= first) & (excluded[1] < first + len(part))
        rows, columns = (torch.as_tensor(e[within], device=scores.device) for e in excluded)
        scores[rows, columns - first] = -torch.inf
        values, found = _top(scores, queries, part, min(k, len(part)))
        parts.append((values, found + first))
    values, found = (torch.cat(side, dim=1) for side in zip(*parts, strict=True))
    if len(parts) > 1:
        values, order = torch.sort(values, dim=1, descending=True)
        values, found = _order(values, found.gather(1, order), queries, pool, keep=k)
    return values[:, :k], found[:, :k]


def _multiply(queries: Tensor, pool: Tensor, out: Tensor) -> Tensor:
    """Inner products of all queries with all vectors of the pool, [B, P] in ``out``.

    On a CPU by NumPy, whose OpenBLAS has been measured to be 1.5 times as fast as torch's MKL on an AMD EPYC.
    """
    if out.device.type == 'cpu':
        np.matmul(queries.numpy(), pool.numpy().T, out=out.numpy())
        return out
    return torch.mm(queries, pool.T, out=out)


def _powers_of_two(vectors: np.ndarray) -> np.ndarray:
    """[N] float32: the power of two nearest to the length of each vector; scaling by it loses nothing. 1 for length 0.

    The order for a query does not depend on how long its vector is, but what float32 can tell apart does.
    """
    lengths = np.sqrt(np.einsum('ij,ij->i', vectors, vectors))
    return np.exp2(np.round(np.log2(np.where(lengths > 0, lengths, 1)))).astype(np.float32)


def _top(scores: Tensor, queries: Tensor, pool: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of each row [B, P]; widens the search while the cut might fall between near-equal similarities."""
    width = min(k + 8, scores.shape[1])
    values, found = _largest(scores, width)
    open_rows = torch.nonzero(values[:, -1] >= values[:, k - 1] - CLOSE).flatten() if width < scores.shape[1] else None
    values, found = _order(values, found, queries, pool)
    if open_rows is not None and len(open_rows):
        wide_values, wide_found = torch.topk(scores[open_rows], scores.shape[1])
        wide_values, wide_found = _order(wide_values, wide_found, queries[open_rows], pool, keep=k)
        values[open_rows, :k], found[open_rows, :k] = wide_values[:, :k], wide_found[:, :k]
    return values[:, :k], found[:, :k]


def _largest(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """What ``torch.topk`` gives, in two thirds of its time: the largest lie in the tiles with the largest maxima."""
    number = scores.shape[1] // TILE
    if number < 4 * width:  # not worth it
        return torch.topk(scores, width)
    tiles = scores[:, : number * TILE].unflatten(1, (number, TILE))
    chosen = torch.topk(tiles.amax(dim=2), width, sorted=False).indices
    inside = tiles[torch.arange(len(scores), device=scores.device)[:, None], chosen].flatten(1)
    values, places = torch.topk(torch.cat((inside, scores[:, number * TILE :]), dim=1), width)
    chosen = torch.nn.functional.pad(chosen, (0, 1), value=number)  # the rest, which fills no tile
    return values, chosen.gather(1, places // TILE) * TILE + places % TILE


def _order(
    values: Tensor, found: Tensor, queries: Tensor, pool: Tensor, keep: int | None = None
) -> tuple[Tensor, Tensor]:
    """Sort candidates by (similarity, position), after recomputing in float64 those that float32 cannot tell apart."""
    near = (values[:, :-1] - values[:, 1:]) <= CLOSE
    doubtful = torch.nn.functional.pad(near, (1, 0)) | torch.nn.functional.pad(near, (0, 1))
    if keep is not None:  # beyond the cut only what may still move into it matters
        doubtful &= values >= values[:, keep - 1 : keep] - CLOSE
    doubtful &= torch.isfinite(values)
    rows, columns = torch.nonzero(doubtful, as_tuple=True)
    step = max(1, GATHERED[values.device.type] // pool.shape[1])
    for part in torch.arange(len(rows), device=rows.device).split(step):
        r, c = rows[part], columns[part]
        exact = (queries[r].double() * pool[found[r, c]].double()).sum(dim=1)
        values[r, c] = exact.to(values.dtype)
    found, order = torch.sort(found, dim=1)
    values, order = torch.sort(values.gather(1, order), dim=1, descending=True, stable=True)
    return values, found.gather(1, order)
