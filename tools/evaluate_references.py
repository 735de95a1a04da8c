"""Score the mean label of each query's first k references, without any training."""

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
    parser.add_argument('--k', type=int, nargs='+', required=True, help='how many references to average')
    parser.add_argument('--allow-missing', action='store_true', help='leave out queries that have no list')
    add_metric_options(parser)
    args = parser.parse_args()

    from ssmr.evaluation.csv_columns import read_scores
    from ssmr.evaluation.references import evaluate_reference_labels, load_references
    from ssmr.evaluation.report import metrics_table

    lists, queries = load_references(args.references), read_scores(args.queries)
    at = {'threshold': args.threshold, 'rule': args.rule}
    how = {'allow_missing': args.allow_missing, 'skip_unknown': args.references.is_dir(), 'source': args.references}
    by_k = evaluate_reference_labels(lists, read_scores(args.pool), queries, args.k, **how, **at)
    left_out = len(queries) - sum(entry.query in queries for entry in lists)
    if args.json:
        print(json.dumps({'n': len(queries) - left_out, 'left_out': left_out, **at, 'k': by_k}))
        return
    print(metrics_table({f'k = {k}': metrics for k, metrics in by_k.items()}, **at))
    if left_out:
        print(f'\n{left_out} of {len(queries)} queries have no list and were left out')


if __name__ == '__main__':
    run(main)
