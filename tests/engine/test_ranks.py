"""What the ranks of a run do together: one result for all, one order, and one error, whoever met it."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.backbones.encoder import Encoder
from ssmr.config.load import load_config
from ssmr.engine import ranks
from ssmr.errors import ArtifactError, ConfigError, DataError, SsmrError, WeightsError
from ssmr.stages import extract, pipeline
from ssmr.stages.project import Project

sys.path.append(str(Path(__file__).parents[1] / 'distributed'))
from rank_processes import Job, run_ranks

FIX = 'repair labels.csv'


def fails_on(*failing: int, kind: type[SsmrError] = DataError) -> int:
    """This rank's number, unless it is one of those that fail."""
    if ranks.rank() in failing:
        raise kind(f'row {ranks.rank()} has no score', FIX)
    return ranks.rank()


def error_of(work: Callable[[], Any]) -> tuple[str, str, str]:
    """What comes of work that is to fail; afterwards all ranks must still be in step."""
    try:
        found = work()
    except SsmrError as error:
        caught = type(error).__name__, error.message, error.fix
        assert ranks.together(ranks.rank) == list(range(ranks.count()))
        return caught
    raise AssertionError(f'no error, but {found}')


def noted(path: Path, slow: int) -> list[str]:
    """Write this rank's number after a while where it is the slow one; what had been written before."""
    before = path.read_text().split() if path.exists() else []
    if ranks.rank() == slow:
        time.sleep(0.3)
    with path.open('a') as file:
        file.write(f'{ranks.rank()}\n')
    return before


def all_results(folder: Path) -> dict[str, Any]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        ranks.print_once(f'printed by {ranks.rank()}')
    return {
        'place': (ranks.rank(), ranks.count(), ranks.is_first()),
        'together': ranks.together(lambda: {'number': ranks.rank() * 10}),
        'nothing': ranks.together(lambda: None),
        'from_first': ranks.from_first([f'of {ranks.rank()}', None]),
        'everywhere': ranks.everywhere(lambda: lambda: ranks.rank())(),  # a function is no data: it stays where it is
        'order': ranks.first_then_others(lambda: noted(folder / 'order', slow=0)),
        'printed': printed.getvalue(),
    }


def all_errors(folder: Path) -> dict[str, tuple[str, str, str]]:
    last = ranks.count() - 1
    found = {
        'together': error_of(lambda: ranks.together(lambda: fails_on(last))),
        'several': error_of(lambda: ranks.together(lambda: fails_on(*range(last // 2, last + 1)))),
        'kind': error_of(lambda: ranks.together(lambda: fails_on(last, kind=ConfigError))),
        'everywhere': error_of(lambda: ranks.everywhere(lambda: fails_on(last))),
        'nested': error_of(lambda: ranks.together(lambda: ranks.together(lambda: fails_on(last)))),
    }

    def others(failing: int) -> None:
        (folder / f'{failing} {ranks.rank()}').touch()
        fails_on(failing)

    found['first'] = error_of(lambda: ranks.first_then_others(lambda: others(0)))
    found['other'] = error_of(lambda: ranks.first_then_others(lambda: others(last)))
    return found


@pytest.mark.parametrize('count', [1, 3])
def test_all_ranks_find_the_same_but_for_what_is_their_own(count: int, tmp_path: Path) -> None:
    outcomes = run_ranks(count, all_results, tmp_path)
    for number, found in enumerate(outcomes):
        assert found['place'] == (number, count, number == 0)
        assert found['together'] == [{'number': 10 * other} for other in range(count)]
        assert found['nothing'] == [None] * count
        assert found['from_first'] == ['of 0', None]
        assert found['everywhere'] == number
        assert found['printed'] == ('printed by 0\n' if number == 0 else '')
        assert found['order'] == [] if number == 0 else found['order'][0] == '0', 'the first one has been before'
    assert sorted((tmp_path / 'order').read_text().split()) == [str(number) for number in range(count)], 'once each'


@pytest.mark.parametrize('count', [1, 3])
def test_an_error_on_one_rank_is_that_of_all_and_names_it(count: int, tmp_path: Path) -> None:
    outcomes = run_ranks(count, all_errors, tmp_path)
    assert all(found == outcomes[0] for found in outcomes), 'all ranks raise the same'
    where = {0: 'row 0 has no score', 1: 'rank 1: row 1 has no score', 2: 'rank 2: row 2 has no score'}
    if count == 3:
        where[0] = f'rank 0: {where[0]}'
    for case, (kind, message, fix) in outcomes[0].items():
        failing = {'first': 0, 'several': (count - 1) // 2}.get(case, count - 1)
        assert (kind, message, fix) == ('ConfigError' if case == 'kind' else 'DataError', where[failing], FIX), case
    asked = {path.name for path in tmp_path.iterdir()}
    assert asked == {f'{failing} 0' for failing in {0, count - 1}} | {f'{count - 1} {n}' for n in range(count)}, (
        'where the first fails nobody else begins'
    )


def with_defect(failing: int) -> None:
    def work() -> None:
        if ranks.rank() == failing:
            raise ZeroDivisionError('a defect')

    ranks.together(work)
    ranks.together(work)


@pytest.mark.parametrize('failing', [0, 2])
def test_a_defect_on_one_rank_ends_all(failing: int) -> None:
    outcomes = Job(3, with_defect, failing).outcomes()
    assert outcomes[failing].error == 'ZeroDivisionError' and 'a defect' in outcomes[failing].message
    assert all(outcome.status not in (0, None) for outcome in outcomes), 'nobody goes on alone, or waits'


def raises(error: type[SsmrError]) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise error('it is not so here', FIX)

    return fail


#: What can go wrong on one machine of several: where, under which name, and with which error.
MISHAPS: dict[str, tuple[Any, str, Any, type[SsmrError]]] = {
    'weights missing': (Project, 'bank_key', raises(WeightsError), WeightsError),
    'encoder not built': (extract, 'build_encoder', raises(WeightsError), WeightsError),
    'encoder does not run': (Encoder, 'dim', property(raises(ConfigError)), ConfigError),
    'shards not begun': (extract, 'FeatureBankWriter', raises(ArtifactError), ArtifactError),
    'shard not written': (extract.FeatureBankWriter, 'write', raises(ArtifactError), ArtifactError),
    'bank not read': (FeatureBank, 'open', raises(ArtifactError), ArtifactError),
}


@contextlib.contextmanager
def mishap(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    before = vars(owner)[name]
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, before)


def extraction_with_mishaps(config: Path, folder: Path, failing: int) -> dict[str, Any]:
    """Extract again and again, each time with another mishap on one rank; and once without any."""
    found: dict[str, Any] = {}
    for case, (owner, name, replacement, _) in MISHAPS.items():
        project = Project(load_config(config, [f'artifact_dir={folder / case.replace(" ", "_")}']))
        happens = mishap(owner, name, replacement) if ranks.rank() == failing else contextlib.nullcontext()
        with happens:
            found[case] = error_of(lambda project=project: pipeline.features(project))  # type: ignore[misc]
    pipeline.features(Project(load_config(config, [f'artifact_dir={folder / "well"}'])))
    return found


@pytest.mark.parametrize('failing', [0, 1])
def test_whatever_fails_on_one_rank_in_extraction_is_an_error_of_all(
    tiny_config: Path, tmp_path: Path, failing: int
) -> None:
    outcomes = Job(2, extraction_with_mishaps, tiny_config, tmp_path / 'banks', failing).outcomes(patience=60)
    assert [outcome.status for outcome in outcomes] == [0, 0], [outcome.message for outcome in outcomes]
    for case, (*_, kind) in MISHAPS.items():
        expected = (kind.__name__, f'rank {failing}: it is not so here', FIX)
        assert [outcome.value[case] for outcome in outcomes] == [expected] * 2, case
    assert not list((tmp_path / 'banks').rglob('*.partial')), 'nothing half-made stays'
