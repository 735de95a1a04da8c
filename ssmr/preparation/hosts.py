"""Whose turn it is: the works of each host in a queue of their own, and how each host has answered so far."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ssmr.preparation.image_list import Work
from ssmr.preparation.settings import Patience, Settings


@dataclass
class Health:
    """How a host has answered of late.

    Args:
        name: Of the host.
        patience: When to give it up.
    """

    name: str
    patience: Patience
    given_up: str | None = None
    _failures: int = 0
    _since: float = 0.0

    def answered(self) -> None:
        """Note a proper answer, be it a refusal."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """Note a failure that another attempt could mend; too many in a row, for too long, and the host is given up."""
        now = time.monotonic()
        self._since = self._since if self._failures else now
        self._failures += 1
        if self._failures >= self.patience.host_failures and now - self._since >= self.patience.host_time:
            self.given_up = f'not tried: {self.name} failed {self._failures} times in a row, at last: {reason}'


@dataclass
class Host:
    """The works of one host that wait, how many are under way, and how it has answered."""

    health: Health
    waiting: deque[Work] = field(default_factory=deque)
    active: int = 0


class Hosts:
    """Hands out works, the hosts in turn, so that a slow or dead one leaves places for the others.

    Args:
        works: All works.
        settings: ``connections`` in all and ``per_host`` works are under way at a time.
    """

    def __init__(self, works: Iterable[Work], settings: Settings) -> None:
        self._settings = settings
        self._active = 0
        self._freed = asyncio.Event()
        hosts: dict[str, Host] = {}
        for work in works:
            parts = urlsplit(work.url)
            name = f'{parts.scheme}://{parts.netloc.rpartition("@")[2].lower()}'
            hosts.setdefault(name, Host(Health(name, settings.patience))).waiting.append(work)
        self._turns = deque(hosts.values())

    async def take(self) -> tuple[Host, Work] | None:
        """Wait for the next work; None when none is left. Every work taken must be released."""
        while self._turns:
            if taken := self._next():
                return taken
            self._freed.clear()
            await self._freed.wait()
        return None

    def _next(self) -> tuple[Host, Work] | None:
        if self._active >= self._settings.connections:
            return None
        for _ in range(len(self._turns)):
            host = self._turns.popleft()
            free = host.active < self._settings.per_host
            work = host.waiting.popleft() if free else None
            if host.waiting:
                self._turns.append(host)
            if work:
                host.active += 1
                self._active += 1
                return host, work
        return None

    def release(self, host: Host) -> None:
        """Give the place of a work of ``host`` back."""
        host.active -= 1
        self._active -= 1
        self._freed.set()
