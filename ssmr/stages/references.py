"""Stage 2: the reference index (SRIG)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.engine import ranks
from ssmr.retrievers.base import build_index
from ssmr.stages.project import Project


def reference_index(project: Project, banks: Mapping[str, FeatureBank]) -> ReferenceIndex:
    """Return the index of the config's retriever, building it where it is missing.

    Args:
        project: The project.
        banks: Its views.

    Raises:
        DataError: The training pool is too small.
        ArtifactError: The disk is full, the stored index is corrupt, or it belongs to another table.
    """
    key = project.index_key()
    build = partial(_build, project, banks)
    folder = ranks.first_then_others(lambda: project.store.get_or_build(key, build))
    return ranks.everywhere(lambda: _open(project, folder))


def _open(project: Project, folder: Path) -> ReferenceIndex:
    index = ReferenceIndex.open(folder)
    index.require_table(project.table.ids)
    return index


def readable(banks: Mapping[str, FeatureBank]) -> np.ndarray:
    """[N] bool: works whose image every view could read."""
    return np.logical_and.reduce([bank.valid for bank in banks.values()])


def _build(project: Project, banks: Mapping[str, FeatureBank], folder: Path) -> dict[str, Any]:
    table = project.table
    index = build_index(
        project.retriever,
        {view: bank.features for view, bank in banks.items()},
        table.ids,
        readable(banks),
        table.splits == 'train',
        table.groups,
        'cuda' if torch.cuda.is_available() else 'cpu',
        table.scores,
    )
    index.save(folder)
    return {'queries': len(index.queries), 'num_references': index.num_references}
