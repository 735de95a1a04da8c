"""Evaluate a checkpoint on a split, beside the trivial baselines, with 95 % intervals."""

import argparse
from pathlib import Path

from ssmr.cli import add_config_options, add_run_options, read_config, run, start_run


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument('checkpoint', help='a checkpoint of this config, e.g. work_dirs/NAME/best.pth')
    parser.add_argument('--split', choices=['val', 'test'], default='test')
    return parser.parse_args()


def main() -> None:
    """Evaluate."""
    args = parse()
    cfg = read_config(args)
    start_run(args, cfg)
    from ssmr.engine.ranks import is_first
    from ssmr.stages.evaluate import evaluate
    from ssmr.stages.pipeline import references
    from ssmr.stages.project import Project

    project = Project(cfg)
    result = evaluate(project, *references(project), checkpoint=Path(args.checkpoint), split=args.split)
    if not is_first():
        return
    leaks = f'; {result.leaks} training works are duplicates of works of val or test' if result.leaks else ''
    print(f'{project.table.name}, {args.split} split; {result.left_out} unreadable works left out{leaks}\n')
    print(result.table)
    print(f'predictions: {result.predictions}')


if __name__ == '__main__':
    run(main)
