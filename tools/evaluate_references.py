"""Score what the labels of each query's first k references say: their mean, a weighted mean or a linear model."""

import argparse
import json
from pathlib import Path

from ssmr.cli import add_metric_options, run


def main() -> None:
    """Evaluate one list of references."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--references', type=Path, required=True, help='text list, or the folder of a reference index')
    parser.add_argument('--pool', type=Path, required=True, help='CSV (image, score) of the possible references')
    parser.add_argument('--queries', type=Path, required=True, help='CSV (image, score) of the queries')
    parser.add_argument('--k', type=int, nargs='+', required=True, help='how many references to use')
    parser.add_argument('--method', choices=['mean', 'rank', 'hub', 'learned'], default='mean', help='default: mean')
    parser.add_argument('--average', choices=['score', 'percentile'], default='score', help='default: score')
    parser.add_argument('--fit-lists', type=Path, help='references of other queries, to fit the method on')
    parser.add_argument('--fit-queries', type=Path, help='CSV (image, score) of those queries')
    parser.add_argument('--allow-missing', action='store_true', help='leave out queries that have no list')
    parser.add_argument('--bootstrap', type=int, default=0, metavar='N', help='resamples of intervals (default: none)')
    parser.add_argument('--seed', type=int, default=0, help='of the resamples (default: 0)')
    add_metric_options(parser)
    args = parser.parse_args()
    if bool(args.fit_lists) != bool(args.fit_queries):
        parser.error('--fit-lists and --fit-queries need each other')
    from ssmr.evaluation import csv_columns, reference_report, references
    from ssmr.evaluation.protocol import Protocol

    pool, protocol = csv_columns.read_scores(args.pool), Protocol(args.threshold, args.rule, args.bootstrap, args.seed)
    found = references.load_labels(args.references, pool, args.queries, max(args.k), allow_missing=args.allow_missing)
    fit = references.load_labels(args.fit_lists, pool, args.fit_queries, max(args.k)) if args.fit_lists else None
    report = reference_report.evaluate_references(found, args.k, pool, args.method, args.average, fit, protocol)
    print(json.dumps(report.record()) if args.json else report.text())


if __name__ == '__main__':
    run(main)
