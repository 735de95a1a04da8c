"""Style descriptors: what they cost beside the forward pass, and how short they may be.

Rows "style descriptor": the forward pass up to the maps against all of the encoder (GramStyle, ChannelStatistics) and
against full Gram matrices, on noise, with random weights. The aim is at most 5 % of the forward pass for each, and for
PrincipalGram. It is
judged by the seconds of the descriptors of ready maps, since a whole forward pass varies by more than that.

Rows "style neighbours": inner products of all pairs of short descriptors against those of full matrices. Behind them
comes the curve over sizes and ways (gram_projections.py): recall of the full matrices' neighbours, and the share of the
first ten that has the query's style. Half of the works fit, the others are queries and pool; then the halves change
places. Works and styles are those of --pictures, or else painted for the purpose, which is easier than real paintings.
The aim is a recall@50 of .95 at 1/60 of the bytes of the full triangle in float32, with a share not below the full
matrices' by more than two standard errors of the difference.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssmr.backbones.encoder import Encoder

#: Of a cosine: float32 adds up to 100,000 numbers for it.
TOLERANCE = 1e-4
AIM_OVERHEAD, AIM_RECALL, AIM_SMALLER = 0.05, 0.95, 60
#: What is timed: backbone and numbers kept a layer. VGG-16 up to conv4_3, as in configs/_base_/swin_vgg.py.
TIMED: dict[str, tuple[dict[str, Any], int]] = {
    'VGG-16': (
        {
            'type': 'mmpretrain.VGG', 'depth': 16, 'num_stages': 4, 'dilations': (1, 1, 1, 1), 'out_indices': (3,),
            'with_last_pool': False,
        },
        2048,
    ),
    'Swin-T': (
        {'type': 'mmpretrain.SwinTransformer', 'arch': 'tiny', 'out_indices': (2,), 'pad_small_map': True}, 2048
    ),
    'EfficientNet-Lite0': ({'type': 'EfficientNetLite', 'out_indices': (2, 3, 4)}, 1024),
}  # fmt: skip
PACKAGES = ['ssmr', 'torch', 'mmpretrain']
#: Ways that get a row.
NEIGHBOURS = (
    'random projection of the triangle (GramStyle)',
    'principal entries',
    'principal entries, float16',
    'principal entries, int8 (PrincipalGram)',
)


def time_forward(name: str, args: argparse.Namespace) -> str:
    """Compare, time and record one backbone."""
    import torch
    from peers.full_gram import cosines, full_gram
    from record import record
    from timing import in_turn

    from ssmr.backbones.gram_style import GramTriangle
    from ssmr.backbones.principal_gram import PrincipalEntries, PrincipalTriangle

    backbone, dim = TIMED[name]
    backbone = {**backbone, 'img_size': args.side} if 'Swin' in backbone['type'] else backbone
    part = {'backbone': backbone, 'preprocess': {'size': args.side}}
    gram = encoder({'type': 'GramStyle', 'dim': dim, **part})
    whole = encoder({'type': 'GramStyle', 'dim': 10**9, **part})
    channels = encoder({'type': 'ChannelStatistics', **part})
    images = torch.randn(args.sample, 3, args.side, args.side, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        maps = gram.feature_maps(images)
        expected = torch.stack([cosines(full_gram(m)) for m in maps]).mean(dim=0)
        unprojected, projected = whole(images), gram(images)
        torch.testing.assert_close(unprojected @ unprojected.T, expected, rtol=0, atol=TOLERANCE)
        assert (projected @ projected.T - expected).abs().max() <= 5 * (2 / dim) ** 0.5  # what SparseSketch promises
        gram_alone, channels_alone = deepcopy(gram), deepcopy(channels)
        fitted = [PrincipalEntries.fit(GramTriangle(m.shape[1])(m), m.shape[1], dim) for m in maps]
        principal = [PrincipalTriangle(layer) for layer in fitted]
        gram_alone.backbone = channels_alone.backbone = torch.nn.Identity()  # they take maps for images
        seconds = in_turn(
            {
                'forward': lambda: gram.feature_maps(images),
                'GramStyle': lambda: gram(images),
                'ChannelStatistics': lambda: channels(images),
                'full Gram matrices': lambda: [full_gram(m) for m in gram.feature_maps(images)],
                'GramStyle of ready maps': lambda: gram_alone(maps),
                'ChannelStatistics of ready maps': lambda: channels_alone(maps),
                'PrincipalGram of ready maps': lambda: [p(m) for p, m in zip(principal, maps, strict=True)],
            },
            args.runs,
        )
    shapes = ', '.join('x'.join(map(str, m.shape[1:])) for m in maps)
    limit = statistics.median(seconds['forward'])
    shares = {kind: statistics.median(runs) / limit for kind, runs in seconds.items() if 'ready' in kind}
    work = (
        f'{name}, maps {shapes} to {gram.dim} numbers; {args.sample} pictures of {args.side} pixels in one batch, '
        f'noise, random weights, {torch.get_num_threads()} threads; part of the forward pass: '
        + ', '.join(f'{kind} {share:.1%}' for kind, share in shares.items())
    )
    ours, peers = seconds['GramStyle'], {kind: seconds[kind] for kind in ('full Gram matrices', 'ChannelStatistics')}
    return record('style descriptor', work, ours, peers, limit, True, max(shares.values()) <= AIM_OVERHEAD, PACKAGES)


def encoder(config: Mapping[str, Any]) -> Encoder:
    """Build an encoder as extraction does."""
    import torch

    from ssmr.backbones.encoder import build_encoder

    built = build_encoder('style', config)
    built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    return built


def compare(args: argparse.Namespace) -> list[str]:
    """The rows of neighbours, and the rows of the curve."""
    import torch
    from gram_projections import WAYS
    from peers.full_gram import cosines, full_gram
    from record import record
    from style_curve import HEADER, Curve, maps_of, pictures
    from timing import in_turn

    images, styles = pictures(args.pictures, args.works)
    curve = Curve(maps_of(images, args.stage, args.side), styles)
    fold = curve.folds[0]
    grams = full_gram(fold.described)
    torch.testing.assert_close(fold.full @ fold.full.T, cosines(grams), rtol=0, atol=TOLERANCE)
    whose = f'the {len(images)} of {args.pictures.name}' if args.pictures else f'{args.works} painted'
    rows = []
    for way in NEIGHBOURS:
        point = curve.point(way, AIM_SMALLER)
        short = WAYS[way][0](fold, point.numbers)
        seconds = in_turn({'ours': partial(torch.mm, short, short.T), 'full': partial(cosines, grams)}, args.runs)
        work = (
            f'{way}, {point.numbers} numbers in {point.bytes} bytes, {point.smaller:.3g} times fewer than the full '
            f'triangle; recall@50 {point.recall[50]:.3f}, style P@10 {point.precision:.3f} ({point.apart:+.3f} ± '
            f'{point.errors:.3f} to the full matrices); stage {args.stage} of EfficientNet-Lite0 at {args.side} '
            f'pixels; seconds: all inner products of a half of {whose} works'
        )
        met = None if len(short) <= 51 else point.recall[50] >= AIM_RECALL and point.apart + point.errors >= 0
        peers = {'full Gram matrices': seconds['full']}
        rows.append(record('style neighbours', work, seconds['ours'], peers, None, True, met, PACKAGES))
    return [*rows, '', HEADER, *(point.row() for point in curve.points(args.smaller))]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sample', type=int, default=8, help='pictures for the timing (default: 8)')
    parser.add_argument('--side', type=int, default=224, help='of a picture, in pixels (default: 224)')
    parser.add_argument('--pictures', type=Path, help='DIR with labels.csv (image, style) and images/')
    parser.add_argument('--works', type=int, default=400, help='to paint where there are no pictures (default: 400)')
    parser.add_argument('--stage', type=int, default=5, help='of EfficientNet-Lite0, for the curve (default: 5)')
    parser.add_argument(
        '--smaller', type=float, nargs='+', default=[240, 120, 60, 30, 15], help='the sizes of the curve, as times '
        'smaller than the full triangle (default: 240 120 60 30 15)',
    )  # fmt: skip
    parser.add_argument('--runs', type=int, default=5, help='of each (default: 5)')
    args = parser.parse_args()
    from record import HEADER

    print(HEADER)
    for name in TIMED:
        print(time_forward(name, args))
    print('\n'.join(compare(args)))


if __name__ == '__main__':
    main()
