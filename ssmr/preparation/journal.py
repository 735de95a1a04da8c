"""What was fetched and found good: a CSV that is only ever appended to."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType

from ssmr.artifacts.files import disk_space

FIELDS = ('image', 'bytes', 'sha256', 'url')


class Journal:
    """A CSV ``image,bytes,sha256,url``, one line a file that decoded; ``url`` is empty for files found in place.

    Each line reaches the operating system before the next file is settled, so that a killed run loses none. A line
    that was cut off, or that is damaged, is as if it were not there: its image is decoded again.

    Args:
        path: The file; made where it is missing. One process at a time.

    Raises:
        ArtifactError: The disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Bytes of each image in the journal; the last line of an image counts.
        self.sizes: dict[str, int] = {}
        with disk_space(path):
            path.touch()
            whole = self._read()
            self._file = open(path, 'r+', encoding='utf-8', newline='')  # noqa: SIM115
            self._file.truncate(whole)
            self._file.seek(whole)
            self._rows = csv.writer(self._file, lineterminator='\n')
            if not whole:
                self._write(FIELDS)

    def _read(self) -> int:
        """Fill ``sizes``; returns the bytes up to the end of the last whole line."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b'\n') + 1]
        text = whole.decode('utf-8', 'replace').replace('\0', '')  # Python 3.10's csv refuses NUL
        for line in text.split('\n'):
            row = next(csv.reader([line]), [])
            if len(row) == len(FIELDS) and row[1].isdecimal():
                self.sizes[row[0]] = int(row[1])
        return len(whole)

    def add(self, image: str, size: int, sha256: str, url: str) -> None:
        """Remember that the file ``image`` of ``size`` bytes is whole and decodes."""
        with disk_space(self.path):
            self._write((image, str(size), sha256, url))
        self.sizes[image] = size

    def _write(self, row: tuple[str, ...]) -> None:
        self._rows.writerow(row)
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
