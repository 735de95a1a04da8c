"""The downloader against a server that misbehaves: what arrives whole is kept, everything else has its reason."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving_server import (
    BROKEN,
    HANG_UP,
    NOT_FOUND,
    SILENCE,
    Answer,
    Server,
    cut,
    jpeg,
    redirect,
    reply,
    until_closed,
)

from ssmr import __version__
from ssmr.errors import ConfigError, DataError
from ssmr.preparation import image_folder
from ssmr.preparation.download import download
from ssmr.preparation.http import BLOCK
from ssmr.preparation.image_list import Work
from ssmr.preparation.outcome import Outcome
from ssmr.preparation.root_lock import locked
from ssmr.preparation.settings import Patience, Settings

#: Waits of a hundredth of the real ones.
QUICK = Patience(attempts=3, backoff=0.01, longest_wait=0.2, connect=5, stall=0.3, total=20)
SETTINGS = Settings(rate=10_000, workers=2, max_bytes=200_000, patience=QUICK)
GOOD = jpeg(0)
HTML = b'<html>Please log in</html>'

#: name -> (what the server answers, the reason it must be given; None for a file that must be there)
CASES: dict[str, tuple[list[Answer], str | None]] = {
    'good': ([reply(GOOD)], None),
    'no_length': ([until_closed(GOOD)], None),
    'odd_type': ([reply(GOOD, kind='text/plain')], None),
    'broken_once': ([BROKEN, reply(GOOD)], None),
    'busy_once': ([reply(b'', '503 Service Unavailable', Retry_After='0'), reply(GOOD)], None),
    'too_many_once': ([reply(b'', '429 Too Many Requests', Retry_After='99999'), reply(GOOD)], None),
    'cut_once': ([cut(GOOD), reply(GOOD)], None),
    'reset_once': ([cut(GOOD, 'reset'), reply(GOOD)], None),
    'stalled_once': ([cut(GOOD, 'hang'), reply(GOOD)], None),
    'hung_up_once': ([HANG_UP, reply(GOOD)], None),
    'garbage_once': ([Answer(b'\x16\x03\x01 what?\r\n\r\n', 'close'), reply(GOOD)], None),
    'moved': ([redirect('/images/good')], None),
    'missing': ([NOT_FOUND], '404 Not Found'),
    'forbidden': ([reply(b'', '403 Forbidden')], '403 Forbidden'),
    'unknown_status': ([reply(b'', '499 Whatever')], 'status 499'),
    'nothing': ([reply(b'', '204 No Content')], '204 No Content'),
    'broken': ([BROKEN], '500 Internal Server Error (3 attempts)'),
    'cut': ([cut(GOOD)], f'cut off after {len(GOOD) - len(GOOD) // 2} of {len(GOOD)} bytes (3 attempts)'),
    'stalled': ([cut(GOOD, 'hang')], 'stalled: no data for 0.3 s (3 attempts)'),
    'silent': ([SILENCE], 'stalled: no data for 0.3 s (3 attempts)'),
    'hung_up': ([HANG_UP], 'the server closed the connection without an answer (3 attempts)'),
    'claims_more': ([reply(GOOD, length=len(GOOD) + 9, then='close')], f' of {len(GOOD) + 9} bytes (3 attempts)'),
    'not_http': ([Answer(b'SSH-2.0-x\r\n\r\n', 'close')], 'the server does not answer in proper HTTP (3 attempts)'),
    'claims_less': ([reply(GOOD, length=len(GOOD) // 2)], ''),  # no image or no HTTP, by how the bytes arrive
    'login_page': ([reply(HTML, kind='text/html; charset=utf-8')], 'the server sent text/html, not an image'),
    'html_as_jpeg': ([reply(HTML)], 'is not an image that can be read'),
    'truncated': ([reply(GOOD[: len(GOOD) // 2])], 'is broken: '),
    'cut_without_length': ([until_closed(GOOD[: len(GOOD) // 2])], 'is broken: '),
    'empty': ([reply(b'')], 'the server sent an empty file (zero bytes)'),
    'loop': ([redirect('/images/loop')], 'redirected more than 5 times'),
    'to_nowhere': ([redirect('ftp://127.0.0.1/a.jpg')], 'led to an address that cannot be fetched'),
    'announced_large': ([reply(b'', length=10**9, then='hang')], 'larger than 0.2 MB'),
    'large': ([until_closed(b'x' * 300_000)], 'larger than 0.2 MB'),
}


def works_of(names: list[str], *hosts: str) -> list[Work]:
    return [Work(name, f'{hosts[i % len(hosts)]}/images/{name}') for i, name in enumerate(names)]


def serve(server: Server, n: int, latency: float = 0.0) -> dict[str, bytes]:
    """n pictures of their own; name -> bytes."""
    files = {f'{i:03d}.jpg': jpeg(i) for i in range(n)}
    for name, body in files.items():
        server.on(f'/images/{name}', reply(body, latency=latency))
    return files


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / 'images').iterdir()}


def reasons(outcome: Outcome) -> dict[str, str]:
    return {item.image: item.reason for item in outcome.missing}


class TestEveryMisbehaviour:
    def test_good_files_arrive_and_bad_ones_have_their_reason(self, server: Server, tmp_path: Path) -> None:
        host = server.listen()
        for name, (answers, _) in CASES.items():
            server.on(f'/images/{name}', *answers)
        outcome = download('x', tmp_path, works_of(list(CASES), host), SETTINGS)

        wanted = {name for name, (_, reason) in CASES.items() if reason is None}
        assert contents(tmp_path) == dict.fromkeys(wanted, GOOD)
        assert reasons(outcome).keys() == CASES.keys() - wanted
        for name, reason in reasons(outcome).items():
            assert str(CASES[name][1]) in reason, name
        assert (outcome.images, outcome.present) == (len(CASES), len(wanted))
        assert [item.image for item in outcome.missing] == [name for name in CASES if name not in wanted]  # in order
        assert server.agents == {f'User-Agent: ssmr/{__version__} (research data download)'}

        server.forget()
        again = download('x', tmp_path, works_of(list(CASES), host), SETTINGS)
        assert again.missing == outcome.missing
        assert not {f'/images/{name}' for name in wanted - {'good'}} & {*server.paths()}

    @pytest.mark.parametrize('name', ['missing', 'forbidden', 'login_page', 'truncated', 'empty', 'large'])
    def test_what_another_attempt_cannot_mend_is_asked_for_once(
        self, server: Server, tmp_path: Path, name: str
    ) -> None:
        server.on(f'/images/{name}', *CASES[name][0])
        download('x', tmp_path, works_of([name], server.listen()), SETTINGS)
        assert len(server.paths()) == 1

    def test_a_reason_does_not_show_the_hidden_folder(self, server: Server, tmp_path: Path) -> None:
        server.on('/images/a', reply(b'no picture'))
        [item] = download('x', tmp_path, works_of(['a'], server.listen()), SETTINGS).missing
        assert str(tmp_path / 'images' / 'a') in item.reason and '.partial' not in item.reason

    def test_nobody_listens(self, tmp_path: Path, server: Server) -> None:
        server.on('/images/good', reply(GOOD))
        works = [Work('dead', 'http://127.0.0.1:9/a'), *works_of(['good'], server.listen())]
        outcome = download('x', tmp_path, works, SETTINGS)
        assert reasons(outcome)['dead'].startswith('connection failed: Cannot connect to host 127.0.0.1:9')
        assert reasons(outcome)['dead'].endswith('(3 attempts)') and outcome.present == 1

    def test_the_server_says_when_to_come_back(self, server: Server, tmp_path: Path) -> None:
        server.on('/images/a', reply(b'', '429 Too Many Requests', Retry_After='1'), reply(GOOD))
        settings = replace(SETTINGS, patience=replace(QUICK, longest_wait=5))
        assert download('x', tmp_path, works_of(['a'], server.listen()), settings).present == 1
        (first, *_), (second, *_) = server.requests
        assert second - first > 0.9  # without the header it is 0.02

    def test_a_large_image_is_written_by_blocks_and_after_a_cut_from_its_beginning(
        self, server: Server, tmp_path: Path
    ) -> None:
        large = jpeg(1, (2400, 2400), 100)
        assert len(large) > 2.5 * BLOCK
        server.on('/images/a', cut(large), until_closed(large))
        settings = replace(SETTINGS, max_bytes=10**8)
        assert download('x', tmp_path, works_of(['a'], server.listen()), settings).present == 1
        assert contents(tmp_path) == {'a': large}
        assert hashlib.sha256(large).hexdigest() in (tmp_path / 'downloaded.csv').read_text()

    def test_an_endless_trickle_ends(self, server: Server, tmp_path: Path) -> None:
        server.on('/images/a', SILENCE)
        settings = replace(SETTINGS, patience=replace(QUICK, stall=60, total=0.2, attempts=1))
        outcome = download('x', tmp_path, works_of(['a'], server.listen()), settings)
        assert reasons(outcome) == {'a': 'not complete after 0.2 s'}


class TestManners:
    def test_connections_are_capped_for_each_host_and_in_all(self, server: Server, tmp_path: Path) -> None:
        hosts = [server.listen(), server.listen(), server.listen()]
        files = serve(server, 60, latency=0.03)
        settings = replace(SETTINGS, connections=5, per_host=2)
        assert not download('x', tmp_path, works_of(list(files), *hosts), settings).missing
        assert contents(tmp_path) == files
        in_all = server.busiest.pop(0)
        assert 3 <= in_all <= 5  # more than one host at a time
        assert set(server.busiest.values()) == {2}

    def test_a_redirect_counts_for_the_rate(self, server: Server, tmp_path: Path) -> None:
        server.on('/images/loop', redirect('/images/loop'))
        download('x', tmp_path, works_of(['loop'], server.listen()), replace(SETTINGS, rate=10))
        times = [at for at, _, _ in server.requests]
        assert len(times) == 6 and times[-1] - times[0] > 0.35

    def test_requests_keep_to_the_rate(self, server: Server, tmp_path: Path) -> None:
        files = serve(server, 30)
        begun = time.monotonic()
        assert not download('x', tmp_path, works_of(list(files), server.listen()), replace(SETTINGS, rate=60)).missing
        assert time.monotonic() - begun > 0.39  # (30 - 6) / 60 s; a busy machine only adds to it

    def test_a_dead_host_is_given_up_and_the_others_are_not(self, server: Server, tmp_path: Path) -> None:
        dead, alive = server.listen(), server.listen()
        files = serve(server, 20)
        bad = [f'{i}.dead' for i in range(50)]
        for name in bad:
            server.on(f'/images/{name}', HANG_UP)
        settings = replace(SETTINGS, patience=replace(QUICK, host_failures=6, host_time=0.0))
        outcome = download('x', tmp_path, works_of(bad, dead) + works_of(list(files), alive), settings)
        assert contents(tmp_path) == files
        assert reasons(outcome).keys() == {*bad}
        assert sum('.dead' in path for path in server.paths()) < 30  # 150 with all attempts
        last = outcome.missing[-1].reason
        assert last.startswith(f'not tried: {dead} failed ') and last.endswith(
            'closed the connection without an answer'
        )

    def test_a_host_that_lacks_files_is_not_given_up(self, server: Server, tmp_path: Path) -> None:
        settings = replace(SETTINGS, patience=replace(QUICK, host_failures=2, host_time=0.0))
        outcome = download('x', tmp_path, works_of([f'{i}' for i in range(20)], server.listen()), settings)
        assert {*reasons(outcome).values()} == {'404 Not Found'}

    @pytest.mark.parametrize('wrong', [{'connections': 0}, {'per_host': 0}, {'rate': 0.0}, {'workers': 0}])
    def test_senseless_limits_are_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Settings(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def fetched(server: Server, tmp_path: Path) -> tuple[dict[str, bytes], Callable[[], Outcome]]:
    """A folder of eight images that were fetched, and how to run again; the server has forgotten the first run."""
    files, host = serve(server, 8), server.listen()

    def run() -> Outcome:
        return download('x', tmp_path, works_of(list(files), host), SETTINGS)

    assert run().present == 8
    server.forget()
    return files, run


Fetched = tuple[dict[str, bytes], Callable[[], Outcome]]


class TestRunningAgain:
    def test_nothing_is_asked_for_or_decoded_twice(
        self, server: Server, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_folder, 'load_image', None)
        assert fetched[1]().present == 8
        assert server.paths() == []

    def test_the_journal_tells_where_each_file_came_from(self, fetched: Fetched, tmp_path: Path) -> None:
        with open(tmp_path / 'downloaded.csv', newline='') as file:
            rows = {row['image']: row for row in csv.DictReader(file)}
        for name, body in fetched[0].items():
            assert rows[name]['bytes'] == str(len(body))
            assert rows[name]['sha256'] == hashlib.sha256(body).hexdigest()
            assert rows[name]['url'].endswith(f'/images/{name}')

    def test_files_of_another_script_are_decoded_before_they_count(
        self, server: Server, fetched: Fetched, tmp_path: Path
    ) -> None:
        files, run = fetched
        (tmp_path / 'downloaded.csv').unlink()
        for name in ('001.jpg', '002.jpg'):
            (tmp_path / 'images' / name).write_bytes(files[name][:-500])
        assert run().present == 8
        assert sorted(server.paths()) == ['/images/001.jpg', '/images/002.jpg']
        assert contents(tmp_path) == files

    def test_a_file_that_changed_since_is_fetched_again(self, server: Server, fetched: Fetched, tmp_path: Path) -> None:
        (tmp_path / 'images' / '003.jpg').write_bytes(b'rubbish')
        (tmp_path / 'images' / '004.jpg').unlink()
        assert fetched[1]().present == 8
        assert sorted(server.paths()) == ['/images/003.jpg', '/images/004.jpg']
        assert contents(tmp_path) == fetched[0]

    def test_a_bad_file_stays_until_a_good_one_is_there(self, server: Server, fetched: Fetched, tmp_path: Path) -> None:
        (tmp_path / 'images' / '005.jpg').write_bytes(b'all that is left')
        server.on('/images/005.jpg', reply(GOOD[:200]))
        assert reasons(fetched[1]()).keys() == {'005.jpg'}
        assert (tmp_path / 'images' / '005.jpg').read_bytes() == b'all that is left'

    @pytest.mark.parametrize('torn', range(1, 120, 17))
    def test_a_torn_journal_costs_a_decode_and_no_request(
        self, server: Server, fetched: Fetched, tmp_path: Path, torn: int
    ) -> None:
        journal = tmp_path / 'downloaded.csv'
        journal.write_bytes(journal.read_bytes()[:-torn])
        assert fetched[1]().present == 8
        assert server.paths() == []
        lines = journal.read_text().splitlines()
        assert lines[0] == 'image,bytes,sha256,url'
        assert all(line.count(',') == 3 for line in lines)
        assert {line.split(',')[0] for line in lines[1:]} == fetched[0].keys()

    @pytest.mark.parametrize('content', [b'', b'ima', b'\0' * 300, b'\xff\xfe\n"\n,,,\n'])
    def test_a_ruined_journal_is_made_again(
        self, server: Server, fetched: Fetched, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / 'downloaded.csv').write_bytes(content)
        for _ in range(2):
            assert fetched[1]().present == 8
        assert server.paths() == []

    def test_what_a_killed_run_left_is_removed(self, fetched: Fetched, tmp_path: Path) -> None:
        (tmp_path / 'images' / '.partial').mkdir()
        (tmp_path / 'images' / '.partial' / '000.jpg').write_bytes(b'half')
        fetched[1]()
        assert contents(tmp_path) == fetched[0]


class TestTheFolder:
    def test_two_runs_on_one_root_are_refused(self, tmp_path: Path) -> None:
        with locked(tmp_path), pytest.raises(DataError, match='another run is preparing'):
            download('x', tmp_path, [], SETTINGS)
        assert download('x', tmp_path, [], SETTINGS).images == 0

    def test_a_link_out_of_the_root_is_refused_before_hours_of_work(self, tmp_path: Path) -> None:
        (tmp_path / 'elsewhere').mkdir()
        (tmp_path / 'root').mkdir()
        (tmp_path / 'root' / 'images').symlink_to(tmp_path / 'elsewhere')
        with pytest.raises(DataError, match='is a link to'):
            download('x', tmp_path / 'root', [], SETTINGS)

    @pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(DataError, match='cannot write in'):
            download('x', tmp_path / 'root', [], SETTINGS)

    def test_a_folder_in_the_place_of_an_image(self, server: Server, tmp_path: Path) -> None:
        files = serve(server, 2)
        (tmp_path / 'images' / '000.jpg').mkdir(parents=True)
        outcome = download('x', tmp_path, works_of(list(files), server.listen()), SETTINGS)
        assert reasons(outcome) == {'000.jpg': 'cannot be put in place: Is a directory'}

    def test_a_full_disk_ends_the_run_without_half_files(self, server: Server, tmp_path: Path) -> None:
        files = serve(server, 6)
        large = jpeg(9, (800, 800), 100)
        server.on('/images/large.jpg', reply(large))
        works = works_of([*files, 'large.jpg'], server.listen())
        code = (
            'import resource, sys\nfrom pathlib import Path\nfrom ssmr.cli import run\n'
            'from ssmr.preparation.download import download\nfrom ssmr.preparation.image_list import Work\n'
            'from ssmr.preparation.settings import Settings\n'
            'resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n'
            f'works = {works!r}\n'
            f'run(lambda: print(download("x", Path({str(tmp_path)!r}), works, Settings(rate=1e4))))'
        )
        assert max(map(len, files.values())) < 20_000 < len(large)
        result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)
        assert result.returncode == 1
        assert 'no space left to write' in result.stderr and 'Traceback' not in result.stderr
        there = contents(tmp_path)
        assert there.items() <= files.items()
        assert download('x', tmp_path, works, replace(SETTINGS, max_bytes=10**7)).present == 7
