"""Does it help to look at references? Train the model, and the same network without and with random references.

Each is trained with several seeds; they are compared on the same images."""

import argparse

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('--seeds', type=int, default=3, help='runs of each (default: 3)')
    parser.add_argument(
        '--truth', metavar='COLUMN', help='compare with this column of the labels instead of the scores'
    )
    parser.add_argument('--split', choices=['val', 'test'], default='test')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.stages.comparison import difference_line
    from ssmr.stages.controls import compare

    result = compare(cfg, args.seeds, args.truth, args.split)
    print(f'\nMeans of {args.seeds} seeds:\n\n{result.table}\n\nSRCC of each seed:')
    for name, values in result.srcc_by_run.items():
        if len(values) > 1:
            print(f'  {name}: {", ".join("undefined" if v is None else f"{v:.4f}" for v in values)}')
    for pair, difference in result.differences.items():
        print(difference_line(pair, difference))


if __name__ == '__main__':
    run(main)
