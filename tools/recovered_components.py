"""Where the truth is known: how much of what two factors explain, and of the rest, predictions have found."""

import argparse
from pathlib import Path

from ssmr.cli import run


def main() -> None:
    """Compare files of predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('files', type=Path, nargs='+', help='CSVs of predictions (image, score, prediction)')
    parser.add_argument('--labels', type=Path, required=True, help='CSV with the truth and the factors of each image')
    parser.add_argument('--truth', default='true_score', metavar='COLUMN', help='default: true_score')
    parser.add_argument('--factors', nargs=2, default=['scene', 'style'], metavar='COLUMN', help='default: scene style')
    args = parser.parse_args()
    from ssmr.evaluation.components import components_of_files, components_table

    found = components_of_files(args.files, args.labels, args.truth, args.factors)
    print(components_table(found, args.factors))


if __name__ == '__main__':
    run(main)
