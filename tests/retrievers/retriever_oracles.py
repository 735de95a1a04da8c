"""Small works, and what each retriever should find among them: plain loops in float64 that share no code with ssmr."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import Retriever, Search, build_index

COSINE, GRAM = {'type': 'CosineRetriever'}, {'type': 'GramRetriever'}


def make(name: str, k: int = 5, **settings: object) -> Retriever:
    if name == 'FaissRetriever':
        pytest.importorskip('faiss')
    return RETRIEVERS.build({'type': name, 'num_references': k, **settings})


def search_of(works: dict, queries: np.ndarray, k: int, device: str = 'cpu') -> Search:
    """The search that build_index makes, for some of the queries."""
    pool = np.array(sorted(np.flatnonzero(works['readable'] & works['training']), key=lambda i: works['ids'][i]))
    same = works['groups'][queries][:, None] == works['groups'][pool][None]
    excluded = np.nonzero(same)
    return Search(
        works['features'], works['ids'], queries, pool, excluded, k, device, works['scores'], works['groups']
    )  # fmt: skip


def index_of(works: dict, name: str, k: int = 5, **settings: object) -> ReferenceIndex:
    return build_index(make(name, k, **settings), **works)


def make_works(n: int, seed: int, duplicates: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    features = {'semantic': rng.normal(size=(n, 16)), 'style': np.abs(rng.normal(size=(n, 12)))}
    for view in features.values():
        view[n - duplicates :] = view[0]
    return {
        'features': {k: v.astype(np.float32) for k, v in features.items()},
        'ids': tuple(f'{i:04d}.jpg' for i in rng.permutation(n)),
        'readable': rng.random(n) > 0.1,
        'training': rng.random(n) > 0.3,
        'groups': np.arange(n),
        'scores': rng.integers(0, 21, n) / 4,  # many ties, as labels have
    }


def all_readable(works: dict, training: np.ndarray | None = None) -> dict:
    works['readable'][:] = True
    works['training'][:] = True if training is None else training
    return works


def unit(vectors: np.ndarray) -> np.ndarray:
    exact = vectors.astype(np.float64)
    return exact / np.sqrt((exact**2).sum(axis=1, keepdims=True))


def cosines(works: dict, view: str = 'semantic') -> np.ndarray:
    return unit(works['features'][view]) @ unit(works['features'][view]).T


def nearest(values: np.ndarray, works: dict, number: int) -> np.ndarray:
    """[Q, C] candidates: the nearest, no more than the query with the fewest possible references has."""
    fewest = int(allowed(works)[works['readable']].sum(axis=1).min())
    return best(values, works, min(number, fewest))[0]


def allowed(works: dict) -> np.ndarray:
    """[N, N]: may the row's work refer to the column's?"""
    return (works['readable'] & works['training'])[None] & (works['groups'][:, None] != works['groups'][None])


def best(values: np.ndarray, works: dict, k: int, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All pairs, masked, sorted by (similarity as float32, id): references and values of the readable works."""
    masked = np.where(allowed(works) if mask is None else mask, values, -np.inf).astype(np.float32)
    ranks = np.argsort(np.argsort(np.array(works['ids'])))
    order = np.lexsort((np.broadcast_to(ranks, masked.shape), -masked))[:, :k]
    queries = np.flatnonzero(works['readable'])
    return order[queries], np.take_along_axis(masked, order, axis=1)[queries]


def fused_ranks(works: dict, k: int, lists: list[np.ndarray], constant: float, weights: list[float]) -> tuple:
    """Reciprocal rank fusion of hits [Q, depth] a part."""
    n, queries = len(works['ids']), np.flatnonzero(works['readable'])
    values, seen = np.zeros((n, n)), np.zeros((n, n), dtype=bool)
    for hits, weight in zip(lists, weights, strict=True):
        for query, found in zip(queries, hits, strict=True):
            for rank, work in enumerate(found, start=1):
                values[query, work] += weight / (constant + rank)
                seen[query, work] = True
    return best(values, works, k, seen)


def reranked(works: dict, k: int, first: np.ndarray, second: np.ndarray, candidates: int) -> tuple:
    mask = np.zeros_like(allowed(works))
    for query, found in zip(np.flatnonzero(works['readable']), nearest(first, works, candidates), strict=True):
        mask[query, found] = True
    return best(second, works, k, mask)


def csls(works: dict, similarity: np.ndarray, neighbours: int) -> np.ndarray:
    mask, n = allowed(works), len(similarity)
    density = np.zeros(n)
    for work in range(n):
        nearest = sorted(similarity[work][mask[work]], reverse=True)[:neighbours]
        density[work] = np.mean(nearest) if nearest else 0
    return 2 * similarity - density[:, None] - density[None]


def mutual_first(works: dict, k: int, similarity: np.ndarray, neighbours: int, candidates: int) -> tuple:
    mask = allowed(works)
    values = np.full_like(similarity, np.nan)
    near = np.zeros_like(mask)
    for query, found in zip(np.flatnonzero(works['readable']), nearest(similarity, works, candidates), strict=True):
        for work in found:
            others = sorted(similarity[work][mask[work]], reverse=True)
            held = len(others) < neighbours or similarity[query, work] >= others[neighbours - 1] - 1e-12
            values[query, work] = similarity[query, work] - (0 if held else 2)
            near[query, work] = True
    return best(values, works, k, near)


def marginal_relevance(works: dict, k: int, similarity: np.ndarray, trade_off: float, candidates: int) -> tuple:
    references, values = [], []
    for query, found in zip(np.flatnonzero(works['readable']), nearest(similarity, works, candidates), strict=True):
        chosen: list[int] = []
        gains: list[float] = []
        for _ in range(k):
            left = [w for w in sorted(found, key=lambda w: works['ids'][w]) if w not in chosen]
            worth = [
                trade_off * similarity[query, w]
                - (1 - trade_off) * max([0.0, *(similarity[w, c] for c in chosen)])
                for w in left
            ]  # fmt: skip
            chosen.append(left[int(np.argmax(worth))])
            gains.append(max(worth))
        references.append(chosen)
        values.append(gains)
    return np.array(references), np.array(values)


def far_in_number(works: dict, gap: int) -> np.ndarray:
    numbers = np.array([int(name.split('.')[0]) for name in works['ids']])
    return allowed(works) & (np.abs(numbers[:, None] - numbers[None]) > gap)


def half_squared_distances(works: dict, view: str = 'semantic') -> np.ndarray:
    """-d^2 / 2, the pool's root mean square distance from its centre being 1."""
    vectors = works['features'][view].astype(np.float64)
    pool = vectors[works['readable'] & works['training']]
    spread = ((pool - pool.mean(axis=0)) ** 2).sum(axis=1).mean()
    return -((vectors[:, None] - vectors[None]) ** 2).sum(axis=2) / 2 / spread


#: What a retriever needs to be built, where its defaults do not do.
NEEDED: dict[str, dict] = {
    'FusionRetriever': {'parts': [COSINE, GRAM], 'weights': [0.7, 0.3]},
    'ReciprocalRankFusion': {'parts': [COSINE, GRAM], 'depth': 15, 'weights': [1.0, 0.5]},
    'TwoStageRetriever': {'parts': [COSINE, GRAM], 'candidates': 12},
    'CSLSRetriever': {'retriever': COSINE, 'neighbours': 4},
    'MutualNeighbours': {'retriever': COSINE, 'neighbours': 6, 'candidates': 20},
    'MinIdGap': {'retriever': COSINE, 'gap': 10},
    'DiverseRetriever': {'retriever': COSINE, 'candidates': 20},
    'LabelOracleRetriever': {'diagnostic': True},
    'FaissRetriever': {'retriever': COSINE, 'index': 'IVF4,Flat', 'nprobe': 4},  # all lists: exact
}

#: The references and similarities that each should find for these settings; the random one alone has none.
ORACLES: dict[str, Callable[[dict, int], tuple[np.ndarray, np.ndarray]]] = {
    'CosineRetriever': lambda w, k: best(cosines(w), w, k),
    'GramRetriever': lambda w, k: best(cosines(w, 'style'), w, k),
    'FusionRetriever': lambda w, k: best(0.7 * cosines(w) + 0.3 * cosines(w, 'style'), w, k),
    'ReciprocalRankFusion': lambda w, k: fused_ranks(
        w, k, [best(cosines(w, view), w, 15)[0] for view in ('semantic', 'style')], 60, [1.0, 0.5]
    ),
    'TwoStageRetriever': lambda w, k: reranked(w, k, cosines(w), cosines(w, 'style'), 12),
    'CSLSRetriever': lambda w, k: best(csls(w, cosines(w), 4), w, k),
    'MutualNeighbours': lambda w, k: mutual_first(w, k, cosines(w), 6, 20),
    'MinIdGap': lambda w, k: best(cosines(w), w, k, far_in_number(w, 10)),
    'DiverseRetriever': lambda w, k: marginal_relevance(w, k, cosines(w), 0.7, 20),
    'EuclideanRetriever': lambda w, k: best(half_squared_distances(w), w, k),
    'LabelOracleRetriever': lambda w, k: best(-np.abs(w['scores'][:, None] - w['scores'][None]), w, k),
    'FaissRetriever': lambda w, k: best(cosines(w), w, k),
}
