"""How a downloader behaves: how much at a time, how long it waits, and what it puts up with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ssmr.errors import ConfigError
from ssmr.preparation.outcome import Options


@dataclass(frozen=True)
class Patience:
    """When to wait and when to give up; times in seconds.

    Args:
        attempts: Requests for one file at most.
        backoff: Before the second request; doubled before each further one, plus up to as much by chance.
        longest_wait: Between two requests, whatever the server asks for (``Retry-After``).
        connect: Until a connection is there.
        stall: Without a byte.
        total: For one request, redirects and all.
        host_failures: A host is given up for the rest of the run when this many requests in a row failed…
        host_time: …and no answer came for this long.
    """

    attempts: int = 5
    backoff: float = 1.0
    longest_wait: float = 60.0
    connect: float = 15.0
    stall: float = 20.0
    total: float = 600.0
    host_failures: int = 16
    host_time: float = 120.0


@dataclass(frozen=True)
class Settings:
    """Limits of a download.

    Args:
        connections: Requests at a time, >= 1.
        per_host: Of these, at most so many to one host, >= 1.
        rate: Requests a second in all, > 0; redirects count.
        workers: Threads that decode, >= 1; None for one a core.
        max_bytes: Larger files are refused.
        max_redirects: More are refused.
        patience: When to wait and when to give up.

    Raises:
        ConfigError: A number is out of its range.
    """

    connections: int = 16
    per_host: int = 8
    rate: float = 50.0
    workers: int | None = None
    max_bytes: int = 200_000_000
    max_redirects: int = 5
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        for name in ('connections', 'per_host', 'workers'):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f'{name} is {value}', f'give 1 or more for {name}')
        if not 0 < self.rate < float('inf'):
            raise ConfigError(f'rate is {self.rate}', 'give the requests a second as a number above 0')

    @classmethod
    def of(cls, options: Options, patience: Patience) -> Settings:
        """What the command line asks for."""
        return cls(options.connections, options.per_host, options.rate, options.workers, patience=patience)

    @property
    def threads(self) -> int:
        """Threads that decode."""
        return self.workers or os.cpu_count() or 1
