"""A web server on 127.0.0.1 that breaks every rule on purpose, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

#: What happens to the connection after the bytes of an answer.
Then = Literal['keep', 'close', 'reset', 'hang']


@dataclass(frozen=True)
class Answer:
    """Raw bytes, after ``latency`` seconds, and what then becomes of the connection."""

    raw: bytes
    then: Then = 'keep'
    latency: float = 0.0


def reply(
    body: bytes, status: str = '200 OK', kind: str = 'image/jpeg', length: int | None = None, then: Then = 'keep',
    latency: float = 0.0, **headers: str,
) -> Answer:  # fmt: skip
    """A proper answer; ``length`` lies about the body's, headers are given as ``Retry_After='1'``."""
    lines = {'Content-Type': kind, 'Content-Length': str(len(body) if length is None else length)}
    lines |= {name.replace('_', '-'): value for name, value in headers.items()}
    head = ''.join(f'{name}: {value}\r\n' for name, value in lines.items())
    return Answer(f'HTTP/1.1 {status}\r\n{head}\r\n'.encode() + body, then, latency)


def until_closed(body: bytes, kind: str = 'image/jpeg') -> Answer:
    """An answer in the old manner: no length, it ends where the connection ends."""
    return Answer(f'HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n'.encode() + body, 'close')


def cut(body: bytes, then: Then = 'close') -> Answer:
    """Half of the body that was announced."""
    whole = reply(body)
    return Answer(whole.raw[: len(whole.raw) - len(body) // 2], then)


def redirect(to: str) -> Answer:
    return reply(b'', '302 Found', Location=to)


SILENCE = Answer(b'', 'hang')
HANG_UP = Answer(b'', 'close')
NOT_FOUND = reply(b'<h1>no</h1>', '404 Not Found', 'text/html')
BROKEN = reply(b'oops', '500 Internal Server Error', 'text/plain')


def jpeg(seed: int, size: tuple[int, int] = (64, 48), quality: int = 90) -> bytes:
    """A colourful picture of its own for each seed."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(file, 'JPEG', quality=quality)
    return file.getvalue()


class Server:
    """Serves ``answers[path]`` in turn, the last one for ever; a second host is a second port."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        #: (seconds, port, path) of every request.
        self.requests: list[tuple[float, int, str]] = []
        self.agents: set[str] = set()
        #: The most requests at a time, by port, and in all (port 0).
        self.busiest: dict[int, int] = {}
        self._active: dict[int, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: list[asyncio.Server] = []
        self._thread.start()

    def listen(self) -> str:
        """Open a port; returns its address, ``http://127.0.0.1:PORT``."""
        starting = asyncio.start_server(self._serve, '127.0.0.1', 0, backlog=200)
        listening = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self._listening.append(listening)
        return f'http://127.0.0.1:{listening.sockets[0].getsockname()[1]}'

    def on(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def paths(self) -> list[str]:
        return [path for _, _, path in self.requests]

    def forget(self) -> None:
        self.requests.clear()
        self.busiest.clear()

    def close(self) -> None:
        async def end() -> None:
            for listening in self._listening:
                listening.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        port = writer.get_extra_info('sockname')[1]
        try:
            while await self._answer(reader, writer, port):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> bool:
        """Answer one request; whether the connection may carry another."""
        head = (await reader.readuntil(b'\r\n\r\n')).decode()
        path = head.split()[1]
        self.requests.append((time.monotonic(), port, path))
        self.agents |= {line for line in head.split('\r\n') if line.lower().startswith('user-agent')}
        answers = self.answers.get(path, [NOT_FOUND])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        with self._counted(port):  # over before the client sees the answer, so that it can never count one too many
            await asyncio.sleep(answer.latency)
        writer.write(answer.raw)
        await writer.drain()
        if answer.then == 'hang':
            await reader.read()  # until the client goes away
        elif answer.then == 'reset':
            await asyncio.sleep(0.05)  # what was sent shall arrive
            writer.transport.abort()
        return answer.then == 'keep'

    @contextlib.contextmanager
    def _counted(self, port: int) -> Iterator[None]:
        for key in (0, port):
            self._active[key] = self._active.get(key, 0) + 1
            self.busiest[key] = max(self.busiest.get(key, 0), self._active[key])
        try:
            yield
        finally:
            for key in (0, port):
                self._active[key] -= 1
