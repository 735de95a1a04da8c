"""Encoders of one vector an image, against mmpretrain itself."""

from __future__ import annotations

import pytest
import torch

from ssmr.backbones.encoder import build_encoder
from ssmr.errors import ConfigError


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
        'backbone': {'type': 'EfficientNetLite', 'out_indices': [1]},
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
        build_encoder('semantic', {'type': 'EfficientNetLite'})


@pytest.mark.parametrize('kind', ['GlobalFeature', 'GramStyle'])
def test_a_size_that_the_backbone_refuses_is_named(kind: str) -> None:
    swin = {'type': 'mmpretrain.SwinTransformer', 'arch': 'tiny'}
    with pytest.raises(ConfigError, match=r'(?s)SwinTransformer.*96 pixels.*window.*preprocess.size'):
        assert build_encoder('style', {'type': kind, 'backbone': swin, 'preprocess': {'size': 96}}).dim
