"""The whole flow: plan the stages, reuse what is there, build the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.artifacts.store import ArtifactKey
from ssmr.engine import ranks
from ssmr.stages.extract import feature_bank
from ssmr.stages.project import Project
from ssmr.stages.references import reference_index


@dataclass(frozen=True)
class Step:
    """One stage of a plan.

    Attributes:
        stage: What it makes.
        hit: Whether that exists.
        where: The artifact's folder or the checkpoint.
        stale: Why it is a miss although something like it exists: the fields that differ.
    """

    stage: str
    hit: bool
    where: Path
    stale: tuple[str, ...] = ()


def plan(project: Project) -> list[Step]:
    """Look which stages are done, without doing any."""
    from ssmr.stages.train import stale_training_fields, trained_checkpoint

    steps = [_step(project, f'features of {view}', project.bank_key(view)) for view in project.views]
    steps.append(_step(project, 'references', project.index_key()))
    checkpoint = trained_checkpoint(project)
    stale = tuple(stale_training_fields(project))
    return [*steps, Step('training', checkpoint is not None, checkpoint or project.work_dir, stale)]


def _step(project: Project, stage: str, key: ArtifactKey) -> Step:
    hit = project.store.has(key)
    return Step(stage, hit, project.store.path(key), () if hit else tuple(project.store.stale_fields(key)))


def plan_text(steps: list[Step]) -> str:
    """The plan as a table, as wide as the terminal."""
    table = Table(box=box.SIMPLE)
    for column in ('stage', 'state', 'where', 'differs in'):
        table.add_column(column, overflow='fold')
    for step in steps:
        table.add_row(step.stage, 'hit' if step.hit else 'miss', str(step.where), ', '.join(step.stale[:6]))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def features(project: Project) -> dict[str, FeatureBank]:
    """Every view's bank, extracted where missing."""
    return {view: feature_bank(project, view) for view in project.views}


def references(project: Project) -> tuple[dict[str, FeatureBank], ReferenceIndex]:
    """The banks and the index, built where missing."""
    banks = features(project)
    return banks, reference_index(project, banks)


def run(project: Project, retrain: bool = False) -> Path:
    """Build whatever is missing and return the trained checkpoint.

    Args:
        project: The project.
        retrain: Train even if the work folder holds the result already.
    """
    from ssmr.stages.train import train, trained_checkpoint

    checkpoint = None if retrain else ranks.from_first(ranks.everywhere(lambda: trained_checkpoint(project)))
    if checkpoint is not None:
        return checkpoint
    return train(project, *references(project))
