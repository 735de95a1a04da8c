"""Encoding: in order, in the same bits whatever else is encoded, and no further ahead than it has to be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from ssmr.backbones.encoder import Encoder, build_encoder
from ssmr.config.load import load_config
from ssmr.datasets.images import load_image
from ssmr.stages.encoding import encode, in_order
from ssmr.stages.project import Project, plain


@pytest.fixture
def project(tiny_config: Path) -> Project:
    return Project(load_config(tiny_config))


@pytest.fixture(params=['semantic', 'style'])
def encoder(project: Project, request: pytest.FixtureRequest) -> Encoder:
    return build_encoder(request.param, plain(project.cfg.encoders[request.param]))


def test_vectors_are_those_of_single_pictures(project: Project, encoder: Encoder) -> None:
    table = project.table
    for work in encode(encoder, table, [5, 2, 11, 0, 3], 'cpu', 4, None):
        image = torch.from_numpy(encoder.preprocess(load_image(table.root, table.files[work.row])))[None]
        np.testing.assert_allclose(work.vector, encoder(image)[0], rtol=1e-4, atol=1e-5)


def test_neither_neighbours_nor_threads_change_a_bit(project: Project, encoder: Encoder) -> None:
    before, found = torch.get_num_threads(), []
    for threads, rows in ((1, range(24)), (3, range(23, -1, -1)), (2, [7, 1, 9]), (1, [7])):
        torch.set_num_threads(threads)
        works = {work.row: work.vector.tobytes() for work in encode(encoder, project.table, rows, 'cpu', 32, None)}
        assert list(works) == list(rows) and torch.get_num_threads() == threads
        found.append(works)
    torch.set_num_threads(before)
    assert all(works[row] == found[0][row] for works in found for row in works)


def test_a_picture_that_cannot_be_read_is_a_reason_and_changes_no_other(project: Project, encoder: Encoder) -> None:
    whole = list(encode(encoder, project.table, range(6), 'cpu', 4, None))
    project.table.path(2).write_bytes(b'no image')
    for work, before in zip(encode(encoder, project.table, range(6), 'cpu', 4, None), whole, strict=True):
        if work.row == 2:
            assert 'not an image' in work.reason and not work.vector.any() and not work.content.any()
        else:
            assert not work.reason and work.vector.tobytes() == before.vector.tobytes()


def test_no_more_is_begun_than_asked_for() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda number: number * 2, items(), 3)
        assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
        assert len(begun) <= 5 + 3
        assert list(results) == [number * 2 for number in range(5, 100)]


def test_threads_end_with_whoever_stops_asking(project: Project) -> None:
    encoder = build_encoder('semantic', plain(project.cfg.encoders.semantic))
    works = encode(encoder, project.table, range(24), 'cpu', 1, None)
    next(works)
    assert any(thread.name.startswith('ssmr-encode') for thread in threading.enumerate())
    works.close()
    assert not any(thread.name.startswith('ssmr-encode') for thread in threading.enumerate())
