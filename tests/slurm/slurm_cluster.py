"""A real Slurm of one machine on loopback, without systemd or cgroups; it ends with the tests that use it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Set where Slurm must be there, so that these tests may not skip.
REQUIRED = 'SSMR_REQUIRE_SLURM'
PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sinfo', 'sbatch', 'srun', 'scontrol', 'setpriv')
PATH = f'{os.environ["PATH"]}:/usr/sbin:/sbin'
#: More than a small machine has: two jobs of two tasks run side by side.
CPUS = 4
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """munged, slurmctld and slurmd of our own, on free ports.

    Args:
        folder: For its state and logs; a short path, because sockets lie in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.daemons = folder, list[subprocess.Popen[bytes]]()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(('SLURM_', 'SBATCH_'))},
            'PATH': PATH,
            'SLURM_CONF': str(folder / 'slurm.conf'),
        }
        for name in ('state', 'spool'):
            (folder / name).mkdir()
        host, (controller, node) = socket.gethostname().split('.')[0], free_ports(2)
        text = CONFIG.format(folder=folder, host=host, controller=controller, node=node, cpus=CPUS)
        (folder / 'slurm.conf').write_text(text)
        key = folder / 'munge.key'
        key.touch(0o600)
        key.write_bytes(os.urandom(128))

    def start(self) -> None:
        """Start the daemons and wait until the node is idle."""
        files = {name: f'{self.folder}/munge.{name}' for name in ('socket', 'pid', 'log', 'seed')}
        self._daemon(
            'munged', '--foreground', '--force', f'--socket={files["socket"]}', f'--pid-file={files["pid"]}',
            f'--log-file={files["log"]}', f'--seed-file={files["seed"]}', f'--key-file={self.folder}/munge.key',
        )  # fmt: skip
        self.wait(lambda: Path(files['socket']).is_socket(), 'munged')
        self._daemon('slurmctld', '-D')
        self._daemon('slurmd', '-D')
        self.wait(lambda: self.run('sinfo', '-h', '-o', '%T', check=False).stdout.strip() == 'idle', 'an idle node')

    def _daemon(self, *command: str) -> None:
        log = open(self.folder / f'{command[0]}.log', 'wb')  # noqa: SIM115  # the daemon keeps it
        # it dies with the tests even where those are killed
        words = ['setpriv', '--pdeathsig', 'KILL', *command]
        self.daemons.append(subprocess.Popen(words, env=self.environment, stdout=log, stderr=log))

    def stop(self) -> None:
        """Cancel all jobs and end the daemons."""
        self.run('scancel', '--full', '--signal=KILL', '--user=root', check=False)
        self.run('scancel', '--user=root', check=False)
        end = time.monotonic() + 20
        while self.run('squeue', '-h', check=False).stdout.strip() and time.monotonic() < end:
            time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def run(
        self, *command: str, check: bool = True, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm, or one that uses it."""
        done = subprocess.run(
            command, env=self.environment | environment, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode:
            raise AssertionError(f'{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}')
        return done

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            dead = [daemon.args for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                logs = '\n'.join(path.read_text(errors='replace')[-2000:] for path in self.folder.glob('*.log'))
                raise AssertionError(f'waited in vain for {what}; ended: {dead}\n{logs}')
            time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for opened in sockets:
            opened.bind(('127.0.0.1', 0))
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


@pytest.fixture(scope='session')
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster; skips with the reason where there can be none."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    reason = f'no Slurm: {", ".join(missing)} not installed' if missing else 'no Slurm: its daemons need root'
    if missing or os.geteuid() != 0:
        if os.environ.get(REQUIRED):
            pytest.fail(f'{REQUIRED} is set, but: {reason}')
        pytest.skip(reason)
    started = Cluster(tmp_path_factory.mktemp('slurm'))
    try:
        started.start()
        yield started
    finally:
        started.stop()
