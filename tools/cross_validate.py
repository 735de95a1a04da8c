"""Cross-validate a config, or the arms of a study, on all works of its table: repeated stratified folds."""

import argparse
from pathlib import Path

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Cross-validate."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('--folds', type=int, default=5, help="parts a repeat (default: 5; 0: the data set's own split)")
    parser.add_argument('--repeats', type=int, default=5, help='divisions, and seeds (default: 5)')
    parser.add_argument('--strata', type=int, default=10, help='quantile bins of the labels (default: 10)')
    parser.add_argument('--inner', type=int, default=8, help='one part of so many selects the epoch (default: 8)')
    parser.add_argument('--seed', type=int, default=0, help='of the divisions (default: 0)')
    parser.add_argument('--jobs', type=int, default=1, help='processes (default: 1)')
    parser.add_argument('--against', nargs='+', default=[], metavar='ARM', help='compare every arm with these')
    parser.add_argument('--truth', metavar='COLUMN', help='compare with this column of the labels, not the scores')
    parser.add_argument('--plot', type=Path, metavar='PNG', help='draw the SRCC of every arm with its interval')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.stages.study import Study, report

    study = Study(args.folds, args.repeats, args.strata, args.inner, args.seed, args.jobs)
    result = report(cfg, study, args.against, args.truth)
    print(result.text)
    if args.plot:
        from ssmr.visualization.forest import forest_plot

        forest_plot(result.srcc, args.plot, cfg.work_dir, 'SRCC', None)


if __name__ == '__main__':
    run(main)
