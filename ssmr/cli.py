"""What every tool does around its main function."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ssmr.errors import SsmrError

if TYPE_CHECKING:  # mmengine takes half a second to import, which --help must not wait for
    from mmengine.config import Config


def run(main: Callable[[], None]) -> NoReturn:
    """Call ``main`` and leave the process.

    Exit status 0, or 1 after an error of ssmr, which is printed to stderr without a traceback; 130 when interrupted
    and 141 when the reader of the output has gone, as shells report SIGINT and SIGPIPE; 75 after SIGTERM or SIGUSR1
    where the run can go on (:mod:`ssmr.engine.signals`). Any other exception is a defect and keeps its traceback.

    Args:
        main: The tool; it parses ``sys.argv`` itself.
    """
    try:
        main()
        sys.stdout.flush()  # here, not at exit, so that a closed pipe is met inside this block
    except SsmrError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it flushes
        sys.exit(141)
    sys.exit(0)


def new_file(text: str) -> Path:
    """An argument that names a file to be written; a folder is refused before anything has been computed."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f'{text} is a folder; name a file in it')
    return path


def count(text: str) -> int:
    """An argument that is a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number, 0 or more')
    return int(text)


def add_metric_options(parser: argparse.ArgumentParser) -> None:
    """Add --json, --threshold and --rule, which the evaluation tools share."""
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')
    parser.add_argument('--threshold', type=float, default=5.0, help='split of low and high scores (default: 5)')
    parser.add_argument('--rule', choices=['>', '>='], default='>', help="high is '>' (default) or '>=' the threshold")


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add the config and the options that all tools of the pipeline share."""
    parser.add_argument('config', help='a config file, e.g. configs/ssmr_swin_baid.py')
    parser.add_argument('--work-dir', help='where this run writes (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change fields, e.g. table.root=data/baid'
    )
    parser.add_argument(
        '--weights',
        action='append',
        default=[],
        metavar='[VIEW=]PATH',
        help='weights of an encoder (or of all), instead of downloading',
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what the tools share that compute: several processes, and results that repeat."""
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='who started the processes'
    )
    parser.add_argument('--deterministic', action='store_true', help='only algorithms that repeat to the last bit')


def start_run(args: argparse.Namespace, cfg: Config) -> None:
    """Join the other processes, listen to the signals of a scheduler, and choose algorithms.

    Raises:
        ConfigError: See :func:`ssmr.engine.launch.launch`.
    """
    if args.deterministic:
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # before CUDA begins
        cfg.randomness = {**cfg.get('randomness', {}), 'deterministic': True}
        import torch

        torch.use_deterministic_algorithms(True)  # the runner does it for training alone
    from ssmr.engine.launch import launch
    from ssmr.engine.signals import stop_signals

    stop_signals.install()
    launch(args.launcher)


def read_config(args: argparse.Namespace) -> Config:
    """Load and check the config that the options of :func:`add_config_options` describe.

    Raises:
        ConfigError: See :func:`ssmr.config.load.load_config`; or --weights names no encoder.
    """
    from ssmr.config.load import load_config, set_weights

    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    for item in args.weights:
        set_weights(cfg, item)
    return cfg
