"""The checkpoints of a work folder: whole or absent, the newest intact one is found, other files are left alone."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssmr.config.load import load_config
from ssmr.engine.checkpoints import BEST, LAST, LEDGER, RECORD, CheckpointFolder
from ssmr.errors import ArtifactError, CheckpointError
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate
from ssmr.stages.project import Project


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    'cut short': lambda p: os.truncate(p, p.stat().st_size - 1),
    'emptied': lambda p: os.truncate(p, 0),
    'a flipped bit': flip,
    'longer': lambda p: os.truncate(p, p.stat().st_size + 1),
    'missing': lambda p: p.unlink(),
    'a folder': lambda p: (p.unlink(), p.mkdir()),
}


def commit(folder: Path, *numbers: int, keep: int = -1) -> CheckpointFolder:
    checkpoints = CheckpointFolder(folder)
    for number in numbers:
        checkpoints.commit(f'epoch_{number}.pth', {'number': torch.tensor(number)}, number, keep=keep)
    return checkpoints


def number(path: Path) -> int:
    return int(safe_torch_load(path)['number'])


class TestLast:
    def test_it_is_the_newest_and_none_where_there_never_was_one(self, tmp_path: Path) -> None:
        assert CheckpointFolder(tmp_path).last() is None
        assert CheckpointFolder(tmp_path / 'no folder').last() is None
        checkpoints = commit(tmp_path, 1, 2, 3)
        checkpoints.commit('best_srcc_epoch_3.pth', {'number': torch.tensor(9)}, 3, best=True)
        assert checkpoints.last() == tmp_path / 'epoch_3.pth'
        assert (tmp_path / LAST).read_text() == str(tmp_path / 'epoch_3.pth')

    @pytest.mark.parametrize('damage', DAMAGE.values(), ids=DAMAGE.keys())
    def test_a_damaged_one_is_passed_over_with_a_warning_that_names_both(
        self, tmp_path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
    ) -> None:
        checkpoints = commit(tmp_path, 1, 2, 3, 4)
        for name in ('epoch_4.pth', 'epoch_3.pth'):
            damage(tmp_path / name)
        with caplog.at_level(logging.WARNING):
            found = checkpoints.last()
        assert found == tmp_path / 'epoch_2.pth' and number(found) == 2
        for name in ('epoch_4.pth', 'epoch_3.pth'):
            assert [str(tmp_path / name) in text and str(found) in text for text in caplog.messages].count(True) == 1

    @pytest.mark.parametrize('damage', DAMAGE.values(), ids=DAMAGE.keys())
    def test_all_damaged_is_an_error_that_names_them(self, tmp_path: Path, damage: Callable[[Path], object]) -> None:
        checkpoints = commit(tmp_path, 1, 2)
        for name in ('epoch_1.pth', 'epoch_2.pth'):
            damage(tmp_path / name)
        with pytest.raises(CheckpointError, match=r'epoch_2\.pth, epoch_1\.pth'):
            checkpoints.last()

    def test_what_the_ledger_does_not_name_does_not_exist(self, tmp_path: Path) -> None:
        checkpoints = commit(tmp_path, 1)
        torch.save({'number': torch.tensor(5)}, tmp_path / 'epoch_5.pth')
        assert checkpoints.last() == tmp_path / 'epoch_1.pth'
        assert not checkpoints.holds('epoch_5.pth')


class TestCommit:
    @given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.sampled_from([-1, 1, 2])), min_size=1, max_size=12))
    def test_the_ledger_and_the_files_agree_after_every_step(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, int]]
    ) -> None:
        folder = tmp_path_factory.mktemp('run')
        checkpoints = CheckpointFolder(folder)
        newest = None
        for number, best, keep in steps:
            name = f'best_srcc_epoch_{number}.pth' if best else f'epoch_{number}.pth'
            checkpoints.commit(name, {'a': torch.tensor(number)}, number, best=best, keep=keep)
            newest = newest if best else name
            entries = checkpoints.entries()
            assert sorted(e.file for e in entries) == sorted(p.name for p in folder.glob('*.pth'))
            assert all(checkpoints.holds(e.file) for e in entries)
            assert sum(e.best for e in entries) <= 1
            assert best or keep == -1 or sum(not e.best for e in entries) <= keep
            last = checkpoints.last()
            assert (last and last.name) == newest

    def test_files_of_other_names_stay(self, tmp_path: Path) -> None:
        names = ['epoch_best.pth', 'epoch_1_copy.pth', 'my_best_model.pth', 'best_one.pth', 'notes.txt', BEST]
        for name in names:
            (tmp_path / name).write_text('mine')
        commit(tmp_path, 1, 2, 3, keep=1)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, 'epoch_3.pth', LEDGER, LAST])

    def test_what_a_kill_in_the_middle_of_a_write_left_goes_away(self, tmp_path: Path) -> None:
        for name in ('.epoch_7.pth.abc.tmp', '.checkpoints.json.abc.tmp', 'epoch_7.pth'):
            (tmp_path / name).write_text('half')
        commit(tmp_path, 1)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(['epoch_1.pth', LEDGER, LAST])


def _fill_up(folder: str, found: Any) -> None:
    checkpoints = CheckpointFolder(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        checkpoints.commit('epoch_3.pth', {'number': torch.zeros(100_000)}, 3, keep=1)
    except ArtifactError as error:
        found.put(error.message)


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    commit(tmp_path, 1, 2)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    context = multiprocessing.get_context('fork')
    found = context.Queue()
    process = context.Process(target=_fill_up, args=(str(tmp_path), found))
    process.start()
    assert 'no space left' in (message := found.get(timeout=30)) and 'epoch_3.pth' in message
    process.join()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, ['train_cfg.max_epochs=3', *options]))


def train(config: Path, work_dir: Path, resume: bool = False) -> Path:
    return pipeline.run(project(config, f'work_dir={work_dir}', f'resume={resume}'), retrain=True)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(safe_torch_load(path)['state_dict'])


class TestRuns:
    @pytest.mark.parametrize('damage', ['cut short', 'a flipped bit', 'missing'])
    def test_a_run_goes_on_from_the_last_good_one_and_ends_the_same(
        self, tiny_config: Path, tmp_path: Path, damage: str
    ) -> None:
        train(tiny_config, tmp_path / 'straight')
        train(tiny_config, tmp_path / 'damaged')
        for name in ('epoch_3.pth', 'epoch_2.pth'):
            DAMAGE[damage](tmp_path / 'damaged' / name)
        train(tiny_config, tmp_path / 'damaged', resume=True)
        for name in ('epoch_2.pth', 'epoch_3.pth', BEST):
            one, other = weights(tmp_path / 'straight' / name), weights(tmp_path / 'damaged' / name)
            assert all(torch.equal(one[key], other[key]) for key in one)

    def test_a_damaged_best_is_never_published_as_the_result(self, tiny_config: Path, tmp_path: Path) -> None:
        train(tiny_config, tmp_path / 'run')
        for path in (tmp_path / 'run').glob('best_*.pth'):
            flip(path)
        train(tiny_config, tmp_path / 'run', resume=True)  # is at its end: nothing else is left to be the best
        checkpoints = CheckpointFolder(tmp_path / 'run')
        assert (tmp_path / 'run' / BEST).read_bytes() == (tmp_path / 'run' / 'epoch_3.pth').read_bytes()
        checkpoints.require_intact(tmp_path / 'run' / BEST)

    def test_a_run_begun_anew_is_not_mixed_with_the_former_one(
        self, tiny_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        train(tiny_config, tmp_path / 'run')
        checkpoints = CheckpointFolder(tmp_path / 'run')
        former = {entry.file for entry in checkpoints.entries()}
        checkpoints.forget()
        assert str(tmp_path / 'run' / 'epoch_3.pth') in caplog.text
        assert checkpoints.last() is None, 'a kill before its first checkpoint: nothing to go on from'
        assert all((tmp_path / 'run' / name).is_file() for name in former), 'still there for who changes their mind'
        commit(tmp_path / 'run', 1)
        assert [path.name for path in (tmp_path / 'run').glob('epoch_*.pth')] == ['epoch_1.pth']

    @pytest.mark.parametrize('resume', [False, True])
    def test_only_going_on_keeps_the_former_checkpoints(self, tiny_config: Path, tmp_path: Path, resume: bool) -> None:
        train(tiny_config, tmp_path / 'run')
        pipeline.run(
            project(tiny_config, f'work_dir={tmp_path / "run"}', f'resume={resume}', 'train_cfg.max_epochs=1'),
            retrain=True,
        )
        files = {entry.file for entry in CheckpointFolder(tmp_path / 'run').entries() if not entry.best}
        assert files == ({'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth'} if resume else {'epoch_1.pth'})

    def test_a_moved_work_folder_is_gone_on_with(self, tiny_config: Path, tmp_path: Path) -> None:
        train(tiny_config, tmp_path / 'run')
        (tmp_path / 'run').rename(tmp_path / 'moved')
        best = (tmp_path / 'moved' / BEST).read_bytes()
        assert train(tiny_config, tmp_path / 'moved', resume=True) == tmp_path / 'moved' / BEST
        assert (tmp_path / 'moved' / BEST).read_bytes() == best

    def test_a_checkpoint_cannot_name_a_file_to_be_copied(self, tiny_config: Path, tmp_path: Path) -> None:
        train(tiny_config, tmp_path / 'run')
        (tmp_path / 'secret').write_text('of somebody')
        content = safe_torch_load(tmp_path / 'run' / 'epoch_3.pth')
        for name in ('best_ckpt', 'last_ckpt'):
            content['message_hub']['runtime_info'][name] = str(tmp_path / 'secret')
        torch.save(content, tmp_path / 'evil.pth')
        options = (f'work_dir={tmp_path / "other"}', 'resume=True', f'load_from={tmp_path / "evil.pth"}')
        with pytest.raises(CheckpointError, match='nothing to keep'):
            pipeline.run(project(tiny_config, *options), retrain=True)
        assert not (tmp_path / 'other' / BEST).exists()

    @pytest.mark.parametrize('damage', ['cut short', 'a flipped bit'])
    @pytest.mark.parametrize('named', [True, False], ids=['with its record', 'alone'])
    def test_a_damaged_result_is_not_evaluated(
        self, tiny_config: Path, tmp_path: Path, damage: str, named: bool
    ) -> None:
        best = train(tiny_config, tmp_path / 'run')
        if not named:
            best = best.rename(tmp_path / 'mine.pth')
        DAMAGE[damage](best)
        p = project(tiny_config)
        with pytest.raises(CheckpointError, match=str(best)):
            evaluate(p, *pipeline.references(p), checkpoint=best)

    def test_weights_alone_are_nothing_to_go_on_from(self, tiny_config: Path, tmp_path: Path) -> None:
        best = train(tiny_config, tmp_path / 'run')
        with pytest.raises(CheckpointError, match='holds weights alone: it lacks optimizer'):
            pipeline.run(project(tiny_config, 'resume=True', f'load_from={best}'), retrain=True)

    def test_the_position_in_a_pass_must_exist(self, tiny_config: Path, tmp_path: Path) -> None:
        train(tiny_config, tmp_path / 'run')
        content = safe_torch_load(tmp_path / 'run' / 'epoch_2.pth')
        content['meta']['position'] = 2
        torch.save(content, tmp_path / 'evil.pth')
        with pytest.raises(CheckpointError, match='position is 2, but a pass has 2 batches'):
            pipeline.run(project(tiny_config, 'resume=True', f'load_from={tmp_path / "evil.pth"}'), retrain=True)

    @pytest.mark.parametrize('name', [LEDGER, RECORD])
    def test_a_damaged_record_is_named_with_what_to_do(self, tiny_config: Path, tmp_path: Path, name: str) -> None:
        train(tiny_config, tmp_path / 'run')
        os.truncate(tmp_path / 'run' / name, 30)
        with pytest.raises(CheckpointError, match=name) as caught:
            p = project(tiny_config, f'work_dir={tmp_path / "run"}')
            pipeline.plan(p), CheckpointFolder(tmp_path / 'run').last()
        assert 'remove it' in caught.value.fix

    def test_metrics_say_of_which_checkpoint_they_are(self, tiny_config: Path, tmp_path: Path) -> None:
        best = train(tiny_config, tmp_path / 'run')
        p = project(tiny_config, f'work_dir={tmp_path / "run"}')
        evaluate(p, *pipeline.references(p), checkpoint=best)
        said = json.loads((tmp_path / 'run' / 'metrics_test.json').read_text())['checkpoint_sha256']
        assert said == json.loads((tmp_path / 'run' / RECORD).read_text())['sha256']
