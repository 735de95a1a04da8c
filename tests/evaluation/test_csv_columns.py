"""Reading tables: what is accepted, and that every refusal names the file, the line and the column."""

import pytest

from ssmr.errors import DataError
from ssmr.evaluation.csv_columns import join, read_columns, read_scores, read_texts


@pytest.fixture
def csv_file(tmp_path):
    def write(content):
        path = tmp_path / 'labels.csv'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    'content',
    [
        'image,score\na.jpg,1\nb.jpg,2.5\n',
        'image,score\na.jpg,1\nb.jpg,2.5',
        '\ufeffimage,score\r\na.jpg,1\r\nb.jpg,2.5\r\n',
        'score,artist,image\n1,"Sarto del, Andrea",a.jpg\n2.5,x,b.jpg\n\n',
        'image,score\n"a.jpg"," 1"\nb.jpg,25e-1\n',
    ],
)
def test_the_ways_programs_write_csv_are_all_read(csv_file, content):
    assert read_scores(csv_file(content)) == {'a.jpg': 1, 'b.jpg': 2.5}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'labels.csv is empty'),
        ('image,score\n', 'no rows'),
        ('image,Score\na,1\n', r"line 1: no column score; it has 'image', 'Score'; did you mean 'Score'\?"),
        ('image;score\na;1\n', r"no column image; it has 'image;score'"),
        ('image,score,score\na,1,2\n', 'line 1: the column score is there twice'),
        ('image,score\na,1\nb,nan\n', "line 3, column score: 'nan' is not finite"),
        ('image,score\na,1\nb,-inf\n', "line 3, column score: '-inf' is not finite"),
        ('image,score\na,\n', "line 2, column score: '' is not a number"),
        ('image,score\na,1\n\n\nb,"x"\n', "line 5, column score: 'x'"),
        ('image,score,t\na,?,"two\nlines"\n', r"line 2, column score: '\?'"),
        ('image,score,t\na,1,"two\nlines"\nb,?,\n', r"line 4, column score: '\?'"),
        ('image,score\na,1\nb,2\na,1\n', 'line 4, column image: a is already on line 2'),
        ('image,score\n,1\n', 'line 2, column image: empty'),
        ('image,score\nSarto del, Andrea.jpg,1\n', 'line 2: 3 fields, the header has 2'),
        ('image,score\na\n', 'line 2: 1 fields'),
        ('image,score\na,1\n"b,2\n', 'line 3: no CSV'),
        (b'image,score\na,1\n\xe9.jpg,2\n', 'line 3: not UTF-8 text'),
    ],
)
def test_refusals_name_the_file_the_line_and_the_column(csv_file, content, message):
    path = csv_file(content)
    with pytest.raises(DataError, match=message) as error:
        read_scores(path)
    assert str(path) in error.value.message


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r'none\.csv: No such file'):
        read_scores(tmp_path / 'none.csv')
    with pytest.raises(DataError, match='Is a directory'):
        read_scores(tmp_path)


def test_columns_come_in_the_order_asked_for(csv_file):
    assert read_columns(csv_file('a,image,b\n1,x,2\n3,y,4\n'), ['b', 'a']) == (['x', 'y'], [[2, 4], [1, 3]])


def test_text_is_read_without_the_spaces_around_it_and_may_be_empty(csv_file):
    path = csv_file('image,style\na,"Pop, Op"\nb, Naive \nc,\n')
    assert read_texts(path, 'style') == {'a': 'Pop, Op', 'b': 'Naive', 'c': ''}
    with pytest.raises(DataError, match=r"no column styl; .* did you mean 'style'"):
        read_texts(path, 'styl')


def test_a_column_of_scores_can_have_another_name(csv_file):
    assert read_scores(csv_file('image,score,liking\na,1,7\n'), 'liking') == {'a': 7}


def test_a_join_follows_the_images_and_names_what_is_missing(csv_file):
    path = csv_file('')
    assert join(['b', 'a'], {'a': 1, 'b': 2, 'c': 3}, path) == [2, 1]
    with pytest.raises(DataError, match=r'labels\.csv: 2 of 3 images are missing, first x, y'):
        join(['x', 'a', 'y'], {'a': 1}, path)
