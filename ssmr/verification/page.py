"""The report as one HTML page that needs no other file: figures, histograms and thumbnails of what was found."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ssmr.artifacts.files import atomic_write
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.images import load_image
from ssmr.errors import ImageError
from ssmr.verification.adjacent_ids import DISTANCES
from ssmr.verification.duplicates import Group
from ssmr.verification.findings import Findings

PAGE = 'report.html'
#: What the page shows at most; the CSV files have all.
GROUPS, MEMBERS, ROWS = 60, 6, 100
#: Longer side of a thumbnail, in pixels.
SIDE = 160


@dataclass(frozen=True)
class Member:
    """One picture of a group, as the page shows it; ``source`` is a data URI, '' where it can no longer be read."""

    image: str
    split: str
    score: float | None
    identical: bool
    source: str


@dataclass(frozen=True)
class ShownGroup:
    """A group with the thumbnails of its first members."""

    number: int
    group: Group
    members: list[Member]


def write_page(found: Findings, table: ImageTable, out: Path) -> Path:
    """Write report.html; every text from the data set is escaped.

    Raises:
        ArtifactError: The disk is full.
    """
    environment = Environment(
        loader=PackageLoader('ssmr.verification', '.'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = found.images.duplicates.groups if found.images else []
    text = environment.get_template('page.html.j2').render(
        found=found,
        rule=table.rule,
        shown=_shown(groups, table),
        unreadable=list(found.images.unreadable.items())[:ROWS] if found.images else [],
        distances=DISTANCES,
    )
    with atomic_write(out / PAGE) as file:
        file.write(text)
    return out / PAGE


def _shown(groups: Sequence[Group], table: ImageTable) -> list[ShownGroup]:
    return [
        ShownGroup(number, group, [_member(group, i, table) for i in range(min(MEMBERS, len(group.rows)))])
        for number, group in enumerate(groups[:GROUPS], start=1)
    ]


def _member(group: Group, i: int, table: ImageTable) -> Member:
    source = _thumbnail(table, group.rows[i])
    return Member(group.images[i], group.splits[i], group.scores[i], group.identical[i], source)


def _thumbnail(table: ImageTable, row: int) -> str:
    try:
        image = load_image(table.root, table.files[row])
    except ImageError:  # it could be read before; the page says that it is gone
        return ''
    image.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    image.save(data, 'JPEG', quality=80)
    return f'data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}'
