"""Slurm's compressed host lists, without asking ``scontrol``, which containers and minimal nodes lack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ssmr.errors import ConfigError

#: A name with any number of bracketed parts, up to a comma outside brackets.
ITEM = re.compile(r'(?:[^,\[\]]|\[[^\[\]]*\])+')
RANGE = re.compile(r'(\d+)(?:-(\d+))?')


def expand_hosts(hostlist: str) -> list[str]:
    """The hosts of a list such as ``node[01-03,7],login``.

    Args:
        hostlist: As in ``SLURM_JOB_NODELIST``; see "hostlist" in Slurm's manual. Zeros in front of a number count.

    Raises:
        ConfigError: It is not such a list.
    """
    items = ITEM.findall(hostlist)
    if not items or ','.join(items) != hostlist:
        raise ConfigError(f'the host list {hostlist!r} cannot be read', 'set MASTER_ADDR to the first node yourself')
    return [host for item in items for host in _expand(item, hostlist)]


def _expand(item: str, hostlist: str) -> Iterator[str]:
    opening = item.find('[')
    if opening < 0:
        yield item
        return
    head, (inside, _, tail) = item[:opening], item[opening + 1 :].partition(']')
    for part in inside.split(','):
        match = RANGE.fullmatch(part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise ConfigError(
                f'the host list {hostlist!r} cannot be read: {part!r} is no range', 'set MASTER_ADDR to the first node'
            )
        for number in range(int(match[1]), int(match[2] or match[1]) + 1):
            yield from (f'{head}{number:0{len(match[1])}d}{rest}' for rest in _expand(tail, hostlist))
