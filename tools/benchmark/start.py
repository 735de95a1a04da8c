"""How long tools/train.py takes to start: its --help, and a run whose stages are all done.

The help is compared with importing torch, which it must not wait for. For the second run a small quickstart is painted
and trained for one epoch in a temporary folder; then the same command is given again. Its limit is a process that only
imports the packages which that run imports, in the same order and without any module of ssmr; what is left over is
ours. Every run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN = REPOSITORY / 'tools/train.py'
CONFIG = REPOSITORY / 'configs/ssmr_efficientnet_quickstart.py'
#: Seconds: of the help, and of the second run beyond its imports.
AIM_HELP, AIM_OVERHEAD = 0.6, 1.0

#: Run a tool and write the names of all packages' modules that it imported, in their order.
LIST = """
import atexit, json, runpy, sys
out, sys.argv = sys.argv[1], sys.argv[2:]
before = set(sys.modules)
def write():
    own = {*sys.stdlib_module_names, 'ssmr'}
    new = [n for n, m in sys.modules.items() if n not in before and getattr(m, '__spec__', None) is not None]
    json.dump([n for n in new if n.partition('.')[0] not in own], open(out, 'w'))
atexit.register(write)
runpy.run_path(sys.argv[0], run_name='__main__')
"""

#: Import them. Modules that packages make while they run cannot be imported by name, and cost nothing.
IMPORT = """
import importlib, json, sys
names = json.load(open(sys.argv[1]))
if 'torchvision' in names:
    from ssmr.torchvision_shim import ensure_torchvision
    ensure_torchvision()
for name in names:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
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
        modules = folder / 'modules.json'
        plan = python('-c', LIST, modules, *train, folder=folder)
        equal = plan.count(' hit ') == 4 and ' miss ' not in plan
        assert equal, f'the second run found something to do:\n{plan}'
        seconds = in_turn(
            {
                'help': lambda: python(TRAIN, '--help', folder=folder),
                'import torch': lambda: python('-c', 'import torch', folder=folder),
                'second run': lambda: python(*train, folder=folder),
                'its imports': lambda: python('-c', IMPORT, modules, folder=folder),
            },
            args.runs,
        )
        number = len(json.loads(modules.read_text(encoding='utf-8')))
    middle = {name: statistics.median(runs) for name, runs in seconds.items()}
    overhead = middle['second run'] - middle['its imports']
    print(HEADER)
    work, met = 'tools/train.py --help', middle['help'] <= AIM_HELP
    torch = {'import torch': seconds['import torch']}
    print(record('start, help', work, seconds['help'], torch, None, True, met, ['ssmr', 'torch']))
    work = (
        f'second run of the quickstart ({args.images} works, 1 epoch), all hits; limit: the {number} modules of '
        f'packages that it imports; {overhead:.2f} s beyond it'
    )
    met, limit = overhead <= AIM_OVERHEAD, middle['its imports']
    print(record('start, all hits', work, seconds['second run'], torch, limit, equal, met, ['ssmr', 'torch']))


if __name__ == '__main__':
    main()
