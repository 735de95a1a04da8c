"""BAID from a server of ours in its authors' layout: complete, stopped and killed half-way, from a mirror, refused."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from misbehaving_server import BROKEN, NOT_FOUND, Server, jpeg, redirect, reply

from ssmr.datasets import baid as reader
from ssmr.datasets.baid import read_baid
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.errors import ConfigError, DataError
from ssmr.preparation import baid
from ssmr.preparation.outcome import Options, Outcome
from ssmr.preparation.settings import Patience

QUICK = Patience(attempts=3, backoff=0.01, longest_wait=0.2, connect=5, stall=0.5, total=20)
SPLITS = ('train', 'val', 'test')
pytestmark = pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')


class Baid:
    """A small BAID on a server: labels, list, and images on a host of their own.

    Args:
        n: Number of images.
        latency: Of an image, in seconds.
    """

    def __init__(self, server: Server, n: int = 20, latency: float = 0.0) -> None:
        self.server = server
        self.authors, images = server.listen(), server.listen()
        self.files = {f'{i}.jpg': jpeg(i) for i in range(n)}
        self.list = 'image_link,image_name\n'
        for name, body in self.files.items():
            path = f'/contests/1/{name[:-4]}org.jpg'
            self.list += f'{images}{path},{name}\n'
            server.on(path, reply(body, latency=latency))
            server.on(f'/images/{name}', reply(body))
        self.labels = {}
        for split, names in zip(SPLITS, np.split(np.array([*self.files]), [n // 2, 3 * n // 4]), strict=True):
            rows = (f'{name},{1 + i % 8}.{i % 10}\n' for i, name in enumerate(names))
            self.labels[split] = 'image,score\n' + ''.join(rows)
            server.on(f'/dataset/{split}_set.csv', reply(self.labels[split].encode(), kind='text/plain'))
        server.on('/downloading_script/image_list.csv', reply(self.list.encode(), kind='text/plain'))

    def prepare(self, root: Path, **options: object) -> Outcome:
        chosen = replace(Options(mirror=self.authors, rate=1e4, workers=2), **options)  # type: ignore[arg-type]
        return baid.prepare(root, chosen, QUICK)

    def image_requests(self) -> list[str]:
        return [path for path in self.server.paths() if path.endswith('.jpg')]


def images(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / 'images').iterdir() if path.is_file()}


def missing(root: Path) -> dict[str, str]:
    with open(root / 'missing.csv', newline='', encoding='utf-8') as file:
        return {row['image']: row['reason'] for row in csv.DictReader(file)}


@pytest.fixture
def from_authors(monkeypatch: pytest.MonkeyPatch, server: Server) -> Baid:
    """BAID where the authors point to: labels and list at one host, images where the list says."""
    small = Baid(server)
    monkeypatch.setattr(baid, 'SOURCE', small.authors)
    return small


class TestFromItsAuthors:
    def test_labels_list_and_images_arrive_and_the_reader_takes_them(self, from_authors: Baid, tmp_path: Path) -> None:
        outcome = from_authors.prepare(tmp_path, mirror=None)
        assert (outcome.name, outcome.images, outcome.present, outcome.missing) == ('BAID', 20, 20, ())
        assert images(tmp_path) == from_authors.files
        assert (tmp_path / 'downloading_script' / 'image_list.csv').read_text() == from_authors.list
        for split in SPLITS:
            assert (tmp_path / 'dataset' / f'{split}_set.csv').read_text() == from_authors.labels[split]
        assert all(path.startswith('/contests/1/') for path in from_authors.image_requests())
        assert not (tmp_path / 'missing.csv').exists()
        table = read_baid(str(tmp_path))
        assert len(table.ids) == 20

    def test_a_second_run_asks_for_nothing_at_all(self, from_authors: Baid, tmp_path: Path) -> None:
        from_authors.prepare(tmp_path, mirror=None)
        from_authors.server.forget()
        assert from_authors.prepare(tmp_path, mirror=None).present == 20
        assert from_authors.server.paths() == []

    def test_what_is_missing_is_listed_until_it_is_there(self, from_authors: Baid, tmp_path: Path) -> None:
        server = from_authors.server
        server.on('/contests/1/3org.jpg', NOT_FOUND)
        server.on('/contests/1/4org.jpg', BROKEN)
        outcome = from_authors.prepare(tmp_path, mirror=None)
        assert outcome.present == 18
        want = {'3.jpg': '404 Not Found', '4.jpg': '500 Internal Server Error (3 attempts)'}
        assert missing(tmp_path) == want
        lines = (tmp_path / 'missing.csv').read_text().splitlines()
        assert lines[0] == 'image,url,reason' and '/contests/1/3org.jpg,404' in lines[1]

        for i in (3, 4):
            server.on(f'/contests/1/{i}org.jpg', reply(from_authors.files[f'{i}.jpg']))
        server.forget()
        assert from_authors.prepare(tmp_path, mirror=None).present == 20
        assert sorted(server.paths()) == ['/contests/1/3org.jpg', '/contests/1/4org.jpg']
        assert not (tmp_path / 'missing.csv').exists()

    def test_labels_of_an_unknown_release_give_a_warning(self, from_authors: Baid, tmp_path: Path) -> None:
        with pytest.warns(LabelWarning, match='of no release of BAID whose checksum is known') as caught:
            from_authors.prepare(tmp_path, mirror=None)
        assert len([w for w in caught if 'checksum' in str(w.message)]) == 3

    @pytest.mark.data
    def test_labels_of_the_current_release_give_none(
        self, from_authors: Baid, tmp_path: Path, shared_data: Path
    ) -> None:
        given = tmp_path / 'labels'
        given.mkdir()
        for split in SPLITS:
            shutil.copy(shared_data / 'labels' / f'baid_{split}.csv', given / f'{split}_set.csv')
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            from_authors.prepare(tmp_path / 'root', mirror=None, labels=given)
        assert reader.RELEASES[reader.CURRENT].sha256.keys() == {*SPLITS}


class TestBehindAClosedNetwork:
    def test_a_mirror_has_everything(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server)
        assert small.prepare(tmp_path, mirror=small.authors + '/').present == 20
        assert images(tmp_path) == small.files
        assert sorted(small.image_requests()) == sorted(f'/images/{name}' for name in small.files)

    def test_names_are_quoted_in_a_mirrors_address(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server, 4)
        listed = tmp_path / 'list.csv'
        listed.write_text('image_link,image_name\nhttp://nowhere.invalid/1,a b?#%41.jpg\n')
        server.on('/images/a%20b%3F%23%2541.jpg', reply(small.files['0.jpg']))
        assert small.prepare(tmp_path / 'root', image_list=listed).present == 1
        assert images(tmp_path / 'root') == {'a b?#%41.jpg': small.files['0.jpg']}

    def test_labels_and_list_from_files(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server)
        for split, text in small.labels.items():
            (tmp_path / f'{split}_set.csv').write_text(text)
        (tmp_path / 'short.csv').write_text('\n'.join(small.list.splitlines()[:6]))
        options = {'mirror': None, 'labels': tmp_path, 'image_list': tmp_path / 'short.csv'}
        root = tmp_path / 'root'
        outcome = small.prepare(root, **options)
        assert (outcome.images, outcome.present) == (5, 5)
        assert len(server.paths()) == 5  # the images alone
        assert (root / 'dataset' / 'val_set.csv').read_text() == small.labels['val']
        assert not (root / 'downloading_script').exists()  # a part of the list must not be taken for all of it later

    def test_labels_that_are_there_are_kept(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server)
        (tmp_path / 'dataset').mkdir()
        (tmp_path / 'dataset' / 'val_set.csv').write_text('image,score\nmine.jpg,3\n')
        small.prepare(tmp_path)
        assert (tmp_path / 'dataset' / 'val_set.csv').read_text() == 'image,score\nmine.jpg,3\n'
        assert '/dataset/val_set.csv' not in server.paths()

    def test_labels_that_differ_from_those_given_are_refused(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server)
        small.prepare(tmp_path / 'root')
        for split, text in small.labels.items():
            (tmp_path / f'{split}_set.csv').write_text(text)
        assert small.prepare(tmp_path / 'root', labels=tmp_path).present == 20
        (tmp_path / 'val_set.csv').write_text('image,score\nmine.jpg,3\n')
        with pytest.raises(DataError, match=r'val_set.* is there already and differs'):
            small.prepare(tmp_path / 'root', labels=tmp_path)


class TestRefusals:
    @pytest.mark.parametrize(
        ('path', 'fix'), [('/dataset/val_set.csv', '--labels'), ('/downloading_script/image_list.csv', '--image-list')]
    )
    @pytest.mark.parametrize(
        ('answer', 'what'),
        [
            (NOT_FOUND, '404 Not Found'),
            (reply(b'<html>\n<a href="x">Log in</a>', kind='text/html'), 'cannot be used'),
            (reply(b''), 'empty'),
            (redirect('/dataset/nowhere'), '404'),
        ],
    )
    def test_a_label_file_that_does_not_come(
        self, server: Server, tmp_path: Path, path: str, fix: str, answer: object, what: str
    ) -> None:
        small = Baid(server)
        server.on(path, answer)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=what) as error:
            small.prepare(tmp_path)
        assert path in error.value.message and fix in error.value.fix
        folder = (tmp_path / path[1:]).parent
        assert not list(folder.glob(f'*{path.rpartition("/")[2]}*'))
        assert small.image_requests() == []

    def test_a_folder_of_labels_that_lacks_one(self, server: Server, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r'there is no .*train_set'):
            Baid(server).prepare(tmp_path / 'root', labels=tmp_path)

    @pytest.mark.parametrize('mirror', ['ftp://host/x', '/srv/baid', 'host/x', ''])
    def test_a_mirror_that_is_no_address(self, server: Server, tmp_path: Path, mirror: str) -> None:
        with pytest.raises(ConfigError, match='--mirror'):
            Baid(server).prepare(tmp_path, mirror=mirror)


def start(small: Baid, root: Path) -> subprocess.Popen[str]:
    """The preparation in a process of its own, slow enough to be stopped."""
    code = (
        # a shell's background job ignores Ctrl-C, and so would everything it starts: the tests, and this process
        'import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n'
        'from pathlib import Path\nfrom ssmr.cli import run\nfrom ssmr.preparation import baid\n'
        'from ssmr.preparation.outcome import Options\n'
        f'baid.SOURCE = {small.authors!r}\n'
        f'run(lambda: print(baid.prepare(Path({str(root)!r}), Options(connections=4, rate=1e4, workers=2)).present))'
    )
    return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code], text=True, stderr=subprocess.PIPE)


def wait_for(root: Path, n: int, process: subprocess.Popen[str]) -> None:
    """Until n images are there."""
    end = time.monotonic() + 60
    while not (root / 'images').is_dir() or len(images(root)) < n:
        assert process.poll() is None, 'it ended too early'
        assert time.monotonic() < end, 'it does not get on'
        time.sleep(0.002)


class TestStoppedHalfWay:
    def test_killed_twice_it_ends_as_if_nothing_had_been(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = Baid(server, 80, latency=0.05)
        server.on('/contests/1/7org.jpg', NOT_FOUND)
        monkeypatch.setattr(baid, 'SOURCE', small.authors)
        root = tmp_path / 'killed'
        for n in (5, 30):
            with start(small, root) as process:
                wait_for(root, n, process)
                process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
            there = images(root)
            assert n <= len(there) < 79
            assert there.items() <= small.files.items()  # whole, all of them
        server.forget()

        outcome = small.prepare(root, mirror=None)
        asked = {path.rpartition('/')[2].replace('org', '') for path in small.image_requests()}
        assert asked == small.files.keys() - there.keys()
        assert outcome.present == 79 and missing(root) == {'7.jpg': '404 Not Found'}
        assert images(root) == {name: body for name, body in small.files.items() if name != '7.jpg'}
        straight = tmp_path / 'straight'
        assert small.prepare(straight, mirror=None).present == 79
        assert images(straight) == images(root)
        kept = [sorted(p.relative_to(r).as_posix() for p in r.rglob('*')) for r in (root, straight)]
        assert kept[0] == kept[1]

    def test_ctrl_c_says_how_far_it_got(self, server: Server, tmp_path: Path) -> None:
        small = Baid(server, 200, latency=1)  # long enough to be met in the middle on a busy machine, too
        with start(small, tmp_path) as process:
            wait_for(tmp_path, 10, process)
            process.send_signal(signal.SIGINT)
            assert process.stderr
            said = process.stderr.read()
        assert process.returncode == 130
        assert 'BAID: stopped with' in said and 'of 200 images; run the same command again' in said
        assert 'Traceback' not in said
        assert images(tmp_path).items() <= small.files.items()
        assert not (tmp_path / 'images' / '.partial').exists()
