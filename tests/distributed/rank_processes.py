"""Several real processes in one machine, cheaply: forked from a server that has imported everything, joined by gloo."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pytest

from ssmr.engine.launch import launch
from ssmr.errors import SsmrError

#: The server begins when the first process does, and imports these once.
SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    ['pytest', 'ssmr.stages.evaluate', 'ssmr.stages.pipeline', 'ssmr.engine.hooks', 'mmpretrain.models']
)


@dataclass(frozen=True)
class Outcome:
    """How one rank ended.

    Attributes:
        value: What its work returned.
        error: The class of what it raised; '' for nothing (or it was killed).
        message: Of an error of ssmr the text, of another the traceback.
        status: Its exit status; the number of a signal, negative.
    """

    value: Any
    error: str
    message: str
    status: int | None


class Job:
    """Ranks that do the same work.

    Args:
        count: How many.
        work: A function of a module that they can import.
        arguments: Of ``work``.
        environment: Variables of all ranks.
    """

    def __init__(self, count: int, work: Callable[..., Any], *arguments: Any, **environment: str) -> None:
        port = _free_port()
        pipes = [SERVER.Pipe(duplex=False) for _ in range(count)]
        self.receivers = [receiver for receiver, _ in pipes]
        self.processes = [
            SERVER.Process(target=_run, args=(rank, count, port, environment, sender, work, arguments))
            for rank, (_, sender) in enumerate(pipes)
        ]
        for process in self.processes:
            process.start()
        for _, sender in pipes:
            sender.close()

    def outcomes(self, patience: float = 300) -> list[Outcome]:
        """Wait for all ranks; whatever has not ended after ``patience`` seconds hangs, and fails the test."""
        found = []
        for receiver, process in zip(self.receivers, self.processes, strict=True):
            try:
                content = receiver.recv() if receiver.poll(patience) else (None, '', '')
            except EOFError:
                content = (None, '', '')
            process.join(patience)
            found.append(Outcome(*content, status=process.exitcode))
        if alive := [rank for rank, process in enumerate(self.processes) if process.is_alive()]:
            for process in self.processes:
                process.kill()
            pytest.fail(f'ranks {alive} hang')
        return found


def run_ranks(count: int, work: Callable[..., Any], *arguments: Any, **environment: str) -> list[Any]:
    """What ``work`` returned, by rank; nobody may fail."""
    outcomes = Job(count, work, *arguments, **environment).outcomes()
    failed = {rank: outcome for rank, outcome in enumerate(outcomes) if outcome.status}
    assert not failed, '\n'.join(f'rank {rank}: {o.status} {o.message}' for rank, o in failed.items())
    return [outcome.value for outcome in outcomes]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return int(found.getsockname()[1])


def _run(
    rank: int,
    count: int,
    port: int,
    environment: Mapping[str, str],
    sender: Connection,
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    place = {'RANK': rank, 'LOCAL_RANK': rank, 'WORLD_SIZE': count, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
    os.environ.update(environment | {name: str(value) for name, value in place.items()})
    try:
        launch('pytorch' if count > 1 else 'none')
        sender.send((work(*arguments), '', ''))
    except SystemExit as ended:
        sender.send((None, 'SystemExit', ''))
        raise SystemExit(ended.code) from None
    except SsmrError as error:
        sender.send((None, type(error).__name__, str(error)))
        raise SystemExit(1) from None
    except Exception as error:
        sender.send((None, type(error).__name__, traceback.format_exc()))
        raise SystemExit(2) from None
