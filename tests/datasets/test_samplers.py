"""Samplers against plain definitions: who gets which works in which order, and what is left after an interruption."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ssmr.datasets.samplers import BatchwiseSampler, DrawSampler, PassSampler

sizes = st.integers(1, 60)
worlds = st.integers(1, 9)
batch_sizes = st.integers(1, 20)
seeds = st.integers(0, 2**31)
epochs = st.integers(0, 500)


@contextmanager
def rank_of(rank: int, world: int) -> Iterator[None]:
    """What is built inside is that of one rank."""
    with patch('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world)):
        yield


def samplers(kind: Any, world: int, *arguments: Any, epoch: int = 0, **options: Any) -> list[Any]:
    """Of every rank."""
    found = []
    for rank in range(world):
        with rank_of(rank, world):
            found.append(kind(*arguments, **options))
        found[-1].set_epoch(epoch)
    return found


def dealt(hands: list[list[Any]]) -> list[Any]:
    """The items in the order in which they were dealt out, one to each rank in turn."""
    return [hand[turn] for turn in range(len(hands[0])) for hand in hands]


def order_of(n: int, seed: int, epoch: int) -> list[int]:
    """The definition: a permutation by (seed, epoch)."""
    return list(torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch)).tolist())


def batches_of(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


class TestPassSampler:
    @given(sizes, worlds, seeds, epochs)
    def test_ranks_share_a_permutation_in_parts_of_one_length(self, n: int, world: int, seed: int, epoch: int) -> None:
        hands = samplers(PassSampler, world, range(n), epoch=epoch, seed=seed)
        shares = [list(hand) for hand in hands]
        assert {len(share) for share in shares} == {math.ceil(n / world)} == {len(hand) for hand in hands}
        cards, order = dealt(shares), order_of(n, seed, epoch)
        assert sorted(cards[:n]) == list(range(n)), 'each once'
        assert cards == [order[i % n] for i in range(len(cards))], 'the last turn is filled up from the beginning'

    @given(sizes, worlds, seeds, epochs, st.integers(0, 80))
    def test_from_its_start_it_gives_the_rest_and_nothing_else(
        self, n: int, world: int, seed: int, epoch: int, start: int
    ) -> None:
        for sampler in samplers(PassSampler, world, range(n), epoch=epoch, seed=seed):
            whole = list(sampler)
            sampler.start = start
            assert list(sampler) == whole[start:] == list(sampler), 'again and again'
            assert len(sampler) == len(whole), 'a pass does not become shorter'
            sampler.start = 0
            assert list(sampler) == whole

    @given(sizes, worlds, batch_sizes, seeds, st.data())
    def test_a_loader_goes_on_with_the_next_batch(
        self, n: int, world: int, size: int, seed: int, data: st.DataObject
    ) -> None:
        for sampler in samplers(PassSampler, world, range(n), seed=seed):
            loader = DataLoader(range(n), size, sampler=sampler, collate_fn=list)  # type: ignore[arg-type]
            whole = list(loader)
            assert whole == batches_of(list(sampler), size) and len(loader) == len(whole)
            done = data.draw(st.integers(0, len(whole)))
            sampler.start = done * size
            assert list(loader) == whole[done:]

    @given(st.integers(20, 60), seeds, st.integers(0, 500), st.integers(1, 500))
    def test_epochs_differ_and_come_again(self, n: int, seed: int, epoch: int, more: int) -> None:
        with rank_of(0, 1):
            sampler = PassSampler(range(n), seed=seed)
        found = []
        for number in (epoch, epoch + more, epoch):
            sampler.set_epoch(number)
            found.append(list(sampler))
        assert found[0] != found[1] and found[0] == found[2]

    @given(sizes, worlds, epochs)
    def test_unshuffled_it_deals_in_order(self, n: int, world: int, epoch: int) -> None:
        hands = samplers(PassSampler, world, range(n), epoch=epoch, seed=0, shuffle=False)
        assert dealt([list(hand) for hand in hands])[:n] == list(range(n))

    @given(sizes, seeds, epochs)
    def test_it_draws_from_no_generator_of_the_process(self, n: int, seed: int, epoch: int) -> None:
        """A resumed run iterates over fewer items; what else is drawn must not depend on it."""
        before = torch.get_rng_state()
        for sampler in samplers(PassSampler, 2, range(n), epoch=epoch, seed=seed):
            list(sampler)
        assert torch.equal(torch.get_rng_state(), before)


class TestDrawSampler:
    @given(sizes, worlds, seeds, epochs, st.integers(0, 80))
    def test_each_position_comes_with_what_its_draw_depends_on(
        self, n: int, world: int, seed: int, epoch: int, start: int
    ) -> None:
        draws, plain = (samplers(kind, world, range(n), epoch=epoch, seed=seed) for kind in (DrawSampler, PassSampler))
        for drawn, positions in zip(draws, plain, strict=True):
            drawn.start = positions.start = start
            assert list(drawn) == [(position, seed, epoch) for position in positions]
            assert len(drawn) == len(positions)

    def test_a_pass_that_has_begun_keeps_its_epoch(self) -> None:
        with rank_of(0, 1):
            sampler = DrawSampler(range(5), seed=7)
        begun = iter(sampler)
        sampler.set_epoch(3)
        assert {epoch for _, _, epoch in begun} == {0} and {epoch for _, _, epoch in sampler} == {3}


class TestBatchwiseSampler:
    @given(sizes, worlds, batch_sizes)
    def test_batches_are_those_of_one_process_dealt_out_in_turn(self, n: int, world: int, size: int) -> None:
        alone = batches_of(list(range(n)), size)
        hands = samplers(BatchwiseSampler, world, range(n), size)
        found = []
        for rank, sampler in enumerate(hands):
            loader = DataLoader(range(n), size, sampler=sampler, collate_fn=list)  # type: ignore[arg-type]
            found.append(list(loader))
            assert found[-1] == alone[rank::world], 'as the loader cuts them'
            assert len(loader) == len(found[-1]) and len(sampler) == sum(map(len, found[-1]))
        items = [item for share in found for batch in share for item in batch]
        assert sorted(items) == list(range(n)), 'each once, and nothing padded'
        assert max(map(len, found)) - min(map(len, found)) <= 1

    @given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9))
    def test_ranks_beyond_the_batches_have_nothing_to_do(self, batches: int, size: int, idle: int) -> None:
        hands = samplers(BatchwiseSampler, batches + idle, range(batches * size), size)
        assert [len(list(hand)) for hand in hands] == [size] * batches + [0] * idle

    @given(sizes, worlds, batch_sizes, seeds, epochs)
    def test_neither_seed_nor_epoch_matter(self, n: int, world: int, size: int, seed: int, epoch: int) -> None:
        plain = samplers(BatchwiseSampler, world, range(n), size)
        other = samplers(BatchwiseSampler, world, range(n), size, seed=seed, epoch=epoch)
        assert [list(sampler) for sampler in plain] == [list(sampler) for sampler in other]


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('kind', [PassSampler, DrawSampler])
def test_workers_do_not_change_what_comes_when(kind: Any, workers: int) -> None:
    """22 items on 3 ranks: the last batch of each is smaller, and one rank's is filled up."""
    for sampler in samplers(kind, 3, range(22), seed=5, epoch=2)[::workers]:
        sampler.start = 3
        loaders = [
            DataLoader(Echo(), 3, sampler=sampler, num_workers=number, collate_fn=list) for number in (0, workers)
        ]
        alone, helped = (list(loader) for loader in loaders)
        assert alone == helped == batches_of(list(sampler), 3) and [len(batch) for batch in alone] == [3, 2]


class Echo(torch.utils.data.Dataset[Any]):
    """Gives back what it is asked for."""

    def __getitem__(self, item: Any) -> Any:
        return item
