"""What several processes do together: the ranks of a distributed run. With one process all of it is trivial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from mmengine.dist import all_gather_object, broadcast_object_list, get_rank, get_world_size

from ssmr.errors import SsmrError

Result = TypeVar('Result')


def rank() -> int:
    """Number of this process, from 0."""
    return int(get_rank())


def count() -> int:
    """How many processes there are."""
    return int(get_world_size())


def is_first() -> bool:
    """Whether this is the process that writes what is written once."""
    return get_rank() == 0


def print_once(text: str) -> None:
    """Print on rank 0 alone."""
    if is_first():
        print(text)


def from_first(value: Any) -> Any:
    """Rank 0's value, on every rank; plain data."""
    if get_world_size() == 1:
        return value
    values = [value]
    broadcast_object_list(values)
    return values[0]


def together(work: Callable[[], Result]) -> list[Result]:
    """Do something on every rank and return what all of them found, by rank.

    An error on one rank is an error on all of them: nobody goes on, or waits for one who has gone.

    Raises:
        SsmrError: That of the first rank that failed with one of ours; it names the rank.
    """
    if get_world_size() == 1:
        return [work()]
    outcome: tuple[Result | None, tuple[type[SsmrError], str, str] | None]
    try:
        outcome = work(), None
    except SsmrError as error:
        outcome = None, (type(error), error.message, error.fix)
    outcomes = all_gather_object(outcome)
    for rank, (_, failed) in enumerate(outcomes):
        if failed is not None:
            kind, message, fix = failed
            raise kind(message if message.startswith('rank ') else f'rank {rank}: {message}', fix)
    return [cast(Result, found) for found, _ in outcomes]


def everywhere(work: Callable[[], Result]) -> Result:
    """Do something on every rank and return what this one found, which stays here; errors as in :func:`together`."""
    found: list[Result] = []
    together(lambda: found.append(work()))
    return found[0]


def first_then_others(work: Callable[[], Result]) -> Result:
    """Let rank 0 do something alone, then the others, who find it done; errors as in :func:`together`."""
    found: list[Result] = []
    for turn in (True, False):
        together(lambda mine=turn: found.append(work()) if is_first() is mine else None)  # type: ignore[misc]
    return found[0]
