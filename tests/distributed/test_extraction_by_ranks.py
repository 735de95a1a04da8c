"""Feature banks by several ranks: the same bytes as by one, whatever happens on the way."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from rank_processes import Job, run_ranks

from ssmr.artifacts.feature_bank import FeatureBankWriter
from ssmr.config.load import load_config
from ssmr.engine import ranks
from ssmr.errors import WeightsError
from ssmr.stages import encoding, extract, pipeline
from ssmr.stages.project import Project

#: How 24 works are divided: shards of a size -> how many shards there are, the last one smaller or not.
EVEN, UNEVEN, FEW = 8, 5, 12
FAULT = 'SSMR_TEST_KILL_AT'


def extracted(config: Path, *options: str) -> int:
    """Extract all views; how many shards this rank wrote."""
    written = 0
    plain_write = FeatureBankWriter.write

    def write(*arguments: Any) -> None:
        nonlocal written
        written += 1
        plain_write(*arguments)

    FeatureBankWriter.write = write  # type: ignore[method-assign]
    pipeline.features(Project(load_config(config, options)))
    return written


def slowly_extracted(config: Path, *options: str) -> int:
    """Like :func:`extracted`, but another job has time to come."""
    plain_forward = encoding._forward

    def forward(*arguments: Any) -> Any:
        time.sleep(0.05)
        return plain_forward(*arguments)

    encoding._forward = forward
    return extracted(config, *options)


def banks(root: Path) -> dict[str, Any]:
    """Everything in the folder of all banks but dates and locks."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in (root / 'features').rglob('*') if p.is_file() and p.suffix != '.lock'):
        found[str(path.relative_to(root))] = path.read_bytes()
        if path.name == 'manifest.json':
            found[str(path.relative_to(root))] = json.loads(path.read_bytes()) | {'created': ''}
    return found


def break_images(works: Path, *numbers: int) -> None:
    for number in numbers:
        (works / 'images' / f'{number:03d}.png').write_bytes(b'no image')


@pytest.mark.parametrize(('shard_size', 'bad'), [(EVEN, ()), (UNEVEN, (0, 7, 23)), (FEW, (12,))])
def test_the_bank_is_that_of_one_process_to_the_byte(
    tiny_config: Path, works: Path, tmp_path: Path, shard_size: int, bad: tuple[int, ...]
) -> None:
    break_images(works, *bad)
    found = {}
    for count in (1, 2, 3):
        options = (f'extraction.shard_size={shard_size}', f'artifact_dir={tmp_path / str(count)}')
        written = run_ranks(count, extracted, tiny_config, *options)
        found[count] = banks(tmp_path / str(count))
        shards = -(-24 // shard_size)
        assert sum(written) == 2 * shards, 'of two views, each once'
        assert max(written) - min(written) <= 2
    assert {Path(name).name for name in found[1]} == {
        'features.npy', 'contents.npy', 'ids.json', 'quarantine.json', 'progress-0.json', 'manifest.json',
    }  # fmt: skip
    assert found[1] == found[2] == found[3]
    listed = tmp_path / 'run' / 'quarantine.csv'
    assert listed.is_file() == bool(bad) and (not bad or len(listed.read_text().splitlines()) == 1 + len(bad))


def test_too_many_bad_images_are_an_error_of_all_ranks_and_leave_nothing(
    tiny_config: Path, works: Path, tmp_path: Path
) -> None:
    break_images(works, 1, 6, 9, 14, 17, 22)  # two a shard: no rank alone meets more than the 4 that are tolerated
    for count, found in ((2, 5), (3, 6)):  # in the last of two rounds the fifth is one too many
        outcomes = Job(count, extracted, tiny_config).outcomes()
        assert [(o.error, o.status) for o in outcomes] == [('DataError', 1)] * count
        assert len({o.message for o in outcomes}) == 1
        assert f'{found} images of works cannot be read, more than the 4.8 tolerated' in outcomes[0].message
        assert banks(tmp_path / 'artifacts') == {}
        assert not list((tmp_path / 'artifacts' / 'features').glob('*.partial'))
        assert len((tmp_path / 'run' / 'quarantine.csv').read_text().splitlines()) == 1 + found


@pytest.mark.parametrize(
    ('place', 'victim'), [('shard written', 0), ('shard written', 2), ('progress noted:2', 0), ('progress noted:2', 1)]
)
def test_what_a_killed_rank_has_noted_is_not_lost(tiny_config: Path, tmp_path: Path, place: str, victim: int) -> None:
    straight, root = tmp_path / 'straight', tmp_path / 'artifacts'
    size = 'extraction.shard_size=3'  # 8 shards
    run_ranks(1, extracted, tiny_config, size, f'artifact_dir={straight}')
    outcomes = Job(3, extracted, tiny_config, size, **{FAULT: f'{place}@{victim}'}).outcomes()
    assert outcomes[victim].status == -9
    assert all(o.status not in (0, None) for o in outcomes), 'nobody goes on alone'
    [partial] = (root / 'features').glob('*.partial')
    noted = sum(len(json.loads(p.read_text())['done']) for p in partial.glob('progress-*.json'))
    assert noted >= (2 if place == 'shard written' else 4)
    [again] = run_ranks(1, extracted, tiny_config, size)
    assert again == 2 * 8 - noted
    assert banks(root) == banks(straight)


def test_an_interrupted_bank_may_go_on_with_more_ranks(tiny_config: Path, tmp_path: Path) -> None:
    straight, root = tmp_path / 'straight', tmp_path / 'artifacts'
    run_ranks(1, extracted, tiny_config, 'extraction.shard_size=3', f'artifact_dir={straight}')
    for count, place in ((1, 'progress noted:2'), (2, 'progress noted:1@1'), (3, 'shard written:1@2')):
        Job(count, extracted, tiny_config, 'extraction.shard_size=3', **{FAULT: place}).outcomes()
    run_ranks(2, extracted, tiny_config, 'extraction.shard_size=3')
    assert banks(root) == banks(straight)


def test_two_jobs_of_two_ranks_build_a_bank_once(tiny_config: Path, tmp_path: Path) -> None:
    jobs = [Job(2, slowly_extracted, tiny_config, f'work_dir={tmp_path / str(i)}') for i in range(2)]
    outcomes = [outcome for job in jobs for outcome in job.outcomes()]
    assert [o.status for o in outcomes] == [0] * 4, [o.message for o in outcomes]
    assert sum(o.value for o in outcomes) == 2 * 3


def without_disk(config: Path, full: int) -> None:
    """Extract while one rank cannot write more than a little to a file, which is like a full disk."""
    write = FeatureBankWriter.write

    def fail(*arguments: Any) -> None:
        if ranks.rank() == full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        try:
            write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    FeatureBankWriter.write = fail  # type: ignore[method-assign]
    extracted(config)


@pytest.mark.parametrize('full', [0, 1])
def test_the_full_disk_of_one_rank_is_an_error_of_all_that_names_it(
    tiny_config: Path, tmp_path: Path, full: int
) -> None:
    outcomes = Job(2, without_disk, tiny_config, full).outcomes()
    assert [(o.error, o.status) for o in outcomes] == [('ArtifactError', 1)] * 2
    assert all(o.message.startswith(f'rank {full}: no space left to write') for o in outcomes)
    assert not list((tmp_path / 'artifacts' / 'features').glob('*.partial'))
    run_ranks(2, extracted, tiny_config)


def without_encoder(config: Path, without: int) -> None:
    """Extract while one rank cannot build its encoder."""
    if ranks.rank() == without:

        def fail(*arguments: Any) -> Any:
            raise WeightsError('no weights on this machine', 'copy them')

        extract.build_encoder = fail
    extracted(config)


@pytest.mark.parametrize('without', [0, 1, 2])
def test_a_rank_without_weights_is_an_error_of_all_that_names_it(
    tiny_config: Path, tmp_path: Path, without: int
) -> None:
    outcomes = Job(3, without_encoder, tiny_config, without).outcomes()
    assert [(o.error, o.status) for o in outcomes] == [('WeightsError', 1)] * 3
    assert all(o.message.startswith(f'rank {without}: no weights') for o in outcomes)
    assert not list((tmp_path / 'artifacts' / 'features').glob('*.partial'))
