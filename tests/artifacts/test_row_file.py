"""An array reserved whole and written by rows is an ordinary .npy file in the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmr.artifacts.row_file import RowFile


@pytest.mark.parametrize(('dtype', 'width'), [('<f4', 3), ('|u1', 32)])
def test_rows_in_any_order_make_the_array(tmp_path: Path, dtype: str, width: int) -> None:
    values = np.random.default_rng(0).integers(0, 200, (7, width)).astype(dtype)
    file = RowFile(tmp_path / 'a.npy', 7, width, dtype)
    assert not file.is_reserved()
    file.reserve()
    assert file.is_reserved() and not np.load(tmp_path / 'a.npy').any()
    assert file.write(4, values[4:]) == values[4:].tobytes()
    file.write(0, values[:4])
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy'), values)
    assert file.read(range(2, 5)) == values[2:5].tobytes()


@pytest.mark.parametrize('other', [(8, 3, '<f4'), (7, 4, '<f4'), (21, 1, '<f4'), (7, 12, '|u1')])
def test_another_array_is_not_taken_for_it(tmp_path: Path, other: tuple[int, int, str]) -> None:
    RowFile(tmp_path / 'a.npy', *other).reserve()
    assert not RowFile(tmp_path / 'a.npy', 7, 3, '<f4').is_reserved()
