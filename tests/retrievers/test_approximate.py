"""Approximate search with faiss: what it may miss, what it must not, and what it says where it cannot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from retriever_oracles import COSINE, all_readable, best, cosines, index_of, make, make_works

from ssmr.errors import ConfigError
from ssmr.retrievers.base import build_index

EUCLIDEAN = {'type': 'EuclideanRetriever'}


@pytest.fixture
def faiss():
    return pytest.importorskip('faiss')


@pytest.fixture(scope='module')
def many() -> dict:
    works = make_works(1200, 0, duplicates=20)
    works['groups'][1180:1190] = works['groups'][0]
    return works


@pytest.mark.parametrize(('string', 'least'), [
    ('Flat', 0.99), ('IVF16,Flat', 0.8), ('HNSW16', 0.95), ('IVF8,PQ4', 0.2), ('PCA8,IVF8,Flat', 0.3),
    ('HNSW16,SQ8', 0.9), ('IVF8,PQ8,RFlat', 0.4),
])  # fmt: skip
def test_what_is_found_is_exact_and_the_recall_is_measured(many: dict, string: str, least: float, capsys) -> None:
    retriever = make('FaissRetriever', 10, retriever=COSINE, index=string, nprobe=8, recall_queries=10_000)
    index = build_index(retriever, **many)  # validates pool, groups and order
    truth, _ = best(cosines(many), many, 10)
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(index.references, truth, strict=True)])
    assert retriever.recall == pytest.approx(found)
    assert found >= least
    np.testing.assert_allclose(
        index.similarities, np.take_along_axis(cosines(many)[index.queries], index.references, axis=1), atol=1e-6
    )
    line = capsys.readouterr().err.strip()
    assert line == f'FaissRetriever: {string}: recall@10 {found:.4f} on {len(truth)} of {len(truth)} queries'


def test_it_works_over_every_embedding(faiss, many: dict) -> None:
    for inner in (EUCLIDEAN, {'type': 'CSLSRetriever', 'retriever': COSINE}):
        exact = index_of(many, inner['type'], 6, **{k: v for k, v in inner.items() if k != 'type'})
        found = index_of(many, 'FaissRetriever', 6, retriever=inner, index='IVF8,Flat', nprobe=8)
        assert (exact.references == found.references).mean() > 0.99
        np.testing.assert_allclose(exact.similarities, found.similarities, atol=3e-6)


def test_more_probes_miss_less_and_the_sample_is_always_the_same(faiss, many: dict) -> None:
    recalls = []
    for nprobe in (4, 4, 16, 64):
        retriever = make('FaissRetriever', 10, retriever=COSINE, index='IVF64,Flat', nprobe=nprobe, recall_queries=50)
        build_index(retriever, **many)
        recalls.append(retriever.recall)
    assert recalls[0] == recalls[1] < recalls[2] < recalls[3] == 1


def test_a_larger_ef_search_misses_less(faiss) -> None:
    works = all_readable(make_works(3000, 1))
    low, high = (make('FaissRetriever', 2, retriever=COSINE, index='HNSW4', ef_search=n) for n in (1, 200))
    for retriever in (low, high):
        build_index(retriever, **works)
    assert low.recall < high.recall


def test_queries_that_get_too_few_are_searched_exactly(faiss, monkeypatch: pytest.MonkeyPatch) -> None:
    works = make_works(200, 2)
    works['groups'][50:90] = 50
    truth = index_of(works, 'CosineRetriever', 60)
    retriever = make('FaissRetriever', 60, retriever=COSINE, index='IVF3,Flat', nprobe=1)
    build_index(retriever, **works)
    assert retriever.recall > 0.7  # a list holds about 40 works
    monkeypatch.setattr('ssmr.retrievers.approximate.MOST_FORBIDDEN', 0)  # less than itself
    found = index_of(works, 'FaissRetriever', 60, retriever=COSINE, index='Flat')
    assert (found.references == truth.references).all()


def test_an_index_is_built_by_one_thread_and_searched_by_all(
    faiss, many: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, before = {}, faiss.omp_get_max_threads()
    for method in ('add', 'search'):
        original = getattr(faiss.IndexHNSWFlat, method)

        def spy(index, *args, method=method, original=original):
            threads[method] = faiss.omp_get_max_threads()
            return original(index, *args)

        monkeypatch.setattr(faiss.IndexHNSWFlat, method, spy)
    try:
        faiss.omp_set_num_threads(3)
        index_of(many, 'FaissRetriever', retriever=COSINE, index='HNSW8')
    finally:
        faiss.omp_set_num_threads(before)
    assert threads == {'add': 1, 'search': 3}


@pytest.mark.parametrize('string', ['HNSW16', 'IVF16,Flat', 'IVF8,PQ4'])
def test_the_same_inputs_give_the_same_index_and_threads_are_given_back(faiss, many: dict, string: str) -> None:
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(4)
        first, again = (index_of(many, 'FaissRetriever', 8, retriever=COSINE, index=string) for _ in range(2))
        assert (first.references == again.references).all()
        assert (first.similarities == again.similarities).all()
        assert faiss.omp_get_max_threads() == 4
        with pytest.raises(ConfigError):
            index_of(many, 'FaissRetriever', retriever=COSINE, index='IVF5000,Flat')
        assert faiss.omp_get_max_threads() == 4
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize(('string', 'plain'), [
    ('PQ8', 'PQ8np'), ('IVF256,PQ64', 'IVF256,PQ64np'), ('IVF8,PQ2x6,RFlat', 'IVF8,PQ2x6np,RFlat'), ('PQ8np', 'PQ8np'),
    ('OPQ4,IVF8,PQ2', 'OPQ4,IVF8,PQ2np'), ('IVF8,PQ8x4fs', 'IVF8,PQ8x4fs'), ('HNSW8_PQ2', 'HNSW8_PQ2np'), ('Flat',) * 2,
])  # fmt: skip
def test_pq_is_trained_without_what_nobody_uses(faiss, string: str, plain: str) -> None:
    from ssmr.retrievers.faiss_index import without_polysemous_training

    assert without_polysemous_training(string) == plain
    works = np.random.default_rng(0).normal(size=(300, 512)).astype(np.float32)
    faiss.index_factory(works.shape[1], plain, faiss.METRIC_INNER_PRODUCT)  # it knows the string


@pytest.mark.parametrize(('string', 'said', 'fix'), [
    ('Nonsense', 'vectors of 16 numbers', 'index_factory'),
    ('', 'vectors of 16 numbers', 'index_factory'),
    ('IVF4,PQ5', 'vectors of 16 numbers', 'divides'),
    ('IVF256,Flat', 'a training pool of', 'fewer lists'),
    ('IVF4,PQ4', 'a training pool of', 'no PQ'),
    ('IVF0,Flat', 'this machine', 'another index'),
])  # fmt: skip
def test_what_faiss_refuses_is_said_in_our_words(faiss, string: str, said: str, fix: str) -> None:
    with pytest.raises(ConfigError, match=rf"retriever\.index is '{string}', which faiss refuses for {said}") as caught:
        index_of(make_works(90, 0), 'FaissRetriever', retriever=COSINE, index=string)
    assert fix in caught.value.fix
    assert 'faiss::' not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(('gpu', 'extra'), [(False, r'ssmr\[faiss\]'), (True, r'ssmr\[gpu\]')])
def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, gpu: bool, extra: str) -> None:
    from ssmr.retrievers.approximate import FaissRetriever

    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ConfigError, match=f"(?s)needs faiss.*pip install '{extra}'.*never both"):
        FaissRetriever(COSINE, gpu=gpu)


def test_a_faiss_without_gpu_support_is_refused_before_any_work(faiss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(faiss, 'StandardGpuResources', raising=False)
    with pytest.raises(ConfigError, match=r'retriever\.gpu is True.*no GPU support'):
        make('FaissRetriever', retriever=COSINE, gpu=True)


def test_gpu_search_moves_the_index_and_keeps_within_what_a_gpu_finds(faiss, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []

    def to_gpu(resources: object, number: int, index: object) -> object:
        if 'HNSW' in type(index).__name__:
            raise RuntimeError('Error in f at g.cpp:1: Error: not implemented')
        moved.append((resources, number))
        return index

    monkeypatch.setattr(faiss, 'StandardGpuResources', lambda: 'resources', raising=False)
    monkeypatch.setattr(faiss, 'index_cpu_to_gpu', to_gpu, raising=False)
    works = make_works(90, 0)
    index = index_of(works, 'FaissRetriever', retriever=COSINE, index='IVF4,Flat', nprobe=4, gpu=True)
    assert moved == [('resources', 0)]
    assert (index.references == index_of(works, 'CosineRetriever').references).all()
    with pytest.raises(ConfigError, match=r'refuses for GPU 0: not implemented') as caught:
        index_of(works, 'FaissRetriever', retriever=COSINE, index='HNSW8', gpu=True)
    assert 'HNSW runs on CPUs alone' in caught.value.fix
    with pytest.raises(ConfigError, match=r'num_references is 2049.*at most 2048'):
        make('FaissRetriever', 2049, retriever=COSINE, gpu=True)


def test_the_gpu_is_the_one_of_the_search() -> None:
    from ssmr.retrievers.approximate import _gpu_number

    assert [_gpu_number(device) for device in ('cpu', 'cuda', 'cuda:3')] == [0, 0, 3]


def test_no_recall_queries_measure_nothing(faiss, capsys) -> None:
    retriever = make('FaissRetriever', retriever=COSINE, index='Flat', recall_queries=0)
    build_index(retriever, **make_works(50, 0))
    assert retriever.recall is None
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('order', ['faiss, torch', 'torch, faiss'])
def test_torch_and_faiss_work_after_each_other_in_one_process(faiss, order: str) -> None:
    code = (
        f'import {order}\nimport numpy as np\nx = np.random.default_rng(0).normal(size=(900, 32)).astype("f4")\n'
        'for i in range(3):\n'
        '    a = (torch.from_numpy(x) @ torch.from_numpy(x).T).topk(3).indices[:, 0].numpy()\n'
        '    index = faiss.index_factory(32, "HNSW16" if i else "IVF8,Flat", faiss.METRIC_L2)\n'
        '    index.train(x); index.add(x)\n'
        '    b = index.search(x, 3)[1][:, 0]\n'
        '    torch.nn.Linear(32, 8)(torch.from_numpy(x)).sum().backward()\n'
        '    assert (b == np.arange(900)).mean() > 0.99 and len(a) == 900\n'
        'print("fine")'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 'fine' in done.stdout
