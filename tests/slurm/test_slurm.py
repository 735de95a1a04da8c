"""Jobs on a real Slurm: several tasks, signals, requeue, arrays, and ranks that die."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import slow_steps
import torch
from conftest import TINY_CONFIG, paint_works

from ssmr.engine.launch import find_place, launch
from ssmr.errors import ConfigError
from ssmr.evaluation.predictions import read_predictions
from ssmr.safe_load import safe_torch_load

if TYPE_CHECKING:
    from slurm_cluster import Cluster

pytest_plugins = ['slurm_cluster']
HERE = Path(__file__).parent
WITHOUT_GPUS = {'GPUS': '0', 'TASKS': '2', 'CPUS_PER_TASK': '1', 'CUDA_VISIBLE_DEVICES': ''}
PYTHON = {'PYTHON': sys.executable, 'PYTHONPATH': str(HERE), 'OMP_NUM_THREADS': '1'}
SRUN = ('srun', '-n2', '--kill-on-bad-exit=1')
#: Ranks that meet, say where, and then do what a test wants of them.
RANKS = """
import os, signal, sys, time
from ssmr.engine.launch import launch
from ssmr.engine.ranks import together
from ssmr.engine.signals import stop_signals
stop_signals.install()
launch('slurm')
found = together(lambda: os.environ['SLURM_JOB_ID'] + '.' + os.environ['SLURM_STEP_ID'])
print(os.environ['RANK'], os.environ['WORLD_SIZE'], os.environ.get('MASTER_PORT'), *found, flush=True)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests, so that features are extracted once."""
    folder = tmp_path_factory.mktemp('tiny')
    works = paint_works(folder / 'works')
    text = TINY_CONFIG.format(root=str(works), artifacts=str(folder / 'artifacts'), work_dir=str(folder / 'run'))
    (folder / 'tiny.py').write_text(text + slow_steps.CONFIG)
    return folder / 'tiny.py'


@pytest.fixture(scope='module')
def trained(cluster: Cluster, repo: Path, config: Path) -> Path:
    """The work folder of a run by two tasks that nobody has disturbed."""
    train = (*SRUN, sys.executable, str(repo / 'tools/train.py'), str(config), '--launcher', 'slurm')
    cluster.run(*train, **PYTHON)
    return config.parent / 'run'


@pytest.fixture
def ranks(tmp_path: Path) -> Callable[[str], list[str]]:
    """A command that lets ranks meet and then runs a body."""

    def command(body: str = '') -> list[str]:
        path = tmp_path / f'ranks_{abs(hash(body))}.py'
        path.write_text(RANKS + body)
        return [sys.executable, str(path)]

    return command


def job_state(cluster: Cluster, job: str) -> str:
    return cluster.run('squeue', '-h', '-t', 'all', '-j', job, '-o', '%T', check=False).stdout.strip()


def submit(cluster: Cluster, repo: Path, script: str, *arguments: str, **environment: str) -> str:
    """Number of the job that one of our scripts has submitted."""
    done = cluster.run(str(repo / 'tools' / script), *arguments, **(WITHOUT_GPUS | PYTHON | environment))
    return done.stdout.split()[-1]


def wait_for_end(cluster: Cluster, job: str, output: Path) -> None:
    def ended() -> bool:
        return set(job_state(cluster, job).split()) <= {'COMPLETED', 'FAILED', 'CANCELLED', 'NODE_FAIL'}

    cluster.wait(ended, f'the end of job {job}')
    assert set(job_state(cluster, job).split()) == {'COMPLETED'}, output.read_text()


def last(work_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = safe_torch_load((work_dir / 'last_checkpoint').read_text())
    return content


def assert_equal_weights(a: Path, b: Path) -> None:
    for name in ('last', 'best'):
        first, second = (last(x) if name == 'last' else safe_torch_load(x / 'best.pth') for x in (a, b))
        assert first['state_dict'].keys() == second['state_dict'].keys()
        for key, value in first['state_dict'].items():
            assert torch.equal(value, second['state_dict'][key]), (name, key)


@pytest.mark.slow
def test_two_tasks_train_and_test(cluster: Cluster, repo: Path, config: Path, trained: Path) -> None:
    test = (*SRUN, sys.executable, str(repo / 'tools/test.py'), str(config), str(trained / 'best.pth'))
    table = cluster.run(*test, '--launcher', 'slurm', **PYTHON).stdout
    assert 'ssmr' in table and table.count('predictions:') == 1, 'one rank alone speaks'
    assert len(read_predictions(trained / 'predictions_test.csv').ids) == 4
    record = json.loads((trained / 'environment.json').read_text())
    assert record['processes'] == 2 and record['slurm']['SLURM_JOB_ID']


@pytest.mark.slow
def test_a_signalled_job_is_requeued_and_ends_like_one_that_was_not(
    cluster: Cluster, repo: Path, config: Path, trained: Path, tmp_path: Path
) -> None:
    work_dir = tmp_path / 'stopped'
    job = submit(cluster, repo, 'slurm_train.sh', 'cpu', 'stopped', str(config), str(work_dir), TEST_STEP_SECONDS='0.3')
    output = work_dir / f'slurm-{job}.out'
    cluster.wait((work_dir / 'checkpoints.json').is_file, 'a checkpoint')
    cluster.run('scancel', '--signal=USR1', job)
    cluster.wait(lambda: 'requeueing job' in output.read_text(), 'the requeue')
    stopped_at = last(work_dir)['meta']['iter']
    wait_for_end(cluster, job, output)
    text = output.read_text()
    assert text.count('stopped by SIGUSR1 after iteration') == 1 and 'exit code 75' in text
    assert 0 < stopped_at < last(work_dir)['meta']['iter'] == last(trained)['meta']['iter']
    assert_equal_weights(trained, work_dir)


@pytest.mark.slow
def test_an_array_trains_with_every_seed(cluster: Cluster, repo: Path, config: Path, tmp_path: Path) -> None:
    arguments = ('cpu', 'seeds', str(tmp_path), str(config), '--', '--cfg-options', 'train_cfg.max_epochs=1')
    job = submit(cluster, repo, 'slurm_array.sh', *arguments, SEEDS='7 8', TASKS='1')
    wait_for_end(cluster, job, tmp_path / f'slurm-{job}_0.out')
    for seed in (7, 8):
        meta = last(tmp_path / 'tiny' / f'seed_{seed}')['meta']
        assert (meta['seed'], meta['epoch']) == (seed, 1), 'the options of the user hold too'


def test_an_array_has_a_task_for_every_config_and_seed(cluster: Cluster, repo: Path, tmp_path: Path) -> None:
    """With a program that only says what it was asked in the place of Python."""
    seen = {}
    for seeds, options in ('3 5', ()), ('3 5', ('--', '--amp', '--cfg-options', 'a=1')), ('', ('--', '--amp')):
        arguments = ('cpu', 'all', str(tmp_path), 'x/one.py', 'two.py', *options)
        job = submit(cluster, repo, 'slurm_array.sh', *arguments, SEEDS=seeds, TASKS='1', PYTHON='/bin/echo')
        wait_for_end(cluster, job, tmp_path / f'slurm-{job}_0.out')
        outputs = sorted(tmp_path.glob(f'slurm-{job}_*.out'))
        seen[seeds, options] = [output.read_text().split('tools/train.py ')[1].strip() for output in outputs]
    fixed, seed_of = '--launcher slurm --resume', '--cfg-options randomness.seed='
    assert seen['3 5', ()] == [
        f'{config}.py --work-dir {tmp_path}/{Path(config).name}/seed_{seed} {fixed} {seed_of}{seed}'
        for config in ('x/one', 'two')
        for seed in (3, 5)
    ]
    assert [line.split(fixed)[1] for line in seen['3 5', ('--', '--amp', '--cfg-options', 'a=1')]][:2] == [
        ' --amp --cfg-options randomness.seed=3 a=1',
        ' --amp --cfg-options randomness.seed=5 a=1',
    ]
    assert seen['', ('--', '--amp')][1] == f'two.py --work-dir {tmp_path}/two {fixed} --amp'


def test_a_rank_that_dies_ends_the_job_and_is_named(cluster: Cluster, ranks: Callable[[str], list[str]]) -> None:
    body = "if os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)\ntogether(lambda: time.sleep(60))"
    done = cluster.run(*SRUN, *ranks(body), check=False, timeout=45)
    assert done.returncode not in (0, 75) and 'task 1: Killed' in done.stderr


def test_a_rank_that_fails_is_no_reason_to_requeue(cluster: Cluster, ranks: Callable[[str], list[str]]) -> None:
    """srun ends the others by SIGTERM and returns the highest status, which must not be that of an orderly stop."""
    body = "if os.environ['RANK'] == '1': raise ValueError('broken')\nfor _ in range(600): time.sleep(0.1)"
    done = cluster.run(*SRUN, *ranks(body), check=False, timeout=45)
    assert done.returncode == 143 and 'ValueError: broken' in done.stderr and 'task 1: Exited' in done.stderr


def test_a_stop_has_one_status_although_ranks_leave_at_different_times(
    cluster: Cluster, ranks: Callable[[str], list[str]]
) -> None:
    """srun sends SIGTERM when the first has left; the last, still on its way out, must not be killed by it."""
    body = "import atexit\natexit.register(time.sleep, 4 * int(os.environ['RANK']))\nstop_signals.leave()"
    done = cluster.run(*SRUN, *ranks(body), check=False, timeout=45)
    assert done.returncode == 75, done.stderr


def test_steps_and_jobs_at_the_same_time_meet_their_own(
    cluster: Cluster, ranks: Callable[[str], list[str]], tmp_path: Path
) -> None:
    step = f'srun --overlap -n2 {" ".join(ranks("time.sleep(2)"))}'
    jobs = []
    for number in range(2):
        script = tmp_path / f'job_{number}.sh'
        script.write_text(f'#!/bin/sh\n{step} & {step} & wait\n')
        output = tmp_path / f'job_{number}.out'
        sbatch = ('sbatch', '--parsable', '-n2', '--wait-all-nodes=0', f'--output={output}', str(script))
        jobs.append((cluster.run(*sbatch, **PYTHON).stdout.strip(), output))
    ports = set()
    for job, output in jobs:
        wait_for_end(cluster, job, output)
        lines = [line.split() for line in output.read_text().splitlines() if line[:1].isdigit()]
        assert len(lines) == 4, output.read_text()
        for _, size, port, *members in lines:
            assert size == '2' and len(set(members)) == 1 and members[0].startswith(f'{job}.')
            ports.add(port)
    assert len(ports) == 4, 'one for each step of each job'


def test_what_real_tasks_and_batch_scripts_have_in_their_environment(cluster: Cluster, tmp_path: Path) -> None:
    """A batch script has variables of a task, and would wait for others that nobody has started."""

    def variables(text: str) -> dict[str, str]:
        return dict(line.split('=', 1) for line in text.splitlines() if line.startswith('SLURM_'))

    output = tmp_path / 'out'
    (tmp_path / 'job.sh').write_text('#!/bin/sh\nenv\necho\nsrun -n1 env\n')
    cluster.run('sbatch', '--wait', '-n2', f'--output={output}', str(tmp_path / 'job.sh'))
    batch, task = map(variables, output.read_text().split('\n\n'))
    assert batch['SLURM_PROCID'] == '0' and batch['SLURM_NTASKS'] == '2'
    with pytest.raises(ConfigError, match='SLURM_STEP_ID is not set') as error:
        launch('slurm', batch)
    assert 'srun' in error.value.fix
    assert find_place('slurm', task).world_size == 1, 'of the step, not of the job'
    launch('slurm', task)  # meets nobody


def test_the_script_says_when_it_does_not_requeue(cluster: Cluster, repo: Path, tmp_path: Path) -> None:
    stops = tmp_path / 'stops'
    stops.write_text('#!/bin/sh\nexit 75\n')
    stops.chmod(0o755)
    job = submit(
        cluster, repo, 'slurm_train.sh', 'cpu', 'stops', 'a.py', str(tmp_path), PYTHON=str(stops), MAX_REQUEUES='1'
    )
    output = tmp_path / f'slurm-{job}.out'
    cluster.wait(lambda: job_state(cluster, job) == 'FAILED', 'the end')
    assert output.read_text().count('requeueing job') == 1 and 'not requeued again' in output.read_text()
    assert 'ExitCode=75:0' in cluster.run('scontrol', 'show', 'job', job).stdout
