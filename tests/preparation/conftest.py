"""A server of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from misbehaving_server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    yield running
    running.close()
