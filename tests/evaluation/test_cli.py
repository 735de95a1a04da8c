"""What run() makes of the ways a tool can end."""

import os
import subprocess
import sys

import pytest

from ssmr.cli import run
from ssmr.errors import DataError


def leave_with(error):
    def main():
        print('before')
        if error is not None:
            raise error

    return main


@pytest.mark.parametrize(
    ('error', 'status', 'stderr'),
    [
        (None, 0, ''),
        (DataError('labels.csv is empty', 'fill it'), 1, 'error: labels.csv is empty\n  -> fill it\n'),
        (KeyboardInterrupt(), 130, ''),
        (SystemExit(2), 2, ''),
    ],
)
def test_the_status_says_how_it_ended(capsys, error, status, stderr):
    with pytest.raises(SystemExit) as left:
        run(leave_with(error))
    assert left.value.code == status
    assert capsys.readouterr() == ('before\n', stderr)


@pytest.mark.parametrize('error', [ValueError('a defect'), OSError('a defect'), AssertionError('a defect')])
def test_a_defect_keeps_its_traceback(error):
    with pytest.raises(type(error), match='a defect'):
        run(leave_with(error))


@pytest.mark.parametrize('lines', [1, 100_000])  # one line stays in the buffer until main() has returned
def test_a_reader_that_leaves_early_is_no_error(lines):
    code = f'from ssmr.cli import run; run(lambda: print(input() * {lines}))'
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
    buffered = {name: value for name, value in os.environ.items() if name != 'PYTHONUNBUFFERED'}
    with subprocess.Popen([sys.executable, '-c', code], env=buffered, **pipes) as tool:
        tool.stdout.close()
        _, stderr = tool.communicate(b'x\n', timeout=60)
    assert (tool.returncode, stderr) == (141, b'')
