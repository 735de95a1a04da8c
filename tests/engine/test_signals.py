"""SIGTERM and SIGUSR1 to real processes: the status says that they can go on, and they end as if nothing had happened.

Nothing waits for the right moment: a module that the config imports sends the signal when the process is there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, TINY_CONFIG, paint_works

from ssmr.artifacts.store import MANIFEST
from ssmr.engine.signals import EXIT_STOPPED, SIGNALS, StopSignals
from ssmr.safe_load import safe_torch_load

sys.path.append(str(ROOT / 'tests' / 'faults'))
from forked_runs import ForkedRuns, Job

#: Sends signals to its own process, or as schedulers do to all of its group, at a place that SENT says.
SENDING = """
import os, signal, subprocess, time
from mmengine.hooks import Hook
from ssmr.artifacts import feature_bank
from ssmr.registry import HOOKS
from ssmr.engine.signals import stop_signals

place, names, number, group = {place!r}, {names!r}, {number!r}, {group!r}
passed = 0

def send(here):
    global passed
    passed += here == place
    if here != place or passed != number:
        return
    for name in names:
        if group:
            command = ['kill', '-s', name.removeprefix('SIG'), '--', f'-{{os.getpgid(0)}}']
            subprocess.run(command, start_new_session=True, check=True)
            time.sleep(0.3)  # in which a worker that has died is noticed
        else:
            os.kill(os.getpid(), getattr(signal, name))

if group and os.getpgid(0) != os.getpid():
    os.setpgid(0, 0)
feature_bank.fault_point = send

@HOOKS.register_module()
class Sender(Hook):
    def before_train_iter(self, *args, **kwargs):
        send('step')
    def before_val_iter(self, *args, **kwargs):
        send('validation')
"""
STEPS = """
model['reasoner']['dropout'] = 0.3
train_dataloader = dict(batch_size=5)  # 3 steps an epoch
extraction['shard_size'] = 5
extraction['batch_size'] = 2
custom_imports = dict(imports=['nothing_sent'])
custom_hooks = [dict(type='Sender')]
train_cfg['max_epochs'] = 3
"""
PICTURES = """
model = dict(type='SingleImageAssessor', backbone=dict(type='EfficientNetLite0', out_indices=[2]), weights=_weights,
             preprocess=dict(size=32, **_norm), augmentation=dict(), head=dict(type='ScoreHead'))
train_dataloader['num_workers'] = 2
val_dataloader = dict(num_workers=1)
extraction['num_workers'] = 1
"""


@dataclass
class Flow:
    """Two configs, what runs without signals have made of them, and a process to fork others from."""

    root: Path
    runs: ForkedRuns

    def command(self, config: str, folder: Path, module: str, *arguments: str) -> list[str]:
        options = [f'artifact_dir={folder / "artifacts"}', f"custom_imports.imports=['{module}']"]
        return [
            str(self.root / f'{config}.py'), '--work-dir', str(folder / config), *arguments, '--cfg-options', *options,
        ]  # fmt: skip

    def train(self, config: str, folder: Path, module: str = 'nothing_sent', *arguments: str) -> int:
        command = self.command(config, folder, module, *arguments)
        return self.runs.run(Job(str(ROOT / 'tools/train.py'), command, str(self.root / 'log')))[0]

    def log(self) -> str:
        return (self.root / 'log').read_text()

    def sending(self, place: str, *names: str, number: int = 1, group: bool = False) -> str:
        """The name of a module that sends signals when a process passes a place for the n-th time."""
        text = SENDING.format(place=place, names=names, number=number, group=group)
        name = f'sends_{abs(hash(text))}'
        (self.root / f'{name}.py').write_text(text)
        return name


@pytest.fixture(scope='module')
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    root = tmp_path_factory.mktemp('signals')
    text = TINY_CONFIG.format(root=str(paint_works(root / 'works')), artifacts='', work_dir='')
    (root / 'rows.py').write_text(text + STEPS)
    (root / 'pictures.py').write_text(text + STEPS + PICTURES)
    (root / 'nothing_sent.py').write_text(SENDING.format(place='', names=(), number=0, group=False))
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get('PYTHONPATH')])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', path)
        flow = Flow(root, ForkedRuns())
    for config in ('rows', 'pictures'):
        assert flow.train(config, root) == 0, flow.log()
    yield flow
    flow.runs.close()


def with_artifacts(flow: Flow, folder: Path) -> Path:
    (folder / 'artifacts').symlink_to(flow.root / 'artifacts')
    return folder


def last(work_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = safe_torch_load((work_dir / 'last_checkpoint').read_text())
    return content


def assert_ended_alike(work_dir: Path, straight: Path) -> None:
    for one, other in (
        (last(work_dir), last(straight)),
        (safe_torch_load(work_dir / 'best.pth'), safe_torch_load(straight / 'best.pth')),
    ):
        assert one['meta']['iter'] == other['meta']['iter']
        assert one['state_dict'].keys() == other['state_dict'].keys()
        differ = [n for n, tensor in one['state_dict'].items() if not torch.equal(tensor, other['state_dict'][n])]
        assert differ == []


def artifacts(folder: Path) -> dict[str, bytes]:
    """All files by name, but for the locks, and the manifests, which say when."""
    files = (path for path in sorted((folder / 'artifacts').rglob('*')) if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name != MANIFEST and p.suffix != '.lock'}


@pytest.mark.parametrize(
    ('place', 'names', 'number', 'done'),
    [
        ('step', ['SIGTERM'], 1, (1, 1)),
        ('step', ['SIGUSR1'], 5, (5, 2)),
        ('step', ['SIGTERM', 'SIGTERM', 'SIGUSR1'], 9, (9, 0)),
        ('validation', ['SIGTERM'], 2, (6, 0)),
    ],
)
def test_training_stops_after_its_step_and_goes_on_to_the_same_end(
    flow: Flow, tmp_path: Path, place: str, names: list[str], number: int, done: tuple[int, int]
) -> None:
    """Three epochs of three steps each; what is validated has its checkpoint after that."""
    with_artifacts(flow, tmp_path)
    status = flow.train('rows', tmp_path, flow.sending(place, *names, number=number))
    assert status == EXIT_STOPPED, flow.log()
    assert f'stopped by {names[-1]} after iteration {done[0]}; go on with --resume' in flow.log()
    meta = last(tmp_path / 'rows')['meta']
    assert (meta['iter'], meta['position'], meta['epoch']) == (*done, done[0] // 3)
    assert flow.log().count('Epoch(val)') == done[0] // 3
    assert flow.train('rows', tmp_path, 'nothing_sent', '--resume') == 0, flow.log()
    assert flow.log().count('Epoch(val)') == 3 - done[0] // 3, 'every epoch is validated once'
    assert_ended_alike(tmp_path / 'rows', flow.root / 'rows')


@pytest.mark.parametrize(
    ('place', 'name', 'number', 'written'),
    [('shard written', 'SIGUSR1', 2, 1), ('progress noted', 'SIGTERM', 3, 3)],
)
def test_extraction_stops_at_once_and_goes_on_to_the_same_bytes(
    flow: Flow, tmp_path: Path, place: str, name: str, number: int, written: int
) -> None:
    status = flow.train('rows', tmp_path, flow.sending(place, name, number=number))
    assert status == EXIT_STOPPED, flow.log()
    assert 'Traceback' not in flow.log()
    [partial] = (tmp_path / 'artifacts' / 'features').glob('*.partial')
    assert (partial / 'progress-0.json').read_text().count('sha256') == written
    assert flow.train('rows', tmp_path) == 0, flow.log()
    assert artifacts(tmp_path) == artifacts(flow.root)


@pytest.mark.slow
def test_workers_leave_it_to_their_parent_when_all_processes_get_the_signal(flow: Flow, tmp_path: Path) -> None:
    """As a scheduler sends them; the tool as users start it, to its very end."""
    module = flow.sending('step', 'SIGUSR1', 'SIGTERM', number=2, group=True)
    command = flow.command('pictures', with_artifacts(flow, tmp_path), module)
    path = os.pathsep.join([str(flow.root), *filter(None, [os.environ.get('PYTHONPATH')])])
    stopped = subprocess.run(
        [sys.executable, str(ROOT / 'tools/train.py'), *command],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        start_new_session=True,
    )
    assert stopped.returncode == EXIT_STOPPED, stopped.stderr
    meta = last(tmp_path / 'pictures')['meta']
    assert (meta['iter'], meta['position']) == (2, 2)
    assert flow.train('pictures', tmp_path, 'nothing_sent', '--resume') == 0, flow.log()
    assert_ended_alike(tmp_path / 'pictures', flow.root / 'pictures')


def test_so_do_those_of_extraction(flow: Flow, tmp_path: Path) -> None:
    module = flow.sending('progress noted', 'SIGTERM', number=2, group=True)
    assert flow.train('pictures', tmp_path, module) == EXIT_STOPPED, flow.log()
    assert 'Traceback' not in flow.log()
    assert flow.train('pictures', tmp_path) == 0, flow.log()
    assert artifacts(tmp_path) == artifacts(flow.root)


#: A process with a child that only its parent can end; then one whose parent is gone, and one that is left alone.
CHILDREN = """
import os, signal, sys, time
from ssmr.engine.signals import StopSignals
signals = StopSignals()
signals.install()

def child():
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(begun, b'.')
        signal.pause()
        while True:
            time.sleep(60)
    os.read(ready, 1)
    return pid

pid = child()
for number in (signal.SIGUSR1, signal.SIGTERM):
    os.system(f'kill -{number} {pid}')
while not open(f'/proc/{pid}/status').read().split('ShdPnd:')[1].split()[0] == 16 * '0':  # two alike would be one
    time.sleep(0.01)
assert os.waitpid(pid, os.WNOHANG) == (0, 0), 'a stranger ends it'
os.kill(pid, signal.SIGTERM)
assert os.waitpid(pid, 0) == (pid, 0), 'its parent does not'
pid = child()
os.kill(pid, signal.SIGKILL)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
assert signals.name is None
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_child_obeys_its_parent_alone() -> None:
    ended = subprocess.run([sys.executable, '-c', CHILDREN], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == EXIT_STOPPED, ended.stderr


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    """That handle, for a while; as in a process that has none installed."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    found = StopSignals()
    for number in SIGNALS:
        signal.signal(number, found._receive)
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize('fails', [False, True])
def test_after_training_a_signal_ends_the_process_at_once_again(
    signals: StopSignals, number: signal.Signals, fails: bool
) -> None:
    try:
        with signals.deferred():
            os.kill(os.getpid(), number)
            assert signals.name == number.name and signals.requested()
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with pytest.raises(SystemExit) as stopped:
        os.kill(os.getpid(), number)
    assert stopped.value.code == EXIT_STOPPED


def test_others_signals_are_left_as_they_are(signals: StopSignals) -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() - set(SIGNALS)}
    with signals.deferred():
        within = {number: signal.getsignal(number) for number in handlers}
    assert within == handlers == {number: signal.getsignal(number) for number in handlers}
    assert {signal.getsignal(number) for number in SIGNALS} == {signals._receive}
