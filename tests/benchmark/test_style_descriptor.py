"""The benchmark of style descriptors: its short forms of Gram matrices, and how they are judged."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'
CHANNELS = 6


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def maps(works: int, seed: int) -> Tensor:
    """Maps whose channels are mixtures of a few that vary from work to work."""
    generator = torch.Generator().manual_seed(seed)
    mixture = torch.randn(CHANNELS, 3, generator=torch.Generator().manual_seed(0))
    strengths = torch.rand(works, 3, 1, generator=generator)
    return (mixture @ (strengths * torch.randn(works, 3, 20, generator=generator))).unflatten(2, (4, 5))


def cosines(features: Tensor) -> np.ndarray:
    """Of the full Gram matrices, in NumPy."""
    grams = np.einsum('nchw,ndhw->ncd', features.double(), features.double()).reshape(len(features), -1)
    unit = grams / np.linalg.norm(grams, axis=1, keepdims=True)
    products: np.ndarray = unit @ unit.T
    return products


@pytest.mark.usefixtures('tools')
class TestProjections:
    def test_full_triangles_and_the_peer_are_exact(self) -> None:
        described, peer = maps(8, 2), load('peers.full_gram')
        fold = load('gram_projections').Fold(maps(9, 1), described)
        np.testing.assert_allclose(fold.full @ fold.full.T, cosines(described), atol=1e-5)
        np.testing.assert_allclose(peer.cosines(peer.full_gram(described)), cosines(described), atol=1e-5)

    def test_the_axes_make_the_mean_matrix_diagonal(self) -> None:
        fitted = maps(9, 1)
        fold = load('gram_projections').Fold(fitted, maps(8, 2))
        grams = torch.einsum('nchw,ndhw->ncd', fitted, fitted)
        mean = (grams / grams.flatten(1).norm(dim=1)[:, None, None]).mean(dim=0)
        turned = fold.axes.T @ mean @ fold.axes
        np.testing.assert_allclose(turned, torch.diag(torch.linalg.eigvalsh(mean).flip(0)), atol=1e-5)

    @pytest.mark.parametrize('way', ['principal_entries', 'channel_axes', 'works_pca'])
    def test_with_all_numbers_nothing_is_lost(self, way: str) -> None:
        """There are more works to fit on than numbers, so that the PCA has all axes, too."""
        projections = load('gram_projections')
        vectors = getattr(projections, way)(projections.Fold(maps(40, 1), maps(8, 2)), CHANNELS * (CHANNELS + 1) // 2)
        np.testing.assert_allclose(vectors @ vectors.T, cosines(maps(8, 2)), atol=1e-4)

    @pytest.mark.parametrize('n', [1, 5, 21])
    def test_every_way_keeps_at_most_what_it_says(self, n: int) -> None:
        projections = load('gram_projections')
        fold = projections.Fold(maps(9, 1), maps(8, 2))
        for name, (way, _) in projections.WAYS.items():
            vectors = way(fold, n)
            assert vectors.shape[0] == 8 and vectors.isfinite().all()
            assert vectors.shape[1] <= n or way is projections.statistics_of_channels, name

    def test_bytes_are_whole_steps_and_close(self) -> None:
        """Six entries: all that three mixed channels fill. Axes beyond these, and the axes' signs, are arbitrary."""
        projections = load('gram_projections')
        fold = projections.Fold(maps(9, 1), maps(8, 2))
        steps = fold.fit[:, projections.largest(fold, 6)].abs().amax(dim=0) / 127
        rounded, exact = projections.principal_entries_bytes(fold, 6), projections.principal_entries(fold, 6)
        counts = rounded / steps
        np.testing.assert_allclose(counts, counts.round(), atol=1e-3)
        assert counts.abs().max() < 127.01
        inside = exact.abs() <= 127 * steps
        assert inside.float().mean() > 0.5
        assert ((rounded.abs() - exact.abs()).abs() <= 0.51 * steps)[inside].all()


@pytest.mark.usefixtures('tools')
class TestCurve:
    def test_the_full_matrices_find_themselves(self) -> None:
        curve = load('style_curve').Curve(maps(40, 3), np.arange(40) % 3)
        full = curve.points([2])[0]
        assert full.recall == {10: 1, 50: 1} and full.apart == full.errors == 0
        assert (full.numbers, full.bytes, full.smaller) == (21, 84, 1)

    def test_halves_fit_and_are_described_in_turn(self) -> None:
        features = maps(41, 3)
        curve = load('style_curve').Curve(features, np.arange(41) % 3)
        assert sorted(np.concatenate(curve.described)) == list(range(41))
        for fold, rows in zip(curve.folds, curve.described, strict=True):
            assert torch.equal(fold.described, features[rows])
            others = np.setdiff1d(np.arange(41), rows)
            assert sorted(fold.fitted.flatten(1).tolist()) == sorted(features[others].flatten(1).tolist())

    def test_style_precision_counts_the_first_ten(self) -> None:
        """Vectors that tell the styles apart perfectly have 1, and those that are all alike the share of others."""
        curve = load('style_curve').Curve(maps(60, 3), np.arange(60) % 2)
        styles = [torch.from_numpy(curve.styles[rows]) for rows in curve.described]
        perfect = curve.measure('perfect', 4, [torch.nn.functional.one_hot(s, 2).float() for s in styles])
        assert perfect.precision == 1 and perfect.numbers == 2
        full = curve.points([2])[0]
        assert perfect.apart == pytest.approx(1 - full.precision)
        assert '| perfect | 2 | 8 | 10.5 |' in perfect.row()

    def test_sizes_that_a_way_cannot_have_are_listed_once(self) -> None:
        points = load('style_curve').Curve(maps(20, 3), np.arange(20) % 2).points([4, 2])
        assert len([p for p in points if p.way.startswith('channel mean')]) == 1
        assert len({(p.way, p.numbers) for p in points}) == len(points)

    def test_neighbours_leave_out_the_query(self) -> None:
        found = load('style_curve').neighbours(torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0]]))
        assert found.tolist() == [[1, 2], [0, 2], [1, 0]]


@pytest.mark.usefixtures('tools')
def test_painted_works_stand_in_for_pictures() -> None:
    images, styles = load('style_curve').pictures(None, 5)
    assert len(images) == 5 and styles.shape == (5,) and styles.dtype.kind == 'i'


@pytest.mark.data
@pytest.mark.usefixtures('tools')
def test_pictures_of_a_folder_have_their_styles(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / 'peopleart_pre1900/labels.csv').read_text(encoding='utf-8').splitlines()
    (tmp_path / 'labels.csv').write_text('\n'.join([lines[0], lines[1], lines[-1], lines[2]]), encoding='utf-8')
    (tmp_path / 'images').symlink_to(shared_data / 'peopleart_pre1900/images')
    images, styles = load('style_curve').pictures(tmp_path, 0)
    assert len(images) == 3 and styles.tolist() == [0, 1, 0]
