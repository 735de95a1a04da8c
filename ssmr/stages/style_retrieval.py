"""How well does a view find works of one's own style? Precision of the first k references, in a gallery with classes.

All works are queries and pool; a work and its duplicates never find each other. A descriptor of style should find works
of the same style by other hands too, so that precision is also given without the works of the query's own artist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import Retriever, build_index
from ssmr.stages.pipeline import features
from ssmr.stages.project import Project, plain
from ssmr.stages.references import readable
from ssmr.stages.style_precision import (
    RetrieverPrecision,
    StyleRetrieval,
    chance_precision,
    estimate,
    near_duplicates,
    same,
)


def evaluate_style_retrieval(
    project: Project,
    class_column: str,
    artist_column: str | None = None,
    k: int = 10,
    fuse: Sequence[str] = (),
    near: float = 0.9,
    semantic: str = 'semantic',
) -> StyleRetrieval:
    """Evaluate every view of the config by cosine, the views of ``fuse`` together, and the config's own retriever.

    Args:
        project: Of a config whose table has the columns; ``evaluation`` gives the number and seed of the resamples.
        class_column: What references should share with their query, e.g. the style.
        artist_column: Who made the work; where it is empty, nobody else is taken for its artist.
        k: Number of references a query.
        fuse: Names like 'semantic+gram': the mean of these views' cosines.
        near: Pairs above this cosine in the view ``semantic`` are listed as near duplicates. With EfficientNet-Lite0
            paintings saved again as JPEG (quality 75) have .94 or more with themselves, cut by 5 % a side .92 (median),
            at half the size .83 (median); no two of 572 different paintings have more than .83.
        semantic: The view to look for near duplicates in.

    Raises:
        ConfigError: A column or view does not exist.
        DataError: A work has fewer than k others, or the retriever reads scores that are not there.
    """
    table = project.table
    retrievers = named_retrievers(project, k, fuse)
    known_views([semantic], project.views, '--semantic-view')
    classes = _column(project, class_column, '--class-column')
    banks = features(project)
    used = readable(banks) & ~pd.isna(classes)
    codes = _codes(classes)
    artists = None
    if artist_column is not None:
        column = _column(project, artist_column, '--artist-column')
        artists = _codes(np.where(pd.isna(column), np.array(table.ids, dtype=object) + '\0', column))
    found = {name: _precision(project, r, banks, used, codes, artists) for name, r in retrievers.items()}
    return StyleRetrieval(
        k=k,
        works=int(used.sum()),
        classes=len(np.unique(codes[used])),
        left_out=int((~used).sum()),
        chance=chance_precision(codes[used], table.groups[used]),
        chance_other_artists=None if artists is None else chance_precision(codes[used], artists[used]),
        retrievers=found,
        near_duplicates=near_duplicates(banks[semantic], used, near),
    )


def named_retrievers(project: Project, k: int, fuse: Sequence[str]) -> dict[str, Retriever]:
    """One retriever a view, one for each name in ``fuse``, and the config's own as 'retriever'; all of k references.

    Raises:
        ConfigError: A name in ``fuse`` is not of two or more views.
    """
    found: dict[str, Retriever] = {}
    for view in project.views:
        found[view] = RETRIEVERS.build({'type': 'CosineRetriever', 'view': view})
    for name in fuse:
        views = name.split('+')
        known_views(views, project.views, f'--fuse {name}')
        parts = [{'type': 'CosineRetriever', 'view': view} for view in views]
        found[name] = RETRIEVERS.build({'type': 'FusionRetriever', 'parts': parts})
    found['retriever'] = RETRIEVERS.build(plain(project.cfg.retriever))  # its own: the project's keeps its number
    for retriever in found.values():
        retriever.num_references = k
    return found


def known_views(views: Sequence[str], known: Sequence[str], option: str) -> None:
    """Refuse names that are no views.

    Raises:
        ConfigError: Names the option and the views that there are.
    """
    for view in views:
        if view not in known:
            raise ConfigError(f'{option}: {view!r} is no view', f'the config uses {", ".join(known)}; e.g. A+B')


def _column(project: Project, name: str, option: str) -> np.ndarray:
    column = project.table.extra.get(name)
    if column is None:
        raise ConfigError(
            f'{option} {name}: {project.table.name} has no such column', f'it has {", ".join(project.table.extra)}'
        )
    return column


def _codes(values: np.ndarray) -> np.ndarray:
    """[N] names to [N] int64."""
    return pd.factorize(pd.Series(values).astype(str))[0].astype(np.int64)


def _precision(
    project: Project,
    retriever: Retriever,
    banks: Mapping[str, FeatureBank],
    used: np.ndarray,
    classes: np.ndarray,
    artists: np.ndarray | None,
) -> RetrieverPrecision:
    if retriever.reads_labels:
        project.table.require_scores()
    table, vectors = project.table, {view: bank.features for view, bank in banks.items()}

    def find(groups: np.ndarray) -> ReferenceIndex:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        everyone = np.ones(len(table), dtype=bool)
        return build_index(retriever, vectors, table.ids, used, everyone, groups, device, table.scores)

    draws = project.cfg.get('evaluation', {})
    n, seed = draws.get('bootstrap', 1000), draws.get('seed', 0)
    index = find(table.groups)
    hits = same(index, classes)
    precision = estimate(hits.mean(axis=1), n, seed)
    if artists is None:
        return RetrieverPrecision(precision)
    own = float(same(index, artists)[hits].mean()) if hits.any() else None
    return RetrieverPrecision(precision, own, estimate(same(find(artists), classes).mean(axis=1), n, seed))
