"""The text format of reference lists: byte-identical round trips and refusals that name the line."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmr.artifacts.reference_lists import ReferenceList, read_reference_lists, write_reference_lists
from ssmr.errors import DataError

IDS = st.text(st.characters(exclude_categories=['Cs'], exclude_characters=' \r\n\0\ufeff'), min_size=1, max_size=8)


@st.composite
def lists(draw):
    queries = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    references = [draw(st.lists(IDS.filter(lambda x, q=q: x != q), min_size=1, unique=True)) for q in queries]
    return [ReferenceList(q, tuple(r)) for q, r in zip(queries, references, strict=True)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists())
def test_lists_survive_the_way_through_the_file(tmp_path, entries):
    write_reference_lists(tmp_path / 'lists.txt', entries)
    assert read_reference_lists(tmp_path / 'lists.txt') == entries


def test_the_format_is_that_of_the_authors(tmp_path):
    path = tmp_path / 'new' / 'lists.txt'
    write_reference_lists(path, [ReferenceList('q.jpg', ('b.jpg', 'a.jpg')), ReferenceList('p.jpg', ('b.jpg',))])
    assert path.read_bytes() == b'q.jpg b.jpg a.jpg \np.jpg b.jpg \n'


@pytest.mark.data
@pytest.mark.parametrize(('split', 'queries'), [('val', 3200), ('test', 6400)])
def test_the_published_lists_are_rewritten_byte_for_byte(shared_data, tmp_path, split, queries):
    published = shared_data / 'labels' / f'ssmr_{split}_refer_50.txt'
    entries = read_reference_lists(published)
    assert len(entries) == queries
    assert {len(entry.references) for entry in entries} == {50}
    write_reference_lists(tmp_path / 'copy.txt', entries)
    assert (tmp_path / 'copy.txt').read_bytes() == published.read_bytes()


@pytest.mark.parametrize(
    'content', [b'q a b \np b \n', b'q a b\np b', b'\xef\xbb\xbfq a b\r\np b\r\n', b'q  a b  \np b \n']
)
def test_harmless_differences_are_accepted(tmp_path, content):
    (tmp_path / 'lists.txt').write_bytes(content)
    assert read_reference_lists(tmp_path / 'lists.txt') == [('q', ('a', 'b')), ('p', ('b',))]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'lists.txt is empty'),
        (b'\n', 'line 1: empty line'),
        (b'q a \n\np b \n', 'line 2: empty line'),
        (b'q a \np b \n   \n', 'line 3: empty line'),
        (b'q a \np \n', 'line 2: query p has no references'),
        (b'q\ta\tb\n', 'no references'),
        (b'q a \np b \nq b \n', 'line 3: query q is already on line 1'),
        (b'q a b a \n', 'line 1: query q has the reference a twice'),
        (b'q a q \n', 'line 1: query q refers to itself'),
        (b'q a \np \xff \n', 'line 2: not UTF-8 text'),
        (b'q a \n\x93NUMPY\x00\x01 \n', 'line 2: binary data'),
    ],
)
def test_unusable_files_are_refused_by_line(tmp_path, content, message):
    path = tmp_path / 'lists.txt'
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_reference_lists(path)
    assert str(path) in error.value.message


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(DataError, match=r'none\.txt: No such file'):
        read_reference_lists(tmp_path / 'none.txt')
    with pytest.raises(DataError, match='Is a directory'):
        read_reference_lists(tmp_path)


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        ([], 'no lists to write'),
        ([ReferenceList('q', ())], 'line 1: query q has no references'),
        ([ReferenceList('q', ('a',)), ReferenceList('q', ('b',))], 'line 2: query q is already on line 1'),
        ([ReferenceList('q', ('q',))], 'refers to itself'),
        ([ReferenceList('q', ('a b',))], "the id 'a b' cannot be written"),
        ([ReferenceList('q', ('',))], "the id '' cannot be written"),
        ([ReferenceList('q\n', ('a',))], 'cannot be written'),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, entries, message):
    path = tmp_path / 'lists.txt'
    path.write_text('old')
    with pytest.raises(DataError, match=message):
        write_reference_lists(path, entries)
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['lists.txt']
