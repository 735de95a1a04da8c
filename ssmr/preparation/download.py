"""Many images at a time: what is missing is fetched, decoded and put in place, or listed with its reason."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ssmr.preparation.hosts import Host, Hosts
from ssmr.preparation.http import Client, FetchError, Received, open_client
from ssmr.preparation.image_folder import ImageFolder
from ssmr.preparation.image_list import Work
from ssmr.preparation.outcome import Missing, Outcome
from ssmr.preparation.root_lock import locked
from ssmr.preparation.settings import Settings
from ssmr.preparation.tasks import all_or_none, run_interruptible
from ssmr.progress import progress


def download(name: str, root: Path, works: list[Work], settings: Settings) -> Outcome:
    """Fetch the images that are not yet below ``root/images``.

    It can be interrupted and killed at any time and run again; see :mod:`ssmr.preparation.image_folder`. A file that is
    there but does not decode is fetched again, and stays until a good one replaces it.

    Args:
        name: Of the data set.
        root: Its folder.
        works: What to fetch; names are unique.
        settings: Limits.

    Raises:
        DataError: Another run is at work there, or the folder cannot be written.
        ArtifactError: The disk is full.
    """
    with locked(root), ImageFolder(root) as folder:
        try:
            _verify(name, folder, folder.unverified(works), settings.threads)
            present = folder.verified(works)
            run = _Run(folder, [work for work in works if work.image not in present], settings)
            if run.works:
                with progress(f'{name}: downloading', len(run.works)) as advance:
                    run_interruptible(run.fetch_all(advance))
        except KeyboardInterrupt:
            there = len(folder.verified(works))
            how = 'run the same command again to get the rest'
            print(f'{name}: stopped with {there} of {len(works)} images; {how}', file=sys.stderr)
            raise
    order = {work.image: place for place, work in enumerate(works)}
    missing = sorted(run.missing, key=lambda item: order[item.image])
    return Outcome(name, root, len(works), len(works) - len(missing), tuple(missing))


def _verify(name: str, folder: ImageFolder, found: list[Work], threads: int) -> None:
    if found:
        with progress(f'{name}: decoding what is there', len(found)) as advance:
            for _ in folder.verify(found, threads):
                advance(1)


class _Run:
    """One run over the works that are to be fetched; ``missing`` grows."""

    def __init__(self, folder: ImageFolder, works: list[Work], settings: Settings) -> None:
        self.works = works
        self.missing: list[Missing] = []
        self._folder = folder
        self._settings = settings

    async def fetch_all(self, advance: Callable[[int], None]) -> None:
        """Fetch with a fixed number of tasks, so that memory does not grow with the works.

        A task downloads a file and then waits for a thread to decode it; there are more tasks than connections, so that
        all connections are busy while threads decode.
        """
        settings = self._settings
        hosts = Hosts(self.works, settings)
        tasks = settings.connections + 2 * settings.threads
        with ThreadPoolExecutor(settings.threads) as pool:
            async with open_client(settings) as client:
                await all_or_none([self._work(hosts, client, pool, advance) for _ in range(tasks)])

    async def _work(
        self, hosts: Hosts, client: Client, pool: ThreadPoolExecutor, advance: Callable[[int], None]
    ) -> None:
        while taken := await hosts.take():
            host, work = taken
            try:
                received = await self._fetch(client, host, work)
            finally:
                hosts.release(host)
            if isinstance(received, Received):
                loop = asyncio.get_running_loop()
                reason = await loop.run_in_executor(pool, self._folder.accept, work, received)
            else:
                reason = received
            if reason is not None:
                self.missing.append(Missing(work.image, work.url, reason))
            advance(1)

    async def _fetch(self, client: Client, host: Host, work: Work) -> Received | str:
        """What came, or why it did not."""
        path = self._folder.partial(work.image)
        try:
            return await client.fetch(work.url, path, host.health)
        except FetchError as error:
            path.unlink(missing_ok=True)
            return error.reason
