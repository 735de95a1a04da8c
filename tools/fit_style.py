"""Fit a PrincipalGram encoder to works of the training split, and write the file that the config names as its axes."""

import argparse

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('--view', default='style', help='of the config (default: style)')
    parser.add_argument('--works', type=int, default=1000, help='to fit to, at most (default: 1000)')
    parser.add_argument(
        '--smaller', type=float, default=60, help='bytes of full Gram triangles in float32, over those of a descriptor '
        '(default: 60)',
    )  # fmt: skip
    parser.add_argument('--replace', action='store_true', help='fit although the file is there')
    args = parser.parse_args()
    cfg = read_config(args)
    from pathlib import Path

    from ssmr.errors import ConfigError
    from ssmr.stages.fit_style import fit_style
    from ssmr.stages.project import Project

    axes = cfg.encoders.get(args.view, {}).get('axes')
    if axes and Path(axes).expanduser().exists() and not args.replace:
        raise ConfigError(f'{axes} is there already', 'give --replace to fit again; features are then extracted again')
    print(fit_style(Project(cfg), args.view, args.smaller, args.works))


if __name__ == '__main__':
    run(main)
