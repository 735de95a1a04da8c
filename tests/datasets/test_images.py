"""Image loading: an upright 8-bit RGB picture of the right colours, or an error that names the file."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssmr.datasets.images import MAX_PIXELS, image_content, load_image, load_image_and_content
from ssmr.errors import ImageError

H, W = 7, 5
RGB = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def load(root: Path, file: str = 'a.png') -> np.ndarray:
    image = load_image(root, file)
    assert image.mode == 'RGB'
    return np.asarray(image)


def refusal(root: Path, file: str) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(root, file)
    assert str(root / Path(file).name) in caught.value.message
    return str(caught.value)


class TestColours:
    @pytest.mark.parametrize('suffix', ['png', 'gif', 'tiff', 'webp', 'bmp', 'ppm'])
    def test_lossless_formats_come_out_as_they_went_in(self, tmp_path: Path, suffix: str) -> None:
        Image.fromarray(RGB).save(tmp_path / f'a.{suffix}', **({'lossless': True} if suffix == 'webp' else {}))
        np.testing.assert_array_equal(load(tmp_path, f'a.{suffix}'), RGB)

    def test_jpeg_comes_close(self, tmp_path: Path) -> None:
        smooth = np.broadcast_to(np.array([200, 90, 30], np.uint8), (16, 16, 3))
        Image.fromarray(smooth).save(tmp_path / 'a.jpg', quality=95)
        np.testing.assert_allclose(load(tmp_path, 'a.jpg'), smooth, atol=3)

    def test_the_contents_decide_and_not_the_suffix(self, tmp_path: Path) -> None:
        Image.fromarray(RGB).save(tmp_path / 'a.jpg', 'PNG')
        np.testing.assert_array_equal(load(tmp_path, 'a.jpg'), RGB)

    def test_cmyk_is_ink_on_white(self, tmp_path: Path) -> None:
        inks = np.random.default_rng(1).integers(0, 256, (H, W, 4), dtype=np.uint8)
        Image.fromarray(inks, 'CMYK').save(tmp_path / 'a.tiff')
        cmy, black = inks[..., :3] / 255, inks[..., 3:] / 255
        np.testing.assert_allclose(load(tmp_path, 'a.tiff'), 255 * (1 - cmy) * (1 - black), atol=1)

    @pytest.mark.parametrize('top', [65535, 4095, 200])
    def test_16_bit_grayscale_is_scaled_and_not_clipped(self, tmp_path: Path, top: int) -> None:
        values = np.linspace(0, top, H * W).reshape(H, W).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / 'a.png')
        for channel in np.moveaxis(load(tmp_path), 2, 0):
            np.testing.assert_allclose(channel, values / 257, atol=0.51)

    @pytest.mark.parametrize(('top', 'white'), [(1.0, 1), (250.0, 255), (60000.0, 65535)])
    def test_floats_are_scaled(self, tmp_path: Path, top: float, white: float) -> None:
        values = np.linspace(0, top, H * W, dtype=np.float32).reshape(H, W)
        Image.fromarray(values).save(tmp_path / 'a.tiff')
        np.testing.assert_allclose(load(tmp_path, 'a.tiff')[..., 0], values * 255 / white, atol=0.51)

    def test_numbers_that_are_none_become_black(self, tmp_path: Path) -> None:
        values = np.ones((H, W), np.float32)
        values[0] = np.nan
        Image.fromarray(values).save(tmp_path / 'a.tiff')
        np.testing.assert_array_equal(load(tmp_path, 'a.tiff')[:, 0, 0], [0, *[255] * (H - 1)])

    def test_8_bit_grayscale_repeats_in_all_channels(self, tmp_path: Path) -> None:
        Image.fromarray(RGB[..., 0]).save(tmp_path / 'a.png')
        np.testing.assert_array_equal(load(tmp_path), np.repeat(RGB[..., :1], 3, axis=2))

    def test_1_bit_is_black_and_white(self, tmp_path: Path) -> None:
        bits = RGB[..., 0] > 127
        Image.fromarray(bits).save(tmp_path / 'a.png')
        np.testing.assert_array_equal(load(tmp_path), np.repeat(bits[..., None] * 255, 3, axis=2))

    @pytest.mark.parametrize('mode', ['RGBA', 'LA'])
    def test_transparency_is_laid_on_white(self, tmp_path: Path, mode: str) -> None:
        alpha = np.random.default_rng(2).integers(0, 256, (H, W, 1), dtype=np.uint8)
        colour = RGB if mode == 'RGBA' else RGB[..., :1]
        Image.fromarray(np.concatenate([colour, alpha], axis=2), mode).save(tmp_path / 'a.png')
        share = alpha / 255
        expected = np.broadcast_to(colour * share + 255 * (1 - share), RGB.shape)
        np.testing.assert_allclose(load(tmp_path), expected, atol=1)

    def test_a_transparent_palette_entry_is_white(self, tmp_path: Path) -> None:
        image = Image.fromarray(np.arange(H * W, dtype=np.uint8).reshape(H, W) % 3, 'P')
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        image.save(tmp_path / 'a.png', transparency=1)
        colours = np.array([[255, 0, 0], [255, 255, 255], [0, 0, 255]])
        np.testing.assert_array_equal(load(tmp_path), colours[np.arange(H * W).reshape(H, W) % 3])

    def test_a_transparent_colour_is_white(self, tmp_path: Path) -> None:
        pixels = RGB.copy()
        pixels[2, 3] = (9, 8, 7)
        Image.fromarray(pixels).save(tmp_path / 'a.png', transparency=(9, 8, 7))
        pixels[2, 3] = 255
        np.testing.assert_array_equal(load(tmp_path), pixels)

    def test_the_first_frame_of_an_animation_counts(self, tmp_path: Path) -> None:
        frames = [Image.new('RGB', (W, H), c) for c in ('red', 'blue')]
        frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(load(tmp_path, 'a.gif'), np.broadcast_to([255, 0, 0], (H, W, 3)))


#: EXIF orientation -> what turns the stored pixels upright (CIPA DC-008, tag 0x0112).
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize('orientation', UPRIGHT)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / 'a.png', exif=exif)
    np.testing.assert_array_equal(load(tmp_path), UPRIGHT[orientation](RGB))


class TestBroken:
    def test_missing(self, tmp_path: Path) -> None:
        assert 'is missing' in refusal(tmp_path, 'gone.png')

    def test_a_broken_link(self, tmp_path: Path) -> None:
        (tmp_path / 'a.png').symlink_to(tmp_path / 'gone.png')
        assert 'is missing' in refusal(tmp_path, 'a.png')

    def test_links_that_go_round(self, tmp_path: Path) -> None:
        (tmp_path / 'a.png').symlink_to(tmp_path / 'b.png')
        (tmp_path / 'b.png').symlink_to(tmp_path / 'a.png')
        assert 'a.png' in refusal(tmp_path, 'a.png')

    def test_zero_bytes(self, tmp_path: Path) -> None:
        (tmp_path / 'a.png').touch()
        assert 'zero bytes' in refusal(tmp_path, 'a.png')

    @pytest.mark.parametrize('content', [b'<html>404 not found</html>', b'\x00' * 100, b'\xff\xd8', bytes(range(256))])
    def test_not_an_image(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / 'a.jpg').write_bytes(content)
        assert 'not an image' in refusal(tmp_path, 'a.jpg')

    def test_a_postscript_file_is_not_given_to_its_interpreter(self, tmp_path: Path) -> None:
        Image.fromarray(RGB).save(tmp_path / 'a.eps')
        assert 'not an image' in refusal(tmp_path, 'a.eps')

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / 'a.jpg').mkdir()
        assert 'is not a file' in refusal(tmp_path, 'a.jpg')

    def test_a_pipe_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / 'a.jpg')
        assert 'is not a file' in refusal(tmp_path, 'a.jpg')

    @pytest.mark.parametrize('suffix', ['png', 'jpg', 'gif', 'webp', 'tiff', 'bmp'])
    @pytest.mark.parametrize('share', [0.02, 0.3, 0.6, 0.95])
    def test_truncated(self, tmp_path: Path, suffix: str, share: float) -> None:
        pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'a.{suffix}')
        os.truncate(tmp_path / f'a.{suffix}', int(share * (tmp_path / f'a.{suffix}').stat().st_size))
        refusal(tmp_path, f'a.{suffix}')

    @pytest.mark.filterwarnings('ignore::UserWarning')  # Pillow's remarks on broken files
    @pytest.mark.parametrize('suffix', ['png', 'jpg', 'gif', 'webp', 'tiff', 'bmp', 'ppm', 'jp2'])
    def test_whatever_the_bytes_an_image_or_our_error_comes_out(self, tmp_path: Path, suffix: str) -> None:
        rng = np.random.default_rng(4)
        exif = Image.Exif()
        exif[0x0112] = 6
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(buffer, EXTENSIONS[suffix], exif=exif)
        good = buffer.getvalue()
        for _ in range(150):
            data = bytearray(good)
            for place in rng.integers(0, min(len(data), rng.choice([40, 200, len(data)])), rng.integers(1, 6)):
                data[place] = rng.integers(0, 256)
            (tmp_path / f'a.{suffix}').write_bytes(
                data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data
            )
            try:
                load(tmp_path, f'a.{suffix}')
            except ImageError as error:
                assert f'a.{suffix}' in error.message


EXTENSIONS = {
    'png': 'PNG', 'jpg': 'JPEG', 'gif': 'GIF', 'webp': 'WEBP', 'tiff': 'TIFF', 'bmp': 'BMP', 'ppm': 'PPM',
    'jp2': 'JPEG2000',
}  # fmt: skip


class TestRoot:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        Image.fromarray(RGB).save(tmp_path / 'secret.png')
        (tmp_path / 'root').mkdir()
        return tmp_path / 'root'

    def test_a_link_that_leads_out_is_not_followed(self, root: Path) -> None:
        (root / 'a.png').symlink_to(root.parent / 'secret.png')
        assert 'outside the data root' in refusal(root, 'a.png')

    def test_nor_is_a_linked_folder(self, root: Path) -> None:
        (root / 'images').symlink_to(root.parent, target_is_directory=True)
        with pytest.raises(ImageError, match='outside the data root'):
            load_image(root, 'images/secret.png')

    @pytest.mark.parametrize('file', ['../secret.png', '/etc/passwd'])
    def test_nor_is_a_path(self, root: Path, file: str) -> None:
        with pytest.raises(ImageError, match='outside the data root'):
            load_image(root, file)

    def test_links_within_the_root_are_fine(self, root: Path) -> None:
        Image.fromarray(RGB).save(root / 'b.png')
        (root / 'a.png').symlink_to('b.png')
        np.testing.assert_array_equal(load(root), RGB)

    def test_the_root_itself_may_be_a_link(self, root: Path) -> None:
        Image.fromarray(RGB).save(root / 'a.png')
        (root.parent / 'link').symlink_to(root, target_is_directory=True)
        np.testing.assert_array_equal(load(root.parent / 'link'), RGB)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


@pytest.mark.parametrize('side', [14_000, 50_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_fast_and_without_memory(tmp_path: Path, side: int) -> None:
    assert side * side > MAX_PIXELS
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0))
    data = chunk(b'IDAT', zlib.compress(bytes(1 << 20), 9))
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + header + data + chunk(b'IEND', b''))
    tracemalloc.start()
    began = time.perf_counter()
    refusal(tmp_path, 'a.png')
    assert time.perf_counter() - began < 0.5
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_the_content_is_the_checksum_of_the_file(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / 'a.png')
    image, content = load_image_and_content(tmp_path, 'a.png')
    np.testing.assert_array_equal(image, RGB)
    assert content == image_content(tmp_path, 'a.png') == hashlib.sha256((tmp_path / 'a.png').read_bytes()).digest()


@pytest.mark.parametrize('file', ['gone.png', '../outside.png', 'empty.png'])
def test_a_file_that_may_not_be_read_has_no_content(tmp_path: Path, file: str) -> None:
    (tmp_path / 'root').mkdir()
    (tmp_path / 'root' / 'empty.png').touch()
    (tmp_path / 'outside.png').write_bytes(b'secret')
    with pytest.raises(ImageError):
        image_content(tmp_path / 'root', file)
