"""Run the benchmarks with their defaults, and write their rows as one table to work_dirs/benchmark/table.md.

A benchmark that fails does not stop the others; the exit status is then 1. gpu.py, which needs a GPU, and
duplicates.py, which needs pictures, are not among them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

CASES = (
    'references',
    'fused_references',
    'style_descriptor',
    'feature_bank',
    'training',
    'extraction',
    'incremental',
    'one_image',
    'start',
    'growth',
    'download',
)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--cases', nargs='+', choices=CASES, default=CASES, help='only these (default: all)')
    args = parser.parse_args()
    from record import HEADER, RESULTS, row

    def lines() -> list[str]:
        return RESULTS.read_text(encoding='utf-8').splitlines() if RESULTS.is_file() else []

    before, folder = len(lines()), Path(__file__).parent
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': ''}  # mmengine would take a GPU, and the rows say cpu
    failed = [
        case
        for case in args.cases
        if subprocess.run([sys.executable, str(folder / f'{case}.py')], env=environment).returncode
    ]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    rows = [HEADER, *(row(json.loads(line)) for line in lines()[before:])]
    table = RESULTS.with_name('table.md')
    table.write_text('\n'.join(rows) + '\n', encoding='utf-8')
    print(f'table: {table}')
    if failed:
        sys.exit(f'failed: {", ".join(failed)}')


if __name__ == '__main__':
    main()
