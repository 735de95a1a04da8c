"""What was found, on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ssmr.verification.findings import Findings
from ssmr.verification.labels import SplitLabels
from ssmr.verification.verification import DUPLICATES


def print_summary(found: Findings, out: Path) -> None:
    """Print the counts, the labels by split, the warnings, where the lists are, and the option that uses them."""
    console = Console(soft_wrap=True, highlight=False, markup=False)  # ids may hold [brackets]
    checks = Table(title=Text(f'{found.name}: {found.works} works'), title_justify='left', show_header=False)
    for name, value in _counts(found).items():
        checks.add_row(name, Text(value))
    console.print(checks)
    console.print(_labels(found))
    for text in found.warnings:
        console.print(f'warning: {text}')
    console.print(f'report: {out / "report.html"}')
    if found.images and found.images.duplicates.groups:
        console.print(
            'duplicates are kept from being references of each other by\n'
            f'  --cfg-options duplicates.file={out / DUPLICATES}'
        )


def _counts(found: Findings) -> dict[str, str]:
    ids = found.adjacent
    counts = {'runs of adjacent ids': f'{ids.runs} ({ids.works_in_runs} works), {ids.crossing} across splits'}
    counts |= {
        f'SRCC of ids alone on {split}': 'undefined' if srcc is None else f'{srcc:.4f}'
        for split, srcc in ids.id_only.items()
    }
    if found.images is None:
        return {'images': 'not looked at', **counts}
    duplicates = found.images.duplicates
    return {
        'unreadable images': str(len(found.images.unreadable)),
        'images without a label': str(found.images.unnamed.files),
        'groups of duplicates': f'{len(duplicates.groups)} ({duplicates.works} works)',
        '  of these across splits': str(len(duplicates.across)),
        'training works in val or test': str(duplicates.leaks),
        **counts,
    }


def _labels(found: Findings) -> Table:
    table = Table('split', 'works', 'mean', 'sd', 'lowest', 'highest', 'high', title='labels', title_justify='left')
    for split in found.labels.splits:
        table.add_row(split.split, str(split.works), *_figures(split))
    return table


def _figures(split: SplitLabels) -> list[str]:
    values = (split.mean, split.sd, split.lowest, split.highest, split.high)
    return ['-' if value is None else f'{value:.3f}' for value in values]
