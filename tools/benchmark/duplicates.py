"""How many altered copies of paintings a perceptual hash finds, and how many unrelated pairs it takes for copies.

One Markdown table: for each size of the hash and each threshold, the pairs among the given (distinct) works that would
be linked, the number to expect among as many works as --works says, and the share of altered copies that are found.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

THRESHOLDS = {8: (4, 6, 8, 10, 12, 14), 16: (20, 30, 40, 50, 60, 64, 70, 80)}


def alterations() -> dict[str, Callable[[Image], Image]]:
    """Ways in which a copy differs."""
    from PIL import Image, ImageEnhance, ImageOps

    def saved(image: Image.Image) -> Image.Image:
        data = io.BytesIO()
        image.save(data, 'JPEG', quality=40)
        return Image.open(data).convert('RGB')

    def cut(image: Image.Image) -> Image.Image:
        x, y = round(0.03 * image.width), round(0.03 * image.height)
        return image.crop((x, y, image.width - x, image.height - y))

    return {
        'JPEG 40': saved,
        'half size': lambda image: image.resize((image.width // 2, image.height // 2)),
        'tone': lambda image: ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.1)).enhance(1.15),
        'grey': lambda image: image.convert('L').convert('RGB'),
        'border 2 %': lambda image: ImageOps.expand(image, round(0.02 * min(image.size)), 'white'),
        'cut 3 % a side': cut,
        'cut and JPEG': lambda image: saved(cut(image)),
        'mirrored': ImageOps.mirror,
    }


def hashes(images: list[Image], size: int) -> np.ndarray:
    """[N, size²] bits as -1 and 1."""
    import numpy as np

    from ssmr.verification.pictures import perceptual_hash

    packed = np.stack([np.frombuffer(perceptual_hash(image, size), np.uint8) for image in images])
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folders', nargs='+', type=Path, help='folders of distinct works')
    parser.add_argument('--works', type=int, default=60_337, help='size of the set to estimate for (default: 60337)')
    args = parser.parse_args()
    import numpy as np

    from ssmr.datasets.images import load_image

    files = [(folder, path.name) for folder in args.folders for path in sorted(folder.iterdir()) if path.is_file()]
    images, ways = [load_image(*file) for file in files], alterations()
    n, total = len(images), args.works * (args.works - 1) / 2
    print(f'{n} works, {n * (n - 1) // 2} pairs\n')
    print(f'| bits | threshold | linked pairs | expected of {args.works} works | {" | ".join(ways)} |')
    print(f'|{"---|" * (4 + len(ways))}')
    for size, thresholds in THRESHOLDS.items():
        own, bits = hashes(images, size), size**2
        between = ((bits - own @ own.T) / 2)[np.triu_indices(n, 1)]
        apart = [(bits - (own * hashes([alter(i) for i in images], size)).sum(1)) / 2 for alter in ways.values()]
        for threshold in thresholds:
            chance = tail(between, threshold) * total
            found = ' | '.join(f'{(distance <= threshold).mean():.3f}' for distance in apart)
            print(f'| {bits} | {threshold} | {(between <= threshold).sum()} | {chance:.2g} | {found} |')
        for at in np.argsort(between)[:5]:
            a, b = (index[at] for index in np.triu_indices(n, 1))
            print(f'<!-- {bits} bits, nearest: {int(between[at])}, {files[a][1]}, {files[b][1]} -->')


def tail(distances: np.ndarray, threshold: int) -> float:
    """Probability of a distance up to ``threshold`` by a line through the logarithm of the observed lower tail.

    The line joins the 100th and the 2,000th smallest distance. A real tail bends down, so that this is too high rather
    than too low; the nearest pairs, which may be real copies, have no say.
    """
    import numpy as np

    near, far = np.partition(distances, (99, 1999))[[99, 1999]]
    slope = np.log(2000 / 100) / (far - near)
    return float(min(1.0, 100 / len(distances) * np.exp(slope * (threshold - near))))


if __name__ == '__main__':
    main()
