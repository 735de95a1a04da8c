"""Publish a trained model: its weights as safetensors, and what it was made from as JSON beside them."""

import argparse
from pathlib import Path

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('checkpoint', help='a checkpoint of this config, e.g. work_dirs/NAME/best.pth')
    parser.add_argument('--out', required=True, metavar='DIR', help='the folder for the two files')
    parser.add_argument('--name', help='what the files are called (default: the name of the config)')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.stages.project import Project
    from ssmr.stages.publish import publish

    name = args.name or Path(args.config).stem
    print(publish(Project(cfg), name, Path(args.checkpoint), Path(args.out)))


if __name__ == '__main__':
    run(main)
