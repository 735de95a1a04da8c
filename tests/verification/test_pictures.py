"""Looking at every file: what is broken is told apart, whole files are described, the order is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from painted_works import paint_files, paintings
from PIL import Image

from ssmr.verification.pictures import HASH_SIZE, inspect, look


def test_broken_files_have_a_reason_and_the_others_do_not(tmp_path: Path) -> None:
    painted = paint_files(tmp_path)
    (tmp_path / 'empty.jpg').write_bytes(b'')
    paintings()[0].save(tmp_path / 'whole.jpg')
    (tmp_path / 'cut.jpg').write_bytes((tmp_path / 'whole.jpg').read_bytes()[:-300])
    (tmp_path / 'page.jpg').write_text('<html><body>404 Not Found</body></html>')
    broken = ['empty.jpg', 'cut.jpg', 'page.jpg', 'absent.jpg']
    files = [painted[0], *broken, 'whole.jpg', *painted[1:]]
    found = inspect(tmp_path, files)
    assert [picture.file for picture in found] == files
    reasons = {picture.file: picture.reason for picture in found if picture.reason}
    assert list(reasons) == broken
    for file, word in zip(broken, ('empty', 'truncated', 'not an image', 'missing'), strict=True):
        assert word in reasons[file]
    assert all(picture.hash == b'' and picture.width == 0 for picture in found if picture.reason)


def test_a_picture_is_described(tmp_path: Path) -> None:
    Image.new('RGB', (40, 30), 'red').save(tmp_path / 'red.png')
    Image.new('L', (30, 40), 77).save(tmp_path / 'grey.png')
    red, grey = inspect(tmp_path, ['red.png', 'grey.png'])
    assert (red.width, red.height, red.grey) == (40, 30, False)
    assert (grey.width, grey.height, grey.grey) == (30, 40, True)
    assert len(red.hash) == HASH_SIZE**2 // 8
    assert np.frombuffer(red.thumbnail, np.uint8).reshape(-1, 3).tolist() == [[255, 0, 0]] * 256


def test_one_small_spot_of_colour_is_not_grey(tmp_path: Path) -> None:
    image = Image.new('RGB', (160, 160), 'white')
    image.paste((255, 0, 0), (20, 20, 26, 26))
    image.save(tmp_path / 'spot.png')
    assert not look(tmp_path, 'spot.png').grey


@pytest.mark.parametrize('workers', [1, 3])
def test_workers_and_order_do_not_matter(tmp_path: Path, workers: int) -> None:
    painted = paint_files(tmp_path)
    forwards = inspect(tmp_path, painted, workers)
    assert forwards == inspect(tmp_path, painted[::-1], 2)[::-1]
    assert forwards == [look(tmp_path, file) for file in painted]


def test_no_files_are_no_pictures(tmp_path: Path) -> None:
    assert inspect(tmp_path, []) == []
