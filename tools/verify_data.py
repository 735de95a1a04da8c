"""Check a data set: unreadable files, near duplicates within and across splits, series of ids, labels by split."""

import argparse
from pathlib import Path

from ssmr.cli import add_config_options, read_config, run


def main() -> None:
    """Verify."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('--out', type=Path, help='where the report and the lists go (default: <work dir>/verify)')
    parser.add_argument('--no-pictures', action='store_true', help='check the labels only; no images are needed')
    parser.add_argument('--threshold', type=int, default=64, help='bits of 256 that duplicates may differ in (64)')
    parser.add_argument('--gap', type=int, default=1, help='largest step within a run of ids (default: 1)')
    parser.add_argument('--run', type=int, default=5, help='fewest works of a run of ids (default: 5)')
    parser.add_argument('--workers', type=int, help='threads (default: one a processor)')
    parser.add_argument('--strict', action='store_true', help='exit 1 on unreadable files or works in two splits')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.errors import DataError
    from ssmr.registry import DATASETS
    from ssmr.stages.project import plain
    from ssmr.verification.page import write_page
    from ssmr.verification.summary import print_summary
    from ssmr.verification.verification import Options, verify, write_lists

    table = DATASETS.build(plain(cfg.table))  # without duplicates.file, which this tool makes
    out = args.out or Path(cfg.work_dir) / 'verify'
    found = verify(table, Options(not args.no_pictures, args.threshold, args.gap, args.run, args.workers))
    write_lists(found, out)
    write_page(found, table, out)
    print_summary(found, out)
    if args.strict and found.faults:
        raise DataError(f'{table.name}: {"; ".join(found.faults)}', f'see {out / "report.html"}')


if __name__ == '__main__':
    run(main)
