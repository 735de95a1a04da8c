"""Compare two CSVs of predictions (columns image, score, prediction) of the same images, with a paired bootstrap."""

import argparse
import json
from pathlib import Path

from ssmr.cli import add_metric_options, run


def main() -> None:
    """Compare two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('a', type=Path)
    parser.add_argument('b', type=Path)
    what = 'differences to give, A less B (default: srcc plcc mae)'
    parser.add_argument('--metric', nargs='+', default=['srcc', 'plcc', 'mae'], help=what)
    parser.add_argument('--common', action='store_true', help='compare the images in both files, leave out the others')
    parser.add_argument('--bootstrap', type=int, default=1000, metavar='N', help='resamples (default: 1000)')
    parser.add_argument('--seed', type=int, default=0, help='of the resamples (default: 0)')
    add_metric_options(parser)
    args = parser.parse_args()

    from ssmr.evaluation.comparison import compare_files
    from ssmr.evaluation.protocol import Protocol

    protocol = Protocol(args.threshold, args.rule, args.bootstrap, args.seed)
    found = compare_files(args.a, args.b, args.metric, protocol, common=args.common)
    print(json.dumps(found.record()) if args.json else found.text())


if __name__ == '__main__':
    run(main)
