"""Get a data set ready: unpack or download it, decode every image, and write its labels as one CSV."""

import argparse
import sys
from pathlib import Path

from ssmr.cli import run
from ssmr.preparation.guides import GUIDES

STATUS = 'exit status: 0 complete, 1 an error (it says what to get), 3 images are missing (DIR/missing.csv lists them)'


def main() -> None:
    """Prepare one data set."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=STATUS)
    parser.add_argument('name', type=str.lower, choices=GUIDES, help='the data set')
    parser.add_argument('--root', type=Path, metavar='DIR', help='its folder (default: data/NAME)')
    parser.add_argument('--archive', type=Path, nargs='+', default=[], help='unpack these, like those in DIR/downloads')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='table.KEY=VALUE', help='for its reader')
    parser.add_argument('--workers', type=int, help='images decoded at a time (default: one per processor)')
    fetch = parser.add_argument_group('download (BAID)')
    fetch.add_argument('--image-list', type=Path, metavar='CSV', help='instead of the published one')
    fetch.add_argument('--labels', type=Path, metavar='DIR', help='folder of {train,val,test}_set.csv')
    fetch.add_argument('--mirror', metavar='URL', help='has images/ and dataset/ as DIR will')
    fetch.add_argument('--connections', type=int, default=16, help='downloads at a time (default: 16)')
    fetch.add_argument('--per-host', type=int, default=8, help='of these, from one host (default: 8)')
    fetch.add_argument('--rate', type=float, default=50.0, help='requests a second (default: 50)')
    args = parser.parse_args()
    from ssmr.preparation.outcome import Options
    from ssmr.preparation.prepare import prepare

    given = {name: getattr(args, name) for name in Options.__dataclass_fields__ if name != 'archives'}
    options = Options(**given, archives=tuple(args.archive))
    found = prepare(args.name, args.root or Path('data') / args.name, options, args.cfg_options)
    print(found.text())
    sys.exit(3 if found.missing_used else 0)


if __name__ == '__main__':
    run(main)
