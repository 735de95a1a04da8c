"""Print a config as it is after its bases and options are merged and checked."""

import argparse

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    print(read_config(parser.parse_args()).pretty_text)


if __name__ == '__main__':
    run(main)
