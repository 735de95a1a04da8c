"""Principal entries of Gram matrices: against NumPy, as a file, and as an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn.functional import normalize

from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.gram_style import GramTriangle, SparseSketch
from ssmr.backbones.principal_gram import PrincipalEntries, PrincipalTriangle, read_axes
from ssmr.errors import WeightsError

CHANNELS, ALL = 6, 21


def maps(seed: int, works: int = 40, channels: int = CHANNELS) -> torch.Tensor:
    """[works, C, 5, 4], whose channels are few mixtures, as a network's are."""
    generator = torch.Generator().manual_seed(seed)
    mixture = torch.randn(channels, channels, generator=torch.Generator().manual_seed(99))
    scale = 0.5 ** torch.arange(channels)
    drawn = torch.randn(works, channels, 20, generator=generator) * scale[:, None]
    return torch.relu(mixture @ drawn).reshape(works, channels, 5, 4)


def fit(numbers: int, seed: int = 0, channels: int = CHANNELS) -> PrincipalEntries:
    return PrincipalEntries.fit(GramTriangle(channels)(maps(seed, channels=channels)), channels, numbers)


def unit_grams(features: torch.Tensor) -> np.ndarray:
    """[B, C, C] float64, of length 1."""
    flat = features.flatten(2).double().numpy()
    grams = flat @ flat.transpose(0, 2, 1)
    return np.asarray(grams / np.linalg.norm(grams, axis=(1, 2), keepdims=True))


def test_axes_entries_and_steps_are_numpys() -> None:
    fitted, grams = fit(9), unit_grams(maps(0))
    _, vectors = np.linalg.eigh(grams.mean(axis=0))
    np.testing.assert_allclose(np.abs(vectors[:, ::-1].T @ fitted.axes.double().numpy()), np.eye(CHANNELS), atol=1e-3)
    axes = fitted.axes.double().numpy()
    turned = axes.T @ grams @ axes * np.where(np.eye(CHANNELS, dtype=bool), 1, 2**0.5)
    upper = np.triu_indices(CHANNELS)
    mean_square = np.square(turned)[:, upper[0], upper[1]].mean(axis=0)
    kept = sorted(np.argsort(-mean_square)[:9])
    positions = np.ravel_multi_index(upper, (CHANNELS, CHANNELS))
    assert sorted(fitted.entries.tolist()) == positions[kept].tolist()
    largest = np.abs(turned.reshape(len(grams), -1)[:, fitted.entries.numpy()]).max(axis=0)
    np.testing.assert_allclose(fitted.steps.numpy() * 127, largest, rtol=1e-3)


def test_a_descriptor_is_the_rounded_entries() -> None:
    fitted, others = fit(9), maps(1)
    axes = fitted.axes.double().numpy()
    turned = axes.T @ unit_grams(others) @ axes * np.where(np.eye(CHANNELS, dtype=bool), 1, 2**0.5)
    entries = turned.reshape(len(others), -1)[:, fitted.entries.numpy()]
    expected = np.clip(entries / fitted.steps.double().numpy(), -127, 127)
    numbers = PrincipalTriangle(fitted)(others).numpy()
    assert (numbers == np.rint(numbers)).all() and np.abs(numbers).max() <= 127
    assert np.abs(numbers - expected).max() <= 0.51


@given(seed=st.integers(0, 1000))
def test_all_entries_give_the_cosines_of_full_matrices_up_to_the_steps(seed: int) -> None:
    fitted, features = fit(ALL, seed), maps(seed)  # the works it was fitted to: none is beyond the largest step
    vectors = PrincipalTriangle(fitted)(features) * fitted.steps
    grams = unit_grams(features).reshape(len(features), -1)
    off = float(fitted.steps.norm()) / 2  # at most, of a vector
    assert np.abs((vectors @ vectors.T).numpy() - grams @ grams.T).max() <= 2 * off + off**2 + 1e-5


def test_they_find_more_neighbours_than_a_projection_of_as_many_numbers() -> None:
    channels, n = 24, 30
    fitted, features = fit(n, channels=channels), maps(1, 80, channels)
    full = GramTriangle(channels)(features)
    short = PrincipalTriangle(fitted)(features) * fitted.steps
    blind = SparseSketch(full.shape[1], n, seed=0)(full)

    def near(vectors: torch.Tensor) -> np.ndarray:
        return np.asarray((vectors @ vectors.T).fill_diagonal_(-np.inf).topk(10).indices)

    def recall(vectors: torch.Tensor) -> float:
        return float(np.mean([np.isin(a, b).mean() for a, b in zip(near(vectors), near(full), strict=True)]))

    assert recall(short) > 0.9 > recall(blind)


BACKBONE = {'type': 'EfficientNetLite', 'out_indices': (1, 2)}


def write(path: Path, channels: tuple[int, ...] = (16, 24), **changed: torch.Tensor) -> str:
    tensors: dict[str, torch.Tensor] = {}
    for layer, c in enumerate(channels):
        tensors |= fit(10, channels=c).tensors(layer)
    save_file({**tensors, **changed}, path)
    return str(path)


def encoder(axes: str) -> Any:
    part = {'type': 'PrincipalGram', 'backbone': BACKBONE, 'axes': axes, 'preprocess': {'size': 64}}
    return build_encoder('style', part)


def test_the_encoder_puts_layers_side_by_side_in_their_steps(tmp_path: Path) -> None:
    path = write(tmp_path / 'axes.safetensors')
    built, images = encoder(path), torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        vectors, features = built(images), built.feature_maps(images)
    layers = read_axes(path)
    expected = [PrincipalTriangle(layer)(m) * layer.steps for layer, m in zip(layers, features, strict=True)]
    torch.testing.assert_close(vectors, torch.cat(expected, dim=1) / 2**0.5)
    multiples = vectors.numpy() / built.steps
    np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-4)
    assert built.dim == 20


def test_a_map_of_zeros_has_a_descriptor_of_zeros() -> None:
    assert (PrincipalTriangle(fit(9))(torch.zeros(1, CHANNELS, 3, 3)) == 0).all()


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'there is no file .*none\.safetensors') as caught:
        encoder(str(tmp_path / 'none.safetensors'))
    assert 'tools/fit_style.py' in caught.value.fix


def test_axes_of_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'maps of \[24, 16\] channels, the backbone gives \[16, 24\]'):
        encoder(write(tmp_path / 'axes.safetensors', (24, 16)))


@pytest.mark.parametrize(
    'changed',
    [
        {'0.axes': torch.zeros(16, 15)},
        {'0.axes': torch.full((16, 16), torch.nan)},
        {'0.axes': torch.zeros(())},
        {'0.entries': torch.full((10,), 256)},
        {'0.entries': torch.full((10,), -1)},
        {'0.entries': torch.zeros(10)},
        {'0.steps': torch.zeros(10)},
        {'0.steps': torch.ones(9)},
        {'0.steps': torch.ones(10, dtype=torch.float64)},
    ],
    ids=lambda changed: f'{next(iter(changed))} {tuple(next(iter(changed.values())).shape)}',
)  # fmt: skip
def test_tensors_that_were_not_fitted_are_refused(tmp_path: Path, changed: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match='does not hold fitted axes'):
        read_axes(write(tmp_path / 'axes.safetensors', **changed))


@pytest.mark.parametrize('content', [b'', b'rubbish', b'\x80\x04' + b'0' * 50])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'axes.safetensors').write_bytes(content)
    with pytest.raises(WeightsError, match='does not hold fitted axes'):
        read_axes(str(tmp_path / 'axes.safetensors'))


def test_a_file_without_any_layer_is_refused(tmp_path: Path) -> None:
    save_file({'other': normalize(torch.ones(2, 2))}, tmp_path / 'axes.safetensors')
    with pytest.raises(WeightsError, match='does not hold fitted axes'):
        read_axes(str(tmp_path / 'axes.safetensors'))
