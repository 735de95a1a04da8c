"""What every benchmark leaves: one JSON line in work_dirs/benchmark/results.jsonl, and a Markdown row."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RESULTS = Path('work_dirs/benchmark/results.jsonl')
HEADER = (
    '| case | work | ours, s (min / median / max) | peers, s (min / median / max) | limit, s | peer / ours '
    '| limit / ours | equal | aim met |\n|---|---|---|---|---|---|---|---|---|'
)


def record(
    case: str,
    work: str,
    ours: Sequence[float],
    peers: Mapping[str, Sequence[float]],
    limit: float | None,
    equal: bool,
    aim_met: bool | None,
    packages: Sequence[str],
    device: str = 'cpu',
    results: Path = RESULTS,
) -> str:
    """Append a result and return its Markdown row (see HEADER). Medians stand for the runs, which are kept too.

    Args:
        case: Name of the benchmark.
        work: What was done, with all numbers that matter.
        ours: Seconds of each run of ours.
        peers: Seconds of each run of what it is compared with.
        limit: Seconds that no implementation could beat; None where none is known.
        equal: Whether all gave the same result.
        aim_met: None where the benchmark has no aim.
        packages: Distributions whose versions matter.
        device: What it ran on.
        results: The file to append to.
    """
    middle = statistics.median(ours)
    medians = {name: statistics.median(runs) for name, runs in peers.items()}
    line = {
        'case': case,
        'device': device,
        'work': work,
        'ours_s': middle,
        'peers': medians,
        'limit_s': limit,
        'ratio_peer': {name: median / middle for name, median in medians.items()},
        'ratio_limit': limit / middle if limit is not None else None,
        'equal': equal,
        'aim_met': aim_met,
        'runs': {'ours': list(ours)} | {name: list(runs) for name, runs in peers.items()},
        'machine': machine(),
        'versions': {'python': platform.python_version()} | {n: importlib.metadata.version(n) for n in packages},
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    with open(results, 'a', encoding='utf-8') as file:
        file.write(json.dumps(line) + '\n')
    return row(line)


def row(line: Mapping[str, Any]) -> str:
    """The Markdown row of a recorded line."""
    runs = dict(line['runs'])
    ours = _range(runs.pop('ours'))
    others = '; '.join(f'{name}: {_range(seconds)}' for name, seconds in runs.items()) or '-'
    apart = '; '.join(f'{name}: {ratio:.3g}' for name, ratio in line['ratio_peer'].items()) or '-'
    cells = (line['case'], line['work'], ours, others, _number(line['limit_s']), apart, _number(line['ratio_limit']))
    return f'| {" | ".join(cells)} | {_word(line["equal"])} | {_word(line["aim_met"])} |'


def machine() -> dict[str, str | int]:
    """The processor, the cores this process may use, and the system."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text(encoding='utf-8').splitlines() if info.is_file() else []
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return {'processor': models[0] if models else platform.processor(), 'cores': cores, 'system': platform.platform()}


def _range(runs: Sequence[float]) -> str:
    return f'{min(runs):.3g} / {statistics.median(runs):.3g} / {max(runs):.3g}'


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3g}'


def _word(value: bool | None) -> str:
    return '-' if value is None else 'yes' if value else 'no'
