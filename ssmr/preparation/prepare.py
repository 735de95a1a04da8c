"""From what the user has to a data set that is known to be complete: unpack, download, check, convert."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ssmr.artifacts.files import read_json, sha256_file, write_json
from ssmr.config.load import parse_options
from ssmr.config.parts import check_part
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import ArtifactError, ConfigError
from ssmr.preparation import baid
from ssmr.preparation.check import Leftover, leftover, missing_images, require_labels, split_counts, used
from ssmr.preparation.guides import GUIDES, Guide
from ssmr.preparation.labels_csv import csv_table_keywords, labels_text, write_labels
from ssmr.preparation.outcome import MISSING, Missing, Options, Outcome
from ssmr.preparation.root_lock import locked
from ssmr.preparation.unpacking import unpack_once
from ssmr.registry import DATASETS

RECORD = 'prepared.json'


@dataclass(frozen=True)
class Prepared:
    """What a preparation found.

    Attributes:
        guide: Of the data set.
        table: Its works.
        outcome: Which images are missing or broken.
        missing_used: How many of these belong to a split that is used; 0 is complete.
        leftover: Files that no label names.
        cfg_options: Further keywords of the reader, as they were given.
    """

    guide: Guide
    table: ImageTable
    outcome: Outcome
    missing_used: int
    leftover: Leftover
    cfg_options: tuple[str, ...] = ()

    def text(self) -> str:
        """A short summary, and how to train."""
        root, counts = self.outcome.root, split_counts(self.table)
        works = ', '.join(f'{number:,} {split}' for split, number in counts.items())
        lines = [
            f'{self.table.name}: {len(self.table):,} works ({works}), {self.outcome.present:,} images',
            f'splits: {self.table.split_name}',
        ]
        if self.outcome.missing:
            first = self.outcome.missing[0]
            unused = len(self.outcome.missing) - self.missing_used
            note = f', {unused:,} of them of no split' if unused else ''
            lines += [f'missing or broken: {len(self.outcome.missing):,} images{note}, listed in {root / MISSING}']
            lines += [f'  first: {first.image}: {first.reason}']
        if self.leftover.count:
            lines += [f'in no label: {self.leftover.count:,} files, first {", ".join(self.leftover.first)}']
        lines += [f'labels as one CSV: {root / "labels.csv"}; this record: {root / RECORD}']
        return '\n'.join([*lines, f'train: {self.guide.command(root, self.cfg_options)}'])


def prepare(
    key: str, root: Path, options: Options, cfg_options: Sequence[str] = (), say: Callable[[str], None] = print
) -> Prepared:
    """Prepare a data set; may be interrupted and run again.

    Archives are unpacked (:func:`ssmr.preparation.unpacking.unpack_once`), BAID is downloaded, labels are read, every
    image is decoded. Leaves ``missing.csv`` if images are missing, ``labels.csv``, which CsvTable reads, and
    ``prepared.json``, which says how, and what there is.

    Args:
        key: A key of GUIDES.
        root: The data root.
        options: Archives, and those of the download.
        cfg_options: ``table.key=value`` items: further keywords of the reader.
        say: Is told what was unpacked and warned of.

    Raises:
        ConfigError: An option has no sense.
        DataError: Something must be got first, and how; or an archive, a label file or the download is broken.
        ArtifactError: The disk is full.
    """
    guide = GUIDES[key]
    keywords = _keywords(guide, cfg_options)
    if options.workers is not None and options.workers < 1:
        raise ConfigError(f'--workers is {options.workers}', 'give 1 or more')
    with _label_warnings(say):
        for sentence in unpack_once(root, options.archives):
            say(sentence)
        outcome = baid.prepare(root, options) if guide.name == 'BAID' else None
        require_labels(guide, root, keywords)
        found = _check_and_convert(guide, root, keywords, outcome, options.workers)
    return replace(found, cfg_options=tuple(cfg_options))


def _check_and_convert(
    guide: Guide, root: Path, keywords: dict[str, Any], outcome: Outcome | None, workers: int | None
) -> Prepared:
    with locked(root):
        table = DATASETS.build({'type': guide.name, 'root': str(root), **keywords})
        if outcome is None:
            missing = missing_images(guide, table, workers)
        else:
            missing = outcome.missing + _unlisted(table, outcome)
        outcome = Outcome(guide.name, root, len(table), len(table) - len(missing), missing)
        outcome.write_missing(root)
        found = Prepared(guide, table, outcome, used(table, [item.image for item in missing]), leftover(table))
        _convert(found, keywords)
    return found


def _keywords(guide: Guide, cfg_options: Sequence[str]) -> dict[str, Any]:
    given = parse_options(cfg_options)
    for key in given:
        if not key.startswith('table.') or key in ('table.type', 'table.root'):
            raise ConfigError(
                f'--cfg-options: {key} is not used here', 'give keywords of the reader, as table.KEY=VALUE'
            )
    keywords = {**guide.table, **{key.removeprefix('table.'): value for key, value in given.items()}}
    check_part('table', {'type': guide.name, 'root': '', **keywords}, DATASETS)
    return keywords


@contextmanager
def _label_warnings(say: Callable[[str], None]) -> Iterator[None]:
    """Say what readers warn of, without the lines of code that Python would show."""
    with warnings.catch_warnings():
        warnings.simplefilter('always', LabelWarning)
        show = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, LabelWarning):
                say(f'warning: {message}')
            else:
                show(message, category, *where, **more)

        warnings.showwarning = tell
        yield


def _unlisted(table: ImageTable, outcome: Outcome) -> tuple[Missing, ...]:
    """Works of the labels that the download did not look for: not in its list of images."""
    looked_at = {item.image for item in outcome.missing}
    absent = [name for row, name in enumerate(table.ids) if name not in looked_at and not table.path(row).is_file()]
    return tuple(Missing(name, '', 'not in the list of images') for name in absent)


def _convert(found: Prepared, keywords: dict[str, Any]) -> None:
    table, root = found.table, found.outcome.root
    csv_table = csv_table_keywords(table)
    checksum = write_labels(root, labels_text(table), _earlier(root))
    given = [root / value for value in keywords.values() if isinstance(value, str) and value]
    globbed = [path for pattern in found.guide.labels for path in root.glob(pattern)]
    labels = sorted({path for path in [*given, *globbed] if path.is_file()})
    record = {
        'name': table.name,
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'split_name': table.split_name,
        'works': len(table),
        'splits': split_counts(table),
        'scale': list(table.scale),
        'missing': len(found.outcome.missing),
        'missing_used': found.missing_used,
        'labels': {os.path.relpath(path, root): sha256_file(path) for path in labels},
        'labels_csv': checksum,
        'table': csv_table,
    }
    write_json(root / RECORD, record)


def _earlier(root: Path) -> str | None:
    try:
        return str(read_json(root / RECORD)['labels_csv'])
    except (ArtifactError, KeyError, TypeError):
        return None
