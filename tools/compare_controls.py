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
    from ssmr.stages.controls import compare

    result = compare(cfg, args.seeds, args.truth, args.split)
    print(f'\nMeans of {args.seeds} seeds:\n\n{result.table}\n\nSRCC of each seed:')
    for name, values in result.srcc_by_seed.items():
        print(f'  {name}: {", ".join("undefined" if v is None else f"{v:.4f}" for v in values)}')
    for control, d in result.differences.items():
        if d.difference is None or d.low is None or d.high is None or d.p_value is None:
            print(f'SRCC less that of {control}: undefined')
        else:
            print(
                f'SRCC less that of {control}: {d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}], p = {d.p_value:.3f}'
            )


if __name__ == '__main__':
    run(main)
