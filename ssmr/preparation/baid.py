"""BAID: its label files, its list of images, and the images themselves, from where their authors point to."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from ssmr.artifacts.files import atomic_write, disk_space, fsync_file, sha256_file
from ssmr.datasets.baid import RELEASES
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import SPLITS
from ssmr.datasets.label_files import read_labels
from ssmr.errors import ConfigError, DataError
from ssmr.preparation.download import download
from ssmr.preparation.hosts import Health
from ssmr.preparation.http import FetchError, open_client
from ssmr.preparation.image_list import read_image_list
from ssmr.preparation.outcome import Options, Outcome
from ssmr.preparation.root_lock import locked
from ssmr.preparation.settings import Patience, Settings
from ssmr.preparation.tasks import run_interruptible

SOURCE = 'https://raw.githubusercontent.com/Dreemurr-T/BAID/main'
LIST = 'downloading_script/image_list.csv'


def prepare(root: Path, options: Options, patience: Patience | None = None) -> Outcome:
    """Get BAID into ``root``, in its authors' layout; may be interrupted and run again.

    Label files go to ``dataset/``, the list to ``downloading_script/``; those that are there already are kept. Images
    go to ``images/``; those that could not be had are listed in ``missing.csv``, each with its reason.

    Args:
        root: The folder to fill.
        options: ``image_list`` is used where it lies and not copied, so that a part of the list can be tried first.
        patience: When to wait and when to give up.

    Raises:
        ConfigError: An option has no sense.
        DataError: Label files or the list cannot be had or read, or another run is at work in ``root``.
        ArtifactError: The disk is full.
    """
    settings = Settings.of(options, patience or Patience())
    source = _mirror(options.mirror) or SOURCE
    with locked(root):
        for split in SPLITS:
            _get_labels(root, split, source, options.labels, settings)
        image_list = options.image_list or root / LIST
        if not options.image_list and not image_list.is_file():
            fix = 'give the list as --image-list FILE, or --mirror URL'
            _get_file(f'{source}/{LIST}', image_list, settings, read_image_list, fix)
        works = read_image_list(image_list)
    if options.mirror:
        works = [replace(work, url=f'{source}/images/{quote(work.image)}') for work in works]
    outcome = download('BAID', root, works, settings)
    outcome.write_missing(root)
    return outcome


def _mirror(url: str | None) -> str | None:
    if url is not None and (urlsplit(url).scheme not in ('http', 'https') or not urlsplit(url).hostname):
        raise ConfigError(
            f'--mirror {url} is no http(s) address', 'give the address above images/, e.g. http://host/baid'
        )
    return url.rstrip('/') if url else None


def _get_labels(root: Path, split: str, source: str, labels: Path | None, settings: Settings) -> None:
    name = f'{split}_set.csv'
    path = root / 'dataset' / name
    given = labels / name if labels else None
    if given and not given.is_file():
        raise DataError(
            f'--labels: there is no {given}', f'{labels} must hold {", ".join(f"{s}_set.csv" for s in SPLITS)}'
        )
    if path.is_file():
        if given and sha256_file(given) != sha256_file(path):
            raise DataError(f'{path} is there already and differs from {given}', 'remove the one that is not wanted')
        return
    if given:
        _read_split(given)
        with atomic_write(path, 'wb') as file:
            file.write(given.read_bytes())
    else:
        fix = f'get {name} from github.com/Dreemurr-T/BAID and give its folder as --labels DIR'
        _get_file(f'{source}/dataset/{name}', path, settings, _read_split, fix)
    if sha256_file(path) not in {release.sha256.get(split) for release in RELEASES.values()}:
        warnings.warn(
            f'{path} is of no release of BAID whose checksum is known; it is taken as it is', LabelWarning, stacklevel=3
        )


def _read_split(path: Path) -> object:
    return read_labels(path, ['image', 'score'])


def _get_file(url: str, path: Path, settings: Settings, read: Callable[[Path], object], fix: str) -> None:
    """Fetch a small file that ``read`` accepts; ``path`` is whole or absent."""
    partial = path.with_name(f'.{path.name}.part')
    try:
        with disk_space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        run_interruptible(_fetch(url, partial, settings))
        read(partial)
        fsync_file(partial)
        os.replace(partial, path)
    except FetchError as error:
        raise DataError(f'cannot get {url}: {error.reason}', fix) from error
    except DataError as error:
        raise DataError(f'what {url} sent cannot be used: {error.message}', fix) from error
    finally:
        partial.unlink(missing_ok=True)


async def _fetch(url: str, path: Path, settings: Settings) -> None:
    async with open_client(settings) as client:
        await client.fetch(url, path, Health(urlsplit(url).netloc, settings.patience))
