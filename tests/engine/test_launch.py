"""Starting several processes: who each is, where they meet, and how it ends when one is missing, dies or is stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmr.engine.launch import find_place, launch
from ssmr.engine.signals import EXIT_STOPPED, SIGNALS, StopSignals
from ssmr.errors import ConfigError
from ssmr.safe_load import safe_torch_load

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / 'tests' / 'slurm'
TORCHRUN = {'RANK': '1', 'WORLD_SIZE': '2', 'LOCAL_RANK': '1', 'MASTER_PORT': '29511'}
SLURM = {
    'SLURM_JOB_ID': '77', 'SLURM_STEP_ID': '2', 'SLURM_STEP_NUM_TASKS': '4', 'SLURM_PROCID': '3', 'SLURM_LOCALID': '1',
    'SLURM_STEP_NUM_NODES': '2', 'SLURM_STEP_NODELIST': 'gpu[07-08]', 'SLURM_JOB_NODELIST': 'gpu[05-08]',
}  # fmt: skip
MPI = {
    'OMPI_COMM_WORLD_RANK': '1', 'OMPI_COMM_WORLD_SIZE': '2', 'OMPI_COMM_WORLD_LOCAL_RANK': '1',
    'OMPI_COMM_WORLD_LOCAL_SIZE': '2', 'PMIX_NAMESPACE': '123',
}  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """Of a process on its own, without GPUs."""
    own = {'PYTHONPATH': str(PARTS), 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    foreign = ('SLURM_', 'OMPI_', 'MASTER_', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | own | more


def test_torchrun_tells_the_place() -> None:
    place = find_place('pytorch', TORCHRUN)
    assert (place.rank, place.world_size, place.local_rank) == (1, 2, 1)
    assert (place.address, place.port) == ('127.0.0.1', 29511)


def test_srun_tells_the_place() -> None:
    place = find_place('slurm', SLURM)
    assert (place.rank, place.world_size, place.local_rank, place.address) == (3, 4, 1, 'gpu07')
    assert find_place('slurm', SLURM | {'MASTER_ADDR': 'ib07'}).address == 'ib07'
    assert find_place('slurm', SLURM | {'SLURM_STEP_NUM_NODES': '1'}).address == '127.0.0.1'


def test_the_port_is_that_of_the_step() -> None:
    ports = {
        find_place('slurm', SLURM | {'SLURM_JOB_ID': str(job), 'SLURM_STEP_ID': str(step)}).port
        for job in range(10**6, 10**6 + 100)
        for step in range(31)
    }
    assert len(ports) == 3100 and min(ports) > 1024 and max(ports) < 32768
    assert find_place('slurm', SLURM | {'SLURM_STEP_RESV_PORTS': '15004-15005,15009'}).port == 15004
    chosen = {'SLURM_STEP_RESV_PORTS': '15004', 'MASTER_PORT': '4711'}
    assert find_place('slurm', SLURM | chosen).port == find_place('mpi', MPI | chosen).port == 4711


def test_mpirun_tells_the_place() -> None:
    place = find_place('mpi', MPI)
    assert (place.rank, place.world_size, place.local_rank, place.address) == (1, 2, 1, '127.0.0.1')
    assert place.port == find_place('mpi', MPI | {'OMPI_COMM_WORLD_RANK': '0'}).port
    assert place.port != find_place('mpi', MPI | {'PMIX_NAMESPACE': '124'}).port
    with pytest.raises(ConfigError, match='MASTER_ADDR'):
        find_place('mpi', MPI | {'OMPI_COMM_WORLD_SIZE': '4'})


@pytest.mark.parametrize(('launcher', 'told'), [('pytorch', TORCHRUN), ('slurm', SLURM), ('mpi', MPI)])
def test_a_missing_variable_is_named_with_its_launcher(launcher: str, told: dict[str, str]) -> None:
    for name in told:
        without = {k: v for k, v in told.items() if k != name}
        if name in ('SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_STEP_NUM_NODES'):
            find_place(launcher, without)
            continue
        with pytest.raises(ConfigError, match=f'{name} is (not )?set'):
            find_place(launcher, without)
    for port in ('http', '-1'):
        with pytest.raises(ConfigError, match=f'MASTER_PORT is {port}'):
            find_place(launcher, told | {'MASTER_PORT': port})
    with pytest.raises(ConfigError, match='use one of none, pytorch, slurm, mpi'):
        find_place('ssh', told)


def test_one_process_meets_nobody() -> None:
    alone = SLURM | {'SLURM_STEP_NUM_TASKS': '1', 'SLURM_PROCID': '0', 'SLURM_LOCALID': '0'}
    launch('slurm', alone)
    assert alone['WORLD_SIZE'] == '1' and not torch.distributed.is_initialized()


@pytest.mark.parametrize(('launcher', 'visible', 'device'), [('pytorch', 2, 1), ('slurm', 2, 1), ('slurm', 1, 0)])
def test_each_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch, launcher: str, visible: int, device: int) -> None:
    used: list[Any] = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: visible)
    monkeypatch.setattr(torch.cuda, 'set_device', used.append)
    monkeypatch.setattr('ssmr.engine.launch._meet', lambda place: None)
    launch(launcher, dict(SLURM if launcher == 'slurm' else TORCHRUN))
    assert used == [device]
    with pytest.raises(ConfigError, match='process 2 on a machine with 1 GPUs'):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
        launch('pytorch', dict(TORCHRUN))


def meet(rank: int, port: int, body: str = '', seconds: int = 3) -> subprocess.Popen[str]:
    """A rank of two that has little patience."""
    code = (
        'import datetime, os, signal, time, torch\n'
        'import ssmr.engine.launch as module\n'
        'from ssmr.cli import run\n'
        f'module.MEETING = datetime.timedelta(seconds={seconds})\n'
        f"def main():\n    module.launch('pytorch')\n    {body}\nrun(main)"
    )
    told = {'RANK': str(rank), 'WORLD_SIZE': '2', 'LOCAL_RANK': str(rank), 'MASTER_PORT': str(port)}
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
    return subprocess.Popen([sys.executable, '-c', code], env=environment(**told), **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize('rank', [0, 1])
def test_a_rank_that_meets_nobody_gives_up_and_says_so(port: int, rank: int) -> None:
    alone = meet(rank, port)
    output, _ = alone.communicate(timeout=60)
    assert alone.returncode == 1
    assert f'rank {rank} of 2 cannot meet the others at 127.0.0.1:{port}: ' in output and 'Traceback' not in output


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(('', 0)) as taken:
        number = taken.getsockname()[1]
        first = meet(0, number)
        output, _ = first.communicate(timeout=60)
    assert first.returncode == 1 and f'127.0.0.1:{number}' in output
    assert 'EADDRINUSE' in output and 'MASTER_PORT' in output


def test_after_the_meeting_a_slow_rank_is_waited_for(port: int) -> None:
    both = [
        meet(r, port, f'time.sleep({7 * r}); torch.distributed.all_reduce(torch.ones(1)); print("met")', seconds=5)
        for r in (0, 1)
    ]
    assert ['met' in process.communicate(timeout=60)[0] for process in both] == [True, True]


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    """Installed for a while."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    installed = StopSignals()
    installed.install()
    yield installed
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ('number', 'ranks', 'status'),
    [(signal.SIGTERM, 1, 75), (signal.SIGUSR1, 1, 75), (signal.SIGUSR1, 2, 75), (signal.SIGTERM, 2, 143)],
)
def test_signals_outside_of_training_end_at_once(
    signals: StopSignals, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, ranks: int, status: int
) -> None:
    monkeypatch.setattr('ssmr.engine.signals.get_world_size', lambda: ranks)
    with pytest.raises(SystemExit) as stopped:
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert stopped.value.code == status
    os.kill(os.getpid(), signal.SIGTERM)  # of a launcher that clears up: too late to change the status


def test_signals_in_training_wait_for_the_end_of_the_step(signals: StopSignals) -> None:
    with signals.deferred():
        assert not signals.requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.requested() and signals.name == 'SIGTERM'
        with pytest.raises(SystemExit) as stopped:
            signals.leave()
    assert stopped.value.code == EXIT_STOPPED == 75


def dist_train(config: Path, work_dir: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    command = [str(ROOT / 'tools/dist_train.sh'), str(config), '2', '--work-dir', str(work_dir), *arguments]
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
    return subprocess.Popen(command, env=environment(**more), start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 180
    while not path.is_file():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.1)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The ranks, first one first: the children of torchrun, which is the child of the script."""

    def children(number: int) -> list[int]:
        return [int(pid) for pid in Path(f'/proc/{number}/task/{number}/children').read_text().split()]

    return [pid for child in children(process.pid) for pid in children(child)]


@pytest.fixture
def slow_config(tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(PARTS))
    import slow_steps

    tiny_config.write_text(tiny_config.read_text() + slow_steps.CONFIG)
    return tiny_config


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='finds processes in /proc')
def test_scripts_train_stop_go_on_and_test(slow_config: Path, tmp_path: Path) -> None:
    features = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    features += [str(ROOT / 'tools/extract_features.py'), str(slow_config), '--launcher', 'pytorch']
    subprocess.run(features, env=environment(), check=True, timeout=200)

    work_dir = tmp_path / 'stopped'
    stopped = dist_train(slow_config, work_dir, TEST_STEP_SECONDS='0.3')
    wait_for(work_dir / 'checkpoints.json', stopped)
    stopped.send_signal(signal.SIGTERM)
    output, _ = stopped.communicate(timeout=100)
    assert stopped.returncode == EXIT_STOPPED, output
    assert 'stopped by SIGTERM after iteration' in output

    runs = [dist_train(slow_config, work_dir, '--resume'), dist_train(slow_config, tmp_path / 'straight')]
    outputs = [run.communicate(timeout=300)[0] for run in runs]  # at the same time, on ports of their own
    assert [run.returncode for run in runs] == [0, 0], outputs
    weights = [safe_torch_load(tmp_path / run / 'best.pth')['state_dict'] for run in ('stopped', 'straight')]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())

    test = [str(ROOT / 'tools/dist_test.sh'), str(slow_config), str(work_dir / 'best.pth'), '2']
    done = subprocess.run(test, env=environment(), capture_output=True, text=True, timeout=200, check=True)
    assert done.stdout.count('predictions:') == 1 and (tmp_path / 'run' / 'predictions_test.csv').is_file()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='finds processes in /proc')
def test_a_rank_that_dies_takes_the_others_along_and_is_named(slow_config: Path, tmp_path: Path) -> None:
    run = dist_train(slow_config, tmp_path / 'run', TEST_STEP_SECONDS='1')
    wait_for(tmp_path / 'run' / 'checkpoints.json', run)
    second = workers(run)[1]
    os.kill(second, signal.SIGKILL)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 1, 'not the status of a stop'
    assert 'rank      : 1 (local_rank: 1)' in output and f'exitcode  : -9 (pid: {second})' in output


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_array.sh'])
def test_scripts_say_how_they_are_used(script: str) -> None:
    done = subprocess.run([str(ROOT / 'tools' / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f'tools/{script} ' in done.stderr and not done.stdout
