"""What the tests of CsvTable and of label files share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssmr.datasets.csv_table import read_csv_table
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import DataError

GOOD = 'image,score,split\na.jpg,1,train\nb.jpg,2.5,val\nc.jpg,9,test\n'


def write(root: Path, text: str, encoding: str = 'utf-8') -> Path:
    (root / 'labels.csv').write_bytes(text.encode(encoding))
    return root


def read(root: Path, **options: Any) -> ImageTable:
    return read_csv_table(str(root), **options)


def refusal(root: Path, text: str, **options: Any) -> str:
    write(root, text)
    with pytest.raises(DataError) as caught:
        read(root, **options)
    return str(caught.value)
