"""One file over HTTP: whole, or an error with a reason that a person understands."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import tenacity
from aiolimiter import AsyncLimiter

from ssmr import __version__
from ssmr.artifacts.files import disk_space
from ssmr.preparation.hosts import Health
from ssmr.preparation.settings import Settings

#: Compressed transfer would hide the length of the file; images gain nothing by it.
HEADERS = {'User-Agent': f'ssmr/{__version__} (research data download)', 'Accept-Encoding': 'identity'}
#: Refusals that another attempt may mend, besides all of the server's own errors (5xx).
AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
#: The rate limit lets this many seconds' worth of requests through at once; one by one its timer would be too coarse.
BURST = 0.1
#: Bytes that are held in memory and then written in a thread: opening a file takes longer than receiving an image.
BLOCK = 1 << 20


class FetchError(Exception):
    """A file did not come.

    Args:
        reason: Why, for a person.
        again: Whether another attempt may mend it.
        wait: Seconds the server asks to wait before that.
    """

    def __init__(self, reason: str, again: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.wait = wait


@dataclass(frozen=True)
class Received:
    """What came: its length, its SHA-256 as hexadecimal digits, and what the server calls it."""

    size: int
    sha256: str
    content_type: str


class Client:
    """Fetches files within the settings' limits; see :func:`open_client`."""

    def __init__(self, session: aiohttp.ClientSession, limiter: AsyncLimiter, settings: Settings) -> None:
        self._session = session
        self._limiter = limiter
        self._settings = settings

    async def fetch(self, url: str, path: Path, health: Health) -> Received:
        """Fetch ``url`` into ``path``, with as many attempts as the settings allow.

        ``path`` is whole when this returns, and may hold anything when it raises.

        Args:
            url: An http(s) address.
            path: The file to write; its folder exists.
            health: Of the host; learns how it answers, and stops the attempts once the host is given up.

        Raises:
            FetchError: The file did not come; the reason says how many attempts were made.
            ArtifactError: The disk is full.
        """
        if health.given_up:
            raise FetchError(health.given_up)
        patience = self._settings.patience
        backoff = tenacity.wait_exponential(patience.backoff) + tenacity.wait_random(0, patience.backoff)
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, FetchError) and error.again),
            stop=lambda state: state.attempt_number >= patience.attempts or health.given_up is not None,
            wait=lambda state: min(max(backoff(state), _wait_asked_for(state)), patience.longest_wait),
            reraise=True,
        )
        try:
            return await attempts(self._attempt, url, path, health)
        except FetchError as error:
            n = attempts.statistics['attempt_number']
            raise FetchError(f'{error.reason} ({n} attempts)' if n > 1 else error.reason) from error

    async def _attempt(self, url: str, path: Path, health: Health) -> Received:
        await self._limiter.acquire()
        try:
            received = await self._request(url, path)
        except FetchError as error:
            if error.again:
                health.failed(error.reason)
            else:
                health.answered()
            raise
        health.answered()
        return received

    async def _request(self, url: str, path: Path) -> Received:
        patience = self._settings.patience
        try:
            # aiohttp's max_redirects counts the first request too
            async with self._session.get(url, max_redirects=self._settings.max_redirects + 1) as response:
                if response.status != HTTPStatus.OK:
                    raise _refusal(response)
                return await self._save(response, path)
        except aiohttp.TooManyRedirects as error:
            raise FetchError(f'redirected more than {self._settings.max_redirects} times') from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise FetchError(f'led to an address that cannot be fetched: {error}') from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise FetchError(f'the certificate of {error.host} is not valid: {error.certificate_error}') from error
        except aiohttp.ConnectionTimeoutError as error:
            raise FetchError(f'no connection within {patience.connect:g} s', again=True) from error
        except aiohttp.ServerTimeoutError as error:
            raise FetchError(f'stalled: no data for {patience.stall:g} s', again=True) from error
        except asyncio.TimeoutError as error:
            raise FetchError(f'not complete after {patience.total:g} s', again=True) from error
        except aiohttp.ServerDisconnectedError as error:
            raise FetchError('the server closed the connection without an answer', again=True) from error
        except aiohttp.ClientResponseError as error:
            raise FetchError('the server does not answer in proper HTTP', again=True) from error
        except aiohttp.ClientError as error:
            raise FetchError(f'connection failed: {" ".join(str(error).split())}', again=True) from error

    async def _save(self, response: aiohttp.ClientResponse, path: Path) -> Received:
        """Write the body; aiohttp raises where it is shorter than the server said, and never reads beyond."""
        limit, size, digest, block = self._settings.max_bytes, 0, hashlib.sha256(), bytearray()
        too_large = FetchError(f'larger than {limit / 1e6:g} MB')
        if (response.content_length or 0) > limit:
            raise too_large
        try:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise too_large
                block += chunk
                if len(block) >= BLOCK:
                    await asyncio.to_thread(_write, path, block, digest, size == len(block))
                    block = bytearray()
        except aiohttp.ClientPayloadError as error:
            whole = response.content_length
            raise FetchError(f'cut off after {size}{f" of {whole}" if whole else ""} bytes', again=True) from error
        if not size:
            raise FetchError('the server sent an empty file (zero bytes)')
        await asyncio.to_thread(_write, path, block, digest, size == len(block))
        return Received(size, digest.hexdigest(), response.content_type)


def _write(path: Path, block: bytearray, digest: hashlib._Hash, first: bool) -> None:
    digest.update(block)
    with disk_space(path), open(path, 'wb' if first else 'ab') as file:  # the first replaces an earlier attempt's
        file.write(block)


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[Client]:
    """Open connections as the settings say; proxies are taken from the environment, cookies are not kept."""
    patience = settings.patience
    burst = max(1.0, settings.rate * BURST)
    limiter = AsyncLimiter(burst, burst / settings.rate)

    async def wait_for_redirect(*_: object) -> None:
        await limiter.acquire()

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(wait_for_redirect)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.connections, limit_per_host=settings.per_host),
        timeout=aiohttp.ClientTimeout(patience.total, sock_connect=patience.connect, sock_read=patience.stall),
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=True,
        trace_configs=[trace],
    ) as session:
        yield Client(session, limiter, settings)


def _refusal(response: aiohttp.ClientResponse) -> FetchError:
    try:
        reason = f'{response.status} {HTTPStatus(response.status).phrase}'
    except ValueError:
        reason = f'status {response.status}'
    again = response.status in AGAIN or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return FetchError(reason, again, _seconds(response.headers.get('Retry-After', '')))


def _seconds(retry_after: str) -> float:
    """The seconds that a Retry-After header asks for (RFC 9110, section 10.2.3: a number or a date), else 0."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _wait_asked_for(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.wait if isinstance(error, FetchError) else 0.0
