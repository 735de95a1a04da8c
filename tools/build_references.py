"""Find the references of every work (stages 1 and 2), and optionally write them as text lists."""

import argparse
from pathlib import Path

from ssmr.cli import add_config_options, add_run_options, read_config, run, start_run


def main() -> None:
    """Build the reference index."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument(
        '--lists', type=Path, metavar='DIR', help="also write {train,val,test}_refer_K.txt in the authors' format"
    )
    args = parser.parse_args()
    cfg = read_config(args)
    start_run(args, cfg)
    from ssmr.artifacts.reference_lists import write_reference_lists
    from ssmr.engine.ranks import is_first
    from ssmr.stages.pipeline import references
    from ssmr.stages.project import Project

    project = Project(cfg)
    _, index = references(project)
    if not is_first():
        return
    where = project.store.path(project.index_key())
    print(f'{len(index.queries)} queries x {index.num_references} references, {where}')
    if args.lists:
        for split in ('train', 'val', 'test'):
            chosen = project.table.splits[index.queries] == split
            lists = [item for item, wanted in zip(index.to_lists(), chosen, strict=True) if wanted]
            write_reference_lists(args.lists / f'{split}_refer_{index.num_references}.txt', lists)
        print(f'text lists: {args.lists}')


if __name__ == '__main__':
    run(main)
