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
    add_metric_options(parser)
    args = parser.parse_args()

    from ssmr.evaluation.bootstrap import bootstrap_intervals
    from ssmr.evaluation.metrics import evaluate_scores
    from ssmr.evaluation.predictions import read_predictions
    from ssmr.evaluation.report import metrics_table

    data = read_predictions(args.file)
    at = {'threshold': args.threshold, 'rule': args.rule}
    metrics = evaluate_scores(data.scores, data.predictions, **at)
    resamples = {'n_resamples': args.bootstrap, 'seed': args.seed}
    intervals = bootstrap_intervals(data.scores, data.predictions, **resamples, **at) if args.bootstrap else {}
    if args.json:
        print(json.dumps({**metrics, **at, 'ci': intervals}))
    else:
        print(metrics_table({args.file.stem: metrics}, {args.file.stem: intervals}, **at))


if __name__ == '__main__':
    run(main)
