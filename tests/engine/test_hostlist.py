"""Slurm's host lists: against its own tool where that is installed, and by rules that hold anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.engine.hostlist import expand_hosts
from ssmr.errors import ConfigError


@pytest.mark.parametrize(
    ('hostlist', 'hosts'),
    [
        ('login', ['login']),
        ('node-1.cluster', ['node-1.cluster']),
        ('a,b', ['a', 'b']),
        ('node[01-03,7],login', ['node01', 'node02', 'node03', 'node7', 'login']),
        ('n[8-11]', ['n8', 'n9', 'n10', 'n11']),
        ('n[1-2]x[3-4]', ['n1x3', 'n1x4', 'n2x3', 'n2x4']),
        ('r[1,3]-n[09-10]-ib', ['r1-n09-ib', 'r1-n10-ib', 'r3-n09-ib', 'r3-n10-ib']),
    ],
)
def test_lists_become_hosts(hostlist: str, hosts: list[str]) -> None:
    assert expand_hosts(hostlist) == hosts


@pytest.mark.parametrize(
    'text', ['', ',', 'a,', 'n[1-', 'n[]', 'n[2-1]', 'n[a-b]', 'n[1]]', 'n[[1]]', 'slurm error: [']
)
def test_anything_else_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ConfigError, match='cannot be read') as error:
        expand_hosts(text)
    assert 'MASTER_ADDR' in error.value.fix


def _range(numbers: tuple[int, int, int]) -> str:
    first, more, width = numbers
    return f'{first:0{width}d}-{first + more:0{width}d}' if more else f'{first:0{width}d}'


RANGES = st.tuples(st.integers(0, 120), st.integers(0, 12), st.integers(1, 4)).map(_range)
BRACKETS = st.lists(RANGES, min_size=1, max_size=3).map(lambda parts: f'[{",".join(parts)}]')
NAMES = st.text('abcxyz-', min_size=1, max_size=4).filter(lambda name: name.strip('-') == name)
HOSTS = st.tuples(
    NAMES, st.one_of(st.just(''), BRACKETS), st.one_of(st.just(''), st.tuples(NAMES, BRACKETS).map(''.join))
)
LISTS = st.lists(HOSTS.map(''.join), min_size=1, max_size=3).map(','.join)


@pytest.fixture(scope='module')
def scontrol(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Slurm's own way; it needs a configuration, but nothing that runs."""
    if shutil.which('scontrol') is None:
        pytest.skip('no scontrol: Slurm is not installed')
    config = tmp_path_factory.mktemp('scontrol') / 'slurm.conf'
    config.write_text('ClusterName=none\nSlurmctldHost=localhost\n')
    environment = os.environ | {'SLURM_CONF': str(config)}

    def ask(hostlist: str) -> list[str]:
        command = ['scontrol', 'show', 'hostnames', hostlist]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    return ask


@settings(max_examples=60)
@given(LISTS)
def test_slurm_itself_says_the_same(scontrol: Callable[[str], list[str]], hostlist: str) -> None:
    assert expand_hosts(hostlist) == scontrol(hostlist)


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_a_list_of_two_lists_is_both(a: list[str], b: list[str]) -> None:
    assert expand_hosts(','.join(a + b)) == expand_hosts(','.join(a)) + expand_hosts(','.join(b)) == a + b


@given(st.integers(0, 2000), st.integers(0, 300), st.integers(1, 5))
def test_a_range_counts_with_the_width_of_its_first(first: int, more: int, width: int) -> None:
    hosts = expand_hosts(f'n[{first:0{width}d}-{first + more}]')
    assert [int(host[1:]) for host in hosts] == list(range(first, first + more + 1))
    assert all(len(host) - 1 == max(len(str(int(host[1:]))), max(width, len(str(first)))) for host in hosts)
