"""How well does each view of a config find works of one's own style (or another class)? No scores are needed."""

import argparse
import json
from dataclasses import asdict

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('--class-column', required=True, help='column of the labels that references should share')
    parser.add_argument('--artist-column', help='column of the artists, to tell style from hand')
    parser.add_argument('--k', type=int, default=10, help='references a query (default: 10)')
    parser.add_argument('--fuse', nargs='+', default=[], metavar='A+B', help='also the mean of these views, e.g. s+t')
    parser.add_argument('--semantic-view', default='semantic', help='to look for near duplicates (default: semantic)')
    parser.add_argument('--near', type=float, default=0.9, help='list pairs above this cosine (default: 0.9)')
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.stages.project import Project
    from ssmr.stages.style_precision import style_table
    from ssmr.stages.style_retrieval import evaluate_style_retrieval

    result = evaluate_style_retrieval(
        Project(cfg), args.class_column, args.artist_column, args.k, args.fuse, args.near, args.semantic_view
    )
    if args.json:
        print(json.dumps(asdict(result)))
        return
    print(f'{style_table(result)}\n\n{len(result.near_duplicates)} pairs above a cosine of {args.near:g}:')
    for first, second, cosine in result.near_duplicates:
        print(f'  {cosine:.4f}  {first}  {second}')


if __name__ == '__main__':
    run(main)
