"""Samplers: the order of a pass over the data, from its beginning or from where a run was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import islice

from mmengine.dataset import DefaultSampler


class PassSampler(DefaultSampler):
    """mmengine's sampler, which can begin in the middle of a pass.

    The order is a function of (seed, epoch, rank) alone, so that a run that is resumed goes on with the very next item.

    Attributes:
        start: How many of this rank's items are done already.
    """

    start: int = 0

    def __iter__(self) -> Iterator[int]:
        return islice(super().__iter__(), self.start, None)


class DrawSampler(PassSampler):
    """A sampler that gives each position with the seed and the epoch its augmentation is drawn from.

    The draw is a function of (seed, epoch, row) alone: not of the worker that makes it, of how many there are, of
    whether they outlive an epoch, or of where a run was resumed.
    """

    def __iter__(self) -> Iterator[tuple[int, int, int]]:  # type: ignore[override]  # mmengine's gives the position
        seed, epoch = self.seed, self.epoch
        return ((position, seed, epoch) for position in super().__iter__())


class BatchwiseSampler(DefaultSampler):
    """A sampler for evaluation that deals out whole batches, each composed as one process alone would compose it.

    So predictions are the same to the last bit whatever the number of ranks; nothing is padded, some ranks may have a
    batch less.

    Args:
        dataset: With a length.
        batch_size: That of the loader.
        seed: Not used; mmengine gives it to every sampler.
    """

    def __init__(self, dataset: Sized, batch_size: int, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle=False, seed=seed, round_up=False)
        starts = range(self.rank * batch_size, len(dataset), self.world_size * batch_size)
        self.positions = [i for start in starts for i in range(start, min(start + batch_size, len(dataset)))]

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)
