"""Paint the quickstart's data set: works in many scenes and styles, scored by a stated model of taste (no people)."""

import argparse
from pathlib import Path

from ssmr.cli import run


def main() -> None:
    """Paint into --out, or find it complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, required=True, help='folder to make; refused if something else is there')
    parser.add_argument('--images', type=int, default=1500, help='number of works (default: 1500)')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes (default: 0)')
    parser.add_argument('--size', type=int, default=192, help='side in pixels (default: 192)')
    parser.add_argument('--workers', type=int, help='processes (default: one per processor)')
    args = parser.parse_args()

    from ssmr.datasets.procedural.generate import generate

    out = generate(args.out, args.images, args.seed, args.size, args.workers)
    print(f'{args.images} works in {out / "images"}, labels in {out / "labels.csv"}')


if __name__ == '__main__':
    run(main)
