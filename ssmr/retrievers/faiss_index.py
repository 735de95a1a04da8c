"""What is asked of faiss: whether it is there, and an index that is the same whenever its inputs are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ssmr.errors import ConfigError

#: The most neighbours that faiss finds on a GPU.
GPU_LIMIT = 2048

#: What to do where faiss refuses a string, a pool or a machine.
STRINGS = (
    'give a string for faiss.index_factory: IVF256,Flat, HNSW32, or IVF256,PQ32, where the number after PQ divides '
    'the length of the vectors'
)
SIZES = (
    'take fewer lists (the number after IVF; about one for 40 works), no PQ (it needs 256 works), HNSW32, or the '
    'retriever without faiss, which is exact'
)
PLACES = 'take another index, such as IVF256,Flat; HNSW runs on CPUs alone, with retriever.gpu=False'


def import_faiss(gpu: bool) -> Any:
    """Import faiss.

    Raises:
        ConfigError: It is not installed, or has no GPU support where that is asked for.
    """
    extra = 'gpu' if gpu else 'faiss'
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            f'FaissRetriever needs faiss, which cannot be imported: {error}',
            f"pip install 'ssmr[{extra}]' ([faiss] for CPUs or [gpu], never both); or use the retriever without it, "
            'which is exact',
        ) from error
    if gpu and not hasattr(faiss, 'StandardGpuResources'):
        raise ConfigError(
            f'retriever.gpu is True, but the installed faiss {faiss.__version__} has no GPU support',
            "pip uninstall faiss-cpu, then pip install 'ssmr[gpu]' (never both); or set retriever.gpu=False",
        )
    return faiss


def search_index(
    queries: np.ndarray, pool: np.ndarray, width: int, factory: str, nprobe: int, ef_search: int, gpu: int | None
) -> np.ndarray:
    """Build an index of the pool and look the queries up in it.

    Args:
        queries: [Q, E] float32.
        pool: [P, E] float32.
        width: How many to find a query.
        factory: A string for ``faiss.index_factory``; the metric is the inner product.
        nprobe: How many lists of an IVF index are looked at.
        ef_search: How many candidates an HNSW index keeps.
        gpu: The number of the GPU to search on; None for the CPU.

    Returns:
        [Q, width] int64 positions in the pool; -1 where the index found fewer.

    Raises:
        ConfigError: faiss refuses the string, cannot build that index of this pool, or not on a GPU.
    """
    faiss = import_faiss(gpu is not None)
    queries, pool = np.ascontiguousarray(queries), np.ascontiguousarray(pool)
    with _refusal(factory, f'vectors of {pool.shape[1]} numbers', STRINGS):
        index = faiss.index_factory(pool.shape[1], without_polysemous_training(factory), faiss.METRIC_INNER_PRODUCT)
        for name, value, kind in (('nprobe', nprobe, 'IVF'), ('efSearch', ef_search, 'HNSW')):
            if kind in factory:
                faiss.ParameterSpace().set_index_parameter(index, name, value)
    with _refusal(factory, f'a training pool of {len(pool)} works', SIZES), _one_thread(faiss):
        index.train(pool)
        index.add(pool)
    with _refusal(factory, 'this machine' if gpu is None else f'GPU {gpu}', PLACES):
        resources = None if gpu is None else faiss.StandardGpuResources()  # must outlive the search
        index = index if gpu is None else faiss.index_cpu_to_gpu(resources, gpu, index)
        found: np.ndarray = index.search(queries, width)[1]
    return found


def without_polysemous_training(factory: str) -> str:
    """Write ``PQ32`` as ``PQ32np``.

    By default faiss spends seconds on each of PQ's parts to number its codes such that they can be filtered by Hamming
    distance. Nobody filters here, and without it the results are the same.
    """
    return re.sub(r'(?<![A-Z])(PQ\d+(?:x\d+)?)(?=,|$)', r'\1np', factory)


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    """HNSW graphs depend on the order in which threads add to them."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


@contextmanager
def _refusal(factory: str, what: str, fix: str) -> Iterator[None]:
    """Turn what faiss raises, a C++ function with all its types, into what it says."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        said = re.split(r'Error: |failed: |\.\w+:\d+: ', str(error))[-1].strip() or type(error).__name__
        raise ConfigError(f'retriever.index is {factory!r}, which faiss refuses for {what}: {said}', fix) from None
