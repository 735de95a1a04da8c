"""An array on disk that is reserved whole and then written some rows at a time, in any order."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from ssmr.artifacts.files import disk_space


class RowFile:
    """An ``.npy`` file of [rows, width].

    Args:
        path: The file; need not be there.
        rows: How many there are.
        width: Numbers in a row.
        dtype: In NumPy's notation, with the order of bytes: '<f4', '|u1'.
    """

    def __init__(self, path: Path, rows: int, width: int, dtype: str) -> None:
        self.path, self.dtype, self._row = path, dtype, width * np.dtype(dtype).itemsize
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {'descr': dtype, 'fortran_order': False, 'shape': (rows, width)})
        self._header = header.getvalue()
        self._size = len(self._header) + rows * self._row

    def is_reserved(self) -> bool:
        """Whether the file is there, as long as it has to be, and says of itself what it should."""
        if not self.path.is_file() or self.path.stat().st_size != self._size:
            return False
        with open(self.path, 'rb') as file:
            return file.read(len(self._header)) == self._header

    def reserve(self) -> None:
        """Write the header and reserve the bytes.

        Raises:
            ArtifactError: There is not enough space.
        """
        with disk_space(self.path), open(self.path, 'wb') as file:
            file.write(self._header)
            os.posix_fallocate(file.fileno(), 0, self._size)

    def read(self, rows: range) -> bytes:
        """The bytes of some rows."""
        with open(self.path, 'rb') as file:
            file.seek(len(self._header) + rows.start * self._row)
            return file.read(len(rows) * self._row)

    def write(self, start: int, values: np.ndarray) -> bytes:
        """Store rows [n, width] from ``start`` on, durably, and return their bytes."""
        data = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        with disk_space(self.path), open(self.path, 'r+b') as file:
            file.seek(len(self._header) + start * self._row)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return data
