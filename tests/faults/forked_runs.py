"""Runs of the tools in processes of their own that begin at once: each is a fork of one that has imported everything.

Run as a script this is that process: it reads lists of jobs from its standard input, a line of JSON each, runs the jobs
of a list side by side, and answers with their exit statuses.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import runpy
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

MODULES = (
    'ssmr.stages.pipeline', 'ssmr.stages.train', 'ssmr.stages.evaluate', 'ssmr.stages.publish', 'ssmr.engine.launch',
    'ssmr.backbones.efficientnet_lite', 'ssmr.backbones.gram_style', 'ssmr.backbones.global_feature',
    'ssmr.assessors.multi_reference', 'torch.utils.tensorboard', 'tensorboard.compat',
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run: a script with its arguments, where its output goes, and what is done to it.

    Attributes:
        script: A Python file.
        arguments: Its command line.
        log: The file for its output.
        kill_at: The fault point at which it kills itself.
        passed: A file to note the fault points in that it passes.
        largest_file: In bytes, as on a disk that is full.
    """

    script: str
    arguments: list[str]
    log: str
    kill_at: str = ''
    passed: str = ''
    largest_file: int = 0


@dataclass
class ForkedRuns:
    """Gives the jobs to the process."""

    process: Any = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )

    def run(self, *jobs: Job) -> list[int]:
        """Run jobs side by side; their exit statuses, those killed by a signal negative."""
        self.process.stdin.write(json.dumps([asdict(job) for job in jobs]) + '\n')
        self.process.stdin.flush()
        statuses: list[int] = json.loads(self.process.stdout.readline())
        return statuses

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(30)


def serve() -> None:
    """Run what is asked for until the input ends."""
    for name in MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        pids = [fork(Job(**job)) for job in json.loads(line)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(statuses), flush=True)


def fork(job: Job) -> int:
    pid = os.fork()
    if pid == 0:
        run(job)
    return pid


def run(job: Job) -> NoReturn:
    """Be the run; ends the process."""
    output = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(output, 1), os.dup2(output, 2)
    status: Any = 1
    try:
        if job.kill_at:
            os.environ['SSMR_TEST_KILL_AT'] = job.kill_at
        if job.passed:
            note_passed(Path(job.passed))
        if job.largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, job.largest_file))
        sys.argv = [job.script, *job.arguments]
        sys.path.insert(0, str(Path(job.script).parent))
        runpy.run_path(job.script, run_name='__main__')
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def note_passed(path: Path) -> None:
    """Note the fault points of this process, wherever they have been imported to."""

    def note(name: str) -> None:
        with open(path, 'a') as file:
            file.write(f'{name}\n')

    real: Callable[[str], None] = sys.modules['ssmr.artifacts.fault_points'].fault_point
    for module in list(sys.modules.values()):
        if vars(module).get('fault_point') is real:
            module.fault_point = note  # type: ignore[attr-defined]


if __name__ == '__main__':
    serve()
