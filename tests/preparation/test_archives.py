"""Archives of strangers: the good come out whole, the others are refused by name, and nothing leaves the target."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssmr.errors import ArtifactError, DataError
from ssmr.preparation import archives, unpacking
from ssmr.preparation.archives import Limits, unpack
from ssmr.preparation.unpacking import unpack_once

Files = list[tuple[str, bytes]]
GOOD: Files = [('images/a.jpg', b'aaa'), ('images/sub folder/b.jpg', b'b' * 70_000), ('labels.csv', b'')]


def make_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo('x')
            info.filename = name  # the constructor would clean it
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def make_tar(path: Path, files: Files) -> Path:
    suffix = path.name.rpartition('.')[2].replace('tgz', 'gz')
    with tarfile.open(path, f'w:{suffix if suffix != "tar" else ""}') as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make(path: Path, files: Files) -> Path:
    return make_zip(path, files) if path.suffix == '.zip' else make_tar(path, files)


KINDS = ('zip', 'tar', 'tar.gz', 'tgz', 'tar.bz2', 'tar.xz')
kinds = pytest.mark.parametrize('kind', KINDS)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A target with a neighbour that must not change."""
    folder = tmp_path / 'box' / 'root'
    folder.mkdir(parents=True)
    (folder.parent / 'secret').write_text('untouched')
    yield folder
    assert content(folder.parent).pop('secret') == b'untouched'
    assert sorted(os.listdir(folder.parent)) == ['root', 'secret']


def refusal(archive: Path, target: Path, limits: Limits = archives.DEFAULTS) -> str:
    before = content(target)
    with pytest.raises(DataError) as caught:
        unpack(archive, target, limits)
    assert content(target) == before, 'a refused archive changes nothing'
    assert not (target / '.unpacking').exists()
    assert str(archive) in caught.value.message and caught.value.fix
    return str(caught.value)


class TestGood:
    @kinds
    def test_all_files_come_out(self, kind: str, tmp_path: Path, target: Path) -> None:
        written = unpack(make(tmp_path / f'x.{kind}', GOOD), target)
        assert content(target) == dict(GOOD)
        assert (written.files, written.size) == (3, 70_003)

    @kinds
    def test_dots_and_what_macos_adds_do_not_matter(self, kind: str, tmp_path: Path, target: Path) -> None:
        files = [('./images//a.jpg', b'a'), ('__MACOSX/images/._a.jpg', b'x'), ('images/.DS_Store', b'x')]
        unpack(make(tmp_path / f'x.{kind}', files), target)
        assert content(target) == {'images/a.jpg': b'a'}

    def test_folders_merge_with_what_is_there(self, tmp_path: Path, target: Path) -> None:
        (target / 'images').mkdir()
        (target / 'images' / 'a.jpg').write_bytes(b'aaa')  # the same as in the archive
        (target / 'images' / 'own.jpg').write_bytes(b'own')
        unpack(make(tmp_path / 'x.zip', GOOD), target)
        assert content(target) == {**dict(GOOD), 'images/own.jpg': b'own'}

    def test_modes_of_strangers_are_not_taken_over(self, tmp_path: Path, target: Path) -> None:
        with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
            info = tarfile.TarInfo('run.sh')
            info.mode = 0o6777
            archive.addfile(info)
        unpack(tmp_path / 'x.tar', target)
        assert stat.S_IMODE((target / 'run.sh').stat().st_mode) & 0o7111 == 0

    def test_an_empty_folder_is_made(self, tmp_path: Path, target: Path) -> None:
        with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
            archive.writestr('empty/', '')
        unpack(tmp_path / 'x.zip', target)
        assert (target / 'empty').is_dir()


HOSTILE = {
    '/etc/x': 'absolute',
    '../x': "leaves its folder by '..'",
    'a/../../x': "leaves its folder by '..'",
    'a/..': "leaves its folder by '..'",
    '..\\x': 'backslash',
    'C:/x': 'drive letter',
    'c:x': 'drive letter',
    'a\nb': 'control character',
    'a' * 256: 'above 255 bytes',
    'a/' * 600 + 'x': 'bytes',
}


class TestHostileNames:
    @kinds
    @pytest.mark.parametrize('name', HOSTILE)
    def test_the_member_is_named(self, name: str, kind: str, tmp_path: Path, target: Path) -> None:
        message = refusal(make(tmp_path / f'x.{kind}', [('good.jpg', b'x'), (name, b'x')]), target)
        assert HOSTILE[name] in message and ascii(name[:200]) in message

    def test_a_zero_byte_does_not_cut_the_name(self, tmp_path: Path, target: Path) -> None:
        make_zip(tmp_path / 'x.zip', [('images/a.jpg?.exe', b'x')])
        data = (tmp_path / 'x.zip').read_bytes().replace(b'jpg?', b'jpg\0')
        (tmp_path / 'x.zip').write_bytes(data)
        assert 'control character' in refusal(tmp_path / 'x.zip', target)

    def test_a_name_that_is_not_unicode(self, tmp_path: Path, target: Path) -> None:
        make_tar(tmp_path / 'x.tar', [('a\udcff.jpg', b'x')])
        assert 'not Unicode' in refusal(tmp_path / 'x.tar', target)

    @pytest.mark.filterwarnings('ignore:Duplicate name')
    @pytest.mark.parametrize('kind', ['zip', 'tar'])
    @pytest.mark.parametrize(
        ('first', 'second', 'what'),
        [
            ('images/a.jpg', 'images/A.JPG', 'upper and lower case'),
            ('images/a.jpg', 'Images/b.jpg', 'upper and lower case'),
            ('e\u0301.jpg', '\u00e9.jpg', 'upper and lower case'),
            ('a.jpg', './a.jpg', 'twice'),
            ('a', 'a/b', 'a file and a folder'),
            ('a/b', 'a', 'a file and a folder'),
        ],
    )
    def test_names_that_collide(
        self, first: str, second: str, what: str, kind: str, tmp_path: Path, target: Path
    ) -> None:
        assert what in refusal(make(tmp_path / f'x.{kind}', [(first, b'1'), (second, b'2')]), target)

    PARTS = st.one_of(
        st.sampled_from(['..', '.', '', '/', '\\', 'C:', 'a', 'A', '~', '...', '.. ', 'secret', '.unpacking', 'root']),
        st.text(max_size=4),
    )

    @pytest.mark.filterwarnings('ignore:Duplicate name')
    @given(
        names=st.lists(st.lists(PARTS, min_size=1, max_size=5).map('/'.join), min_size=1, max_size=4),
        maker=st.sampled_from([make_zip, make_tar]),
    )
    @example(names=['a', '../root/../secret'], maker=make_tar)
    @example(names=['.unpacking/../../secret'], maker=make_zip)
    def test_nothing_is_ever_written_outside(self, names: list[str], maker: Callable[[Path, Files], Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            box = Path(folder) / 'a' / 'b' / 'box'
            target = box / 'root'
            target.mkdir(parents=True)
            (box / 'secret').write_text('untouched')
            suffix = 'zip' if maker is make_zip else 'tar'
            try:
                archive = maker(Path(folder) / f'x.{suffix}', [(name, b'x') for name in names])
            except (UnicodeEncodeError, ValueError):
                return  # no archive can have that name
            try:
                unpack(archive, target)
            except DataError:
                assert content(target) == {}
            outside = {p: d for p, d in content(Path(folder)).items() if not p.startswith('a/b/box/root/')}
            assert outside.keys() == {f'x.{suffix}', 'a/b/box/secret'}
            assert outside['a/b/box/secret'] == b'untouched'


class TestLinksAndDevices:
    @pytest.mark.parametrize('kind', [tarfile.SYMTYPE, tarfile.LNKTYPE])
    def test_links_in_tars(self, kind: bytes, tmp_path: Path, target: Path) -> None:
        with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
            info = tarfile.TarInfo('images')
            info.type, info.linkname = kind, '../secret'
            archive.addfile(info)
        assert "'images' is a link" in refusal(tmp_path / 'x.tar', target)

    @pytest.mark.parametrize('kind', [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b'z'])
    def test_devices_in_tars(self, kind: bytes, tmp_path: Path, target: Path) -> None:
        with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
            info = tarfile.TarInfo('odd')
            info.type = kind
            archive.addfile(info)
        if kind == tarfile.CONTTYPE:  # a plain file by another name
            unpack(tmp_path / 'x.tar', target)
            assert content(target) == {'odd': b''}
        else:
            assert "'odd' is no file" in refusal(tmp_path / 'x.tar', target)

    @pytest.mark.parametrize(('mode', 'what'), [(stat.S_IFLNK, 'is a link'), (stat.S_IFCHR, 'is no file')])
    def test_links_and_devices_in_zips(self, mode: int, what: str, tmp_path: Path, target: Path) -> None:
        with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
            info = zipfile.ZipInfo('images')
            info.external_attr = (mode | 0o777) << 16
            archive.writestr(info, '../secret')
        assert f"'images' {what}" in refusal(tmp_path / 'x.zip', target)

    def test_a_link_in_the_target_is_not_followed(self, tmp_path: Path, target: Path) -> None:
        outside = tmp_path / 'outside'
        outside.mkdir()
        (target / 'images').symlink_to(outside)
        with pytest.raises(DataError, match='is a link'):
            unpack(make(tmp_path / 'x.zip', GOOD), target)
        assert not any(outside.iterdir())

    def test_a_link_in_the_place_of_the_working_folder_is_not_followed(self, tmp_path: Path, target: Path) -> None:
        outside = tmp_path / 'outside'
        outside.mkdir()
        (target / '.unpacking').symlink_to(outside)
        with pytest.raises(DataError, match='not a folder'):
            unpack(make(tmp_path / 'x.zip', GOOD), target)
        assert not any(outside.iterdir())


class TestLimits:
    @kinds
    def test_too_many_members(self, kind: str, tmp_path: Path, target: Path) -> None:
        archive = make(tmp_path / f'x.{kind}', GOOD)
        assert 'more than 2 members' in refusal(archive, target, Limits(max_files=2))
        assert unpack(archive, target, Limits(max_files=3)).files == 3

    @kinds
    def test_too_many_bytes(self, kind: str, tmp_path: Path, target: Path) -> None:
        archive = make(tmp_path / f'x.{kind}', GOOD)
        message = refusal(archive, target, Limits(max_bytes=70_002))
        assert "'images/sub folder/b.jpg'" in message and 'more than 70,002 bytes' in message
        assert unpack(archive, target, Limits(max_bytes=70_003)).size == 70_003

    @pytest.mark.parametrize('kind', ['zip', 'tar.gz', 'tar.bz2', 'tar.xz'])
    def test_a_compression_bomb(self, kind: str, tmp_path: Path, target: Path) -> None:
        archive = make(tmp_path / f'x.{kind}', [('bomb', bytes(5_000_000))])
        assert "'bomb'" in refusal(archive, target, Limits(ratio_from=1_000_000))
        assert unpack(archive, target).size == 5_000_000, 'small ones do no harm'

    def test_bytes_are_counted_whatever_a_zip_declares(self, tmp_path: Path, target: Path) -> None:
        archive = make_zip(tmp_path / 'x.zip', [('bomb', bytes(3_000_000))])
        size = (3_000_000).to_bytes(4, 'little')
        archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, 'little')))
        refusal(archive, target)  # zipfile stops at ten bytes and finds another checksum

    @pytest.mark.parametrize('kind', ['tar', 'tar.gz'])
    def test_a_header_that_would_fill_the_memory(self, kind: str, tmp_path: Path, target: Path) -> None:
        with tarfile.open(tmp_path / f'x.{kind}', f'w:{kind[4:]}', format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo('a')
            info.pax_headers = {'comment': 'x' * 3_000_000}
            archive.addfile(info)
        assert 'header' in refusal(tmp_path / f'x.{kind}', target)

    def test_a_full_disk(self, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> Iterator[int]:
            raise OSError(28, 'No space left on device')

        monkeypatch.setattr(archives, '_copy', full)
        with pytest.raises(ArtifactError, match='no space left'):
            unpack(make(tmp_path / 'x.zip', GOOD), target)
        assert not any(target.iterdir())


class TestBroken:
    @kinds
    @given(data=st.data())
    def test_a_cut_is_noticed_wherever_it_is(
        self, kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        folder = tmp_path_factory.mktemp('cut')
        (folder / 'root').mkdir()
        whole = make(folder / f'x.{kind}', GOOD).read_bytes()
        end = len(whole) - (10_000 if kind == 'tar' else 1)  # behind its end mark a tar is padded
        (folder / f'x.{kind}').write_bytes(whole[: data.draw(st.integers(0, end))])
        refusal(folder / f'x.{kind}', folder / 'root')
        shutil.rmtree(folder)

    @kinds
    @given(data=st.data())
    def test_a_flipped_byte_is_an_error_of_ours_or_harmless(
        self, kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        folder = tmp_path_factory.mktemp('flip')
        (folder / 'root').mkdir()
        whole = bytearray(make(folder / f'x.{kind}', [('images/a.jpg', b'abc'), ('b.csv', b'x,y\n')]).read_bytes())
        where = data.draw(st.integers(0, len(whole) - 1))
        whole[where] ^= data.draw(st.integers(1, 255))
        (folder / f'x.{kind}').write_bytes(whole)
        try:
            unpack(folder / f'x.{kind}', folder / 'root')
        except DataError:
            assert content(folder / 'root') == {}
        assert sorted(os.listdir(folder)) == ['root', f'x.{kind}']
        shutil.rmtree(folder)

    @kinds
    def test_a_web_page_in_its_place(self, kind: str, tmp_path: Path, target: Path) -> None:
        archive = tmp_path / f'x.{kind}'
        archive.write_text('<!DOCTYPE html><title>Google Drive - Virus scan warning</title>' * 20)
        assert 'it is a web page' in refusal(archive, target)

    def test_an_encrypted_zip(self, tmp_path: Path, target: Path) -> None:
        archive = make_zip(tmp_path / 'x.zip', [('secret.jpg', b'x')])
        data = bytearray(archive.read_bytes())
        for mark, offset in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
            data[data.index(mark) + offset] |= 1
        archive.write_bytes(data)
        message = refusal(archive, target)
        assert "'secret.jpg' is encrypted" in message and 'with the password' in message

    def test_a_compression_that_python_lacks(self, tmp_path: Path, target: Path) -> None:
        archive = make_zip(tmp_path / 'x.zip', [('a.jpg', b'x')])
        data = bytearray(archive.read_bytes())
        for mark, offset in ((b'PK\3\4', 8), (b'PK\1\2', 10)):
            data[data.index(mark) + offset] = 9  # deflate64
        archive.write_bytes(data)
        assert 'cannot be unpacked' in refusal(archive, target)

    def test_other_kinds_say_what_to_do(self, tmp_path: Path, target: Path) -> None:
        (tmp_path / 'images.7z.001').write_bytes(b'7z\xbc\xaf\x27\x1c')
        assert '7z x images.7z.001' in refusal(tmp_path / 'images.7z.001', target)
        (tmp_path / 'x.rar').write_bytes(b'Rar!')
        assert 'zip or tar' in refusal(tmp_path / 'x.rar', target)

    def test_a_missing_archive(self, tmp_path: Path, target: Path) -> None:
        assert '--archive' in refusal(tmp_path / 'nowhere.zip', target)

    def test_a_target_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / 'root').write_text('x')
        with pytest.raises(DataError, match='Not a directory'):
            unpack(make(tmp_path / 'x.zip', GOOD), tmp_path / 'root')


class TestExisting:
    @pytest.mark.parametrize('there', ['other content', ''])
    def test_another_content_is_not_overwritten(self, there: str, tmp_path: Path, target: Path) -> None:
        (target / 'images').mkdir()
        (target / 'images' / 'a.jpg').write_text(there)
        message = refusal(make(tmp_path / 'x.zip', GOOD), target)
        assert str(target / 'images' / 'a.jpg') in message

    def test_a_folder_is_not_replaced_by_a_file(self, tmp_path: Path, target: Path) -> None:
        (target / 'labels.csv').mkdir()
        assert 'labels.csv is there already' in refusal(make(tmp_path / 'x.zip', GOOD), target)


class TestOnce:
    def test_an_archive_is_unpacked_once_wherever_it_lies(self, tmp_path: Path, target: Path) -> None:
        archive = make(tmp_path / 'x.zip', GOOD)
        assert '3 files' in unpack_once(target, [archive])[0]
        (target / 'labels.csv').unlink()
        (target / 'downloads').mkdir()
        archive.rename(target / 'downloads' / 'renamed.zip')
        assert 'unpacked before' in unpack_once(target)[0]
        assert not (target / 'labels.csv').exists()
        (target / unpacking.RECORD).unlink()
        unpack_once(target)
        assert (target / 'labels.csv').exists()

    def test_a_changed_archive_is_unpacked_again(self, tmp_path: Path, target: Path) -> None:
        unpack_once(target, [make(tmp_path / 'x.zip', GOOD)])
        unpack_once(target, [make(tmp_path / 'x.zip', [*GOOD, ('c.jpg', b'c')])])
        assert content(target)['c.jpg'] == b'c'

    def test_what_lies_in_downloads_is_taken_in_order_and_the_rest_named(self, tmp_path: Path, target: Path) -> None:
        (target / 'downloads').mkdir()
        make(target / 'downloads' / 'b.tar.gz', [('b', b'')])
        make(target / 'downloads' / 'a.zip', [('a', b'')])
        (target / 'downloads' / 'c.7z.001').write_bytes(b'')
        (target / 'downloads' / 'readme.txt').write_bytes(b'')
        said = unpack_once(target)
        assert [line.split(':')[0].rpartition('/')[2] for line in said] == ['c.7z.001', 'a.zip', 'b.tar.gz']
        assert '7z x c.7z.001' in said[0]

    def test_nothing_to_do_makes_nothing(self, tmp_path: Path) -> None:
        assert unpack_once(tmp_path / 'new') == []
        assert not (tmp_path / 'new').exists()

    @pytest.mark.parametrize('record', ['', '[]', '{"x":'])
    def test_a_damaged_record_is_no_harm(self, record: str, tmp_path: Path, target: Path) -> None:
        (target / unpacking.RECORD).write_text(record)
        unpack_once(target, [make(tmp_path / 'x.zip', GOOD)])
        assert content(target)['images/a.jpg'] == b'aaa'

    @pytest.mark.parametrize('after', [0, 1])
    def test_an_interrupted_run_is_finished_by_the_next(
        self, after: int, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = make(tmp_path / 'x.zip', GOOD)
        done: list[Path] = []

        def rename(source: Path, destination: Path) -> None:
            if len(done) == after:
                raise KeyboardInterrupt
            done.append(destination)
            os.replace(source, destination)

        with monkeypatch.context() as patch:
            patch.setattr(archives.os, 'rename', rename)
            with pytest.raises(KeyboardInterrupt):
                unpack_once(target, [archive])
        assert not (target / unpacking.RECORD).exists()
        good = dict(GOOD)
        assert all(good[name] == data for name, data in content(target).items() if name in good)
        (target / '.unpacking').mkdir()
        (target / '.unpacking' / 'rest of a killed run').write_text('x')
        unpack_once(target, [archive])
        assert {name: data for name, data in content(target).items() if not name.startswith('.')} == good
