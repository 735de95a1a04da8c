"""Print the metrics of a CSV of predictions (columns image, score, prediction) with bootstrap intervals."""

import argparse
import json
from pathlib import Path

from ssmr.cli import add_metric_options, run


def main() -> None:
    """Evaluate one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', type=Path)
    parser.add_argument('--bootstrap', type=int, default=1000, metavar='N', help='resamples (default: 1000; 0: none)')
    parser.add_argument('--seed', type=int, default=0, help='of the resamples (default: 0)')
    parser.add_argument('--labels', type=Path, metavar='CSV', help='where --by and --truth are, instead of the file')
    parser.add_argument('--truth', metavar='COLUMN', help='evaluate against these numbers instead of the scores')
    parser.add_argument('--by', metavar='COLUMN', help='also evaluate each group, such as style or theme')
    parser.add_argument('--min-size', type=int, default=10, metavar='N', help='smallest group to judge (default: 10)')
    parser.add_argument('--deciles', action='store_true', help='also bias and error by decile of the label')
    parser.add_argument('--calibration', nargs='?', const='reference_sd', metavar='SD', help='also judge this sd')
    parser.add_argument('--calibrate-on', type=Path, metavar='CSV', help="fit the sd's scale on these predictions")
    parser.add_argument('--plot', type=Path, metavar='PNG', help='draw the reliability of the sd')
    add_metric_options(parser)
    args = parser.parse_args()
    if (args.plot or args.calibrate_on) and not args.calibration:
        parser.error('--plot and --calibrate-on need --calibration')
    from ssmr.evaluation.protocol import Protocol
    from ssmr.evaluation.summary import SummaryOptions, summarize
    from ssmr.visualization.reliability import reliability_plot

    options = SummaryOptions(**{name: getattr(args, name) for name in SummaryOptions.__dataclass_fields__})
    found = summarize(args.file, options, Protocol(args.threshold, args.rule, args.bootstrap, args.seed))
    if args.plot and found.calibration:
        reliability_plot(found.calibration.bins, args.plot, f'{args.file.stem}: {args.calibration}')
    print(json.dumps(found.record) if args.json else found.text)


if __name__ == '__main__':
    run(main)
