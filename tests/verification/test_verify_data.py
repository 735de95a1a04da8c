"""The whole tool: what it writes, what it says, how it ends; and pages that hostile names cannot break."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from painted_works import make_table, paint_files, paintings

from ssmr.datasets.csv_table import read_csv_table
from ssmr.datasets.duplicates import leaks, with_duplicates
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import DataError
from ssmr.verification import page
from ssmr.verification.page import write_page
from ssmr.verification.verification import Options, verify, write_lists


class Page(HTMLParser):
    """Collects the tags, the sources of images, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ''
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or '' for name, value in attrs if name in ('src', 'href')]

    def handle_data(self, data: str) -> None:
        self.text += data


def rows(path: Path) -> list[list[str]]:
    with open(path, newline='') as file:
        return list(csv.reader(file))


@pytest.fixture
def planted(tmp_path: Path) -> ImageTable:
    """Twelve works, two copies within and across splits, three broken files, and one that no label names."""
    images = tmp_path / 'data' / 'images'
    images.mkdir(parents=True)
    splits = {f'{i:03d}.png': ('train', 'train', 'val', 'test')[i % 4] for i in range(12)}
    for name, image in zip(splits, paintings(), strict=True):
        image.save(images / name)
    paintings()[0].resize((60, 60)).save(images / '500.jpg')
    shutil.copy(images / '001.png', images / '501.png')
    (images / '600.jpg').write_bytes(b'')
    (images / '601.jpg').write_bytes((images / '500.jpg').read_bytes()[:400])
    (images / '602.jpg').write_text('<html>moved</html>')
    shutil.copy(images / '002.png', images / 'forgotten.png')
    splits |= {'500.jpg': 'test', '501.png': 'train', '600.jpg': 'train', '601.jpg': 'val', '602.jpg': 'test'}
    lines = [f'{name},{i % 10},{split}' for i, (name, split) in enumerate(splits.items())]
    (tmp_path / 'data' / 'labels.csv').write_text('\n'.join(['image,score,split', *lines]) + '\n')
    return read_csv_table(str(tmp_path / 'data'))


def test_what_is_planted_is_found_and_listed(planted: ImageTable, tmp_path: Path) -> None:
    found = verify(planted, Options())
    write_lists(found, tmp_path / 'out')
    assert [row[0] for row in rows(tmp_path / 'out' / 'quarantine.csv')] == ['image', '600.jpg', '601.jpg', '602.jpg']
    assert rows(tmp_path / 'out' / 'duplicates.csv') == [
        ['image', 'group', 'split', 'score', 'identical'],
        ['000.png', '1', 'train', '0.0', 'no'], ['500.jpg', '1', 'test', '2.0', 'no'],
        ['001.png', '2', 'train', '1.0', 'yes'], ['501.png', '2', 'train', '3.0', 'yes'],
    ]  # fmt: skip
    assert found.images.unnamed.files == 1 and found.images.unnamed.first == ('images/forgotten.png',)
    assert found.faults == ['images that cannot be read: 3', 'groups of duplicates across splits: 1']
    record = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert record['works'] == 17 and len(record['images']['duplicates']['groups']) == 2
    assert record['warnings'] == found.warnings


def test_the_list_feeds_the_table(planted: ImageTable, tmp_path: Path) -> None:
    write_lists(verify(planted, Options()), tmp_path)
    table = with_duplicates(planted, tmp_path / 'duplicates.csv')
    ids = np.array(table.ids)
    assert ids[leaks(table)].tolist() == ['000.png']
    assert table.groups[ids == '001.png'] == table.groups[ids == '501.png']
    assert len(np.unique(table.groups)) == len(table) - 2
    assert all(group.known for group in verify(table, Options()).images.duplicates.groups)


def test_the_page_holds_its_pictures_and_nothing_else(planted: ImageTable, tmp_path: Path) -> None:
    found = verify(planted, Options())
    parsed = Page(write_page(found, planted, tmp_path).read_text())
    assert parsed.tags.count('img') == 4 and all(s.startswith('data:image/jpeg;base64,') for s in parsed.sources)
    for text in (*found.warnings, '601.jpg', 'forgotten.png', 'across splits', 'identical file'):
        assert text in parsed.text


def test_the_page_shows_so_many_groups_and_members(
    planted: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, 'GROUPS', 1)
    monkeypatch.setattr(page, 'MEMBERS', 1)
    parsed = Page(write_page(verify(planted, Options()), planted, tmp_path).read_text())
    assert parsed.tags.count('img') == 1
    assert 'The first 1 are shown; duplicates.csv has all.' in parsed.text and '; the first 1 are shown' in parsed.text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = "<script>alert(1)<!--\"onerror='x'{{7*7}}[bold].png"
    paintings()[0].save(tmp_path / name)
    paintings()[0].save(tmp_path / f'2{name}')
    (tmp_path / f'3{name}').write_bytes(b'')
    paintings()[1].save(tmp_path / f'4{name}')
    table = make_table([name, f'2{name}', f'3{name}'], ['train', 'test', 'val'], root=tmp_path)
    text = write_page(verify(table, Options()), table, tmp_path / 'out').read_text()
    parsed = Page(text)
    assert 'script' not in parsed.tags and '<script' not in text
    assert all(each in parsed.text for each in (name, f'2{name}', f'3{name}', f'4{name}'))
    assert len(parsed.sources) == 2 and all(source.startswith('data:') for source in parsed.sources)


def test_nothing_found_is_said(tmp_path: Path) -> None:
    painted = paint_files(tmp_path)
    files = [f'{name}.png' for name in 'abcdefghijkl']
    for old, new in zip(painted, files, strict=True):
        (tmp_path / old).rename(tmp_path / new)
    table = make_table(files, ['train', 'val', 'test'] * 4, root=tmp_path)
    found = verify(table, Options())
    assert found.warnings == [] and found.faults == []
    text = Page(write_page(found, table, tmp_path / 'out').read_text()).text
    assert 'Nothing was found' in text and 'Near duplicates: 0 groups' in text
    write_lists(found, tmp_path / 'out')
    assert [len(rows(tmp_path / 'out' / name)) for name in ('quarantine.csv', 'duplicates.csv')] == [1, 1]
    assert with_duplicates(table, tmp_path / 'out' / 'duplicates.csv').pool_identity() == table.pool_identity()


def test_labels_alone_need_no_images_and_touch_no_lists(tmp_path: Path) -> None:
    table = make_table([f'{i}.jpg' for i in range(9)], ['train', 'val', 'test'] * 3, root=tmp_path)
    found = verify(table, Options(pictures=False))
    write_lists(found, tmp_path / 'out')
    assert 'The images were not looked at.' in Page(write_page(found, table, tmp_path / 'out').read_text()).text
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['report.html', 'report.json']
    with pytest.raises(DataError, match='none of the 9 images'):
        verify(table, Options())


def test_a_gallery_is_verified_too(tmp_path: Path) -> None:
    painted = paint_files(tmp_path)
    table = make_table(painted, None, [np.nan] * 12, root=tmp_path)
    found = verify(table, Options())
    write_lists(found, tmp_path / 'out')
    write_page(found, table, tmp_path / 'out')
    assert 'NaN' not in (tmp_path / 'out' / 'report.json').read_text()


def run_tool(repo: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, 'argv', ['verify_data.py', *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(repo / 'tools' / 'verify_data.py'), run_name='__main__')
    return int(end.value.code or 0)


def test_the_tool(
    repo: Path, planted: ImageTable, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    common = (str(tiny_config), '--cfg-options', f'table.root={planted.root}')
    assert run_tool(repo, monkeypatch, *common) == 0
    out, said = tmp_path / 'run' / 'verify', capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == ['duplicates.csv', 'quarantine.csv', 'report.html', 'report.json']
    assert f'--cfg-options duplicates.file={out / "duplicates.csv"}' in said
    assert 'Images that cannot be read: 3' in said
    assert run_tool(repo, monkeypatch, *common, '--strict', '--out', str(tmp_path / 'elsewhere')) == 1
    assert 'error: data: images that cannot be read: 3; groups' in capsys.readouterr().err
    assert (tmp_path / 'elsewhere' / 'report.html').is_file()
    assert run_tool(repo, monkeypatch, *common, '--strict', '--no-pictures') == 0
    assert 'not looked at' in capsys.readouterr().out
