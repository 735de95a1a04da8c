"""How long tools/train.py takes to start: its --help, and a run whose stages are all done.

The help is compared with importing torch, which it must not wait for. For the second run a small quickstart is painted
and trained for one epoch in a temporary folder; then the same command is given again. To check a config is to look up
the classes that it names, so torch, mmengine, mmpretrain and pandas have to be imported: a process that imports these
and ends is the limit. Every run is a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN = REPOSITORY / 'tools/train.py'
CONFIG = REPOSITORY / 'configs/ssmr_efficientnet_quickstart.py'
#: Seconds: of the help, and of the second run beyond the imports.
AIM_HELP, AIM_OVERHEAD = 0.6, 1.0
#: What a finished run cannot do without; runner and backbones as the config's parts need them.
IMPORTS = """
import torch
from ssmr.torchvision_shim import ensure_torchvision
ensure_torchvision()
import mmengine.runner, mmpretrain.models, pandas
"""


def python(*arguments: str | Path, folder: Path) -> str:
    """Run Python in a folder and return what it printed.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{" ".join(map(str, arguments))}: exit status {done.returncode}\n{done.stderr}')
    return done.stdout


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=150, help='works of the quickstart (default: 150)')
    parser.add_argument('--runs', type=int, default=5, help='of each (default: 5)')
    args = parser.parse_args()
    from record import HEADER, record
    from timing import in_turn

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python(REPOSITORY / 'tools/make_quickstart_data.py', '--out', 'data', '--images', args.images, folder=folder)
        options = ['--cfg-options', f'table.root={folder / "data"}', 'train_cfg.max_epochs=1']
        train: list[str | Path] = [TRAIN, CONFIG, *options]
        python(*train, folder=folder)
        plan = python(*train, folder=folder)
        equal = plan.count(' hit ') == 4 and ' miss ' not in plan
        assert equal, f'the second run found something to do:\n{plan}'
        seconds = in_turn(
            {
                'help': lambda: python(TRAIN, '--help', folder=folder),
                'import torch': lambda: python('-c', 'import torch', folder=folder),
                'second run': lambda: python(*train, folder=folder),
                'its imports': lambda: python('-c', IMPORTS, folder=folder),
            },
            args.runs,
        )
    middle = {name: statistics.median(runs) for name, runs in seconds.items()}
    overhead = middle['second run'] - middle['its imports']
    print(HEADER)
    work, met = 'tools/train.py --help', middle['help'] <= AIM_HELP
    torch = {'import torch': seconds['import torch']}
    print(record('start, help', work, seconds['help'], torch, None, True, met, ['ssmr', 'torch']))
    beyond_torch = middle['second run'] - middle['import torch']
    work = (
        f'second run of the quickstart ({args.images} works, 1 epoch), all hits; limit: importing torch, mmengine, '
        f'mmpretrain and pandas; {overhead:.2f} s beyond it, {beyond_torch:.2f} s beyond torch alone'
    )
    met, limit = overhead <= AIM_OVERHEAD, middle['its imports']
    print(record('start, all hits', work, seconds['second run'], torch, limit, equal, met, ['ssmr', 'torch']))


if __name__ == '__main__':
    main()
