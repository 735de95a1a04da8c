"""Extract the features of a config's views (stage 1 alone)."""

import argparse

from ssmr.cli import add_config_options, add_run_options, read_config, run, start_run


def main() -> None:
    """Extract."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument(
        '--view', action='append', help='only this view (repeat for several); by default all that the config uses'
    )
    args = parser.parse_args()
    cfg = read_config(args)
    start_run(args, cfg)
    from ssmr.engine.ranks import print_once
    from ssmr.errors import ConfigError
    from ssmr.stages.extract import feature_bank
    from ssmr.stages.project import Project

    project = Project(cfg)
    for view in args.view or project.views:
        if view not in project.views:
            raise ConfigError(f'--view {view}: the config uses {", ".join(project.views)}', 'name one of those')
        bank = feature_bank(project, view)
        where = project.store.path(project.bank_key(view))
        print_once(f'{view}: {len(bank.ids)} x {bank.dim}, {len(bank.quarantine)} quarantined, {where}')


if __name__ == '__main__':
    run(main)
