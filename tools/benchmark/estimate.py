"""What SSMR costs for so many works, from the rates of your own machine: arithmetic, nothing is measured.

Take the rates from the benchmarks: pictures a second from extraction.py, GFLOP/s of multiplying and of the steps from
references.py and training.py. Extraction and training share the work among machines; references are found by one.
Approximate search is faiss' IVF with 4 sqrt(pool) lists, each of which is trained on 64 works in 10 rounds; every work
is compared with all centres once to be put into its list, every query with all centres and then with the works of
--nprobe lists. PQ keeps --code bytes and an id of eight a work.
"""

from __future__ import annotations

import argparse
from math import sqrt

DAY = 86_400
#: Rounds of k-means and training works a list.
ROUNDS, A_LIST = 10, 64


def seconds(value: float) -> str:
    """In the unit that reads best."""
    for size, unit in ((365 * DAY, 'years'), (DAY, 'days'), (3600, 'h'), (60, 'min')):
        if value >= size:
            return f'{value / size:,.1f} {unit}'
    return f'{value:.1f} s'


def size(value: float) -> str:
    """In the unit that reads best."""
    for power, unit in ((4, 'TB'), (3, 'GB'), (2, 'MB')):
        if value >= 1000**power:
            return f'{value / 1000**power:,.1f} {unit}'
    return f'{value / 1000:.1f} kB'


def stages(args: argparse.Namespace) -> list[tuple[str, str, float, bool]]:
    """Stage, what it keeps, its seconds on one machine, and whether several share it."""
    works, pool, dim = args.works, args.pool or args.works, args.dim
    lists, rate = 4 * sqrt(pool), args.gflops * 1e9
    exact = 2 * works * pool * dim / rate
    building = 2 * dim * lists * (ROUNDS * A_LIST * lists + pool) / rate
    looking = 2 * dim * works * (lists + args.nprobe * pool / lists) / rate
    # theta, phi, g and out a layer and the projection; forward, and twice that backward
    step = 3 * 2 * (1 + args.references) * dim * dim * (4 * args.depth + 1)
    return [
        ('extraction', f'bank {size(works * dim * 4)} a view', works / args.images_per_second, True),
        ('references, exact', f'index {size(works * args.k * 12)}', exact, False),
        (f'references, IVF{lists:,.0f},Flat', f'in memory {size(pool * (dim * 4 + 8))}', building + looking, False),
        (f'references, IVF{lists:,.0f},PQ', f'in memory {size(pool * (args.code + 8))}', building + looking, False),
        (f'training, {args.epochs} epochs', f'labels and index {size(works * (20 + 12 * args.references))}',
         args.epochs * works * step / rate, True),
    ]  # fmt: skip


def main() -> None:
    """Print the estimate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=float, required=True, help='that get references')
    parser.add_argument('--pool', type=float, help='rated works that can be references (default: all)')
    parser.add_argument('--images-per-second', type=float, required=True, help='decoded and encoded by one machine')
    parser.add_argument('--gflops', type=float, required=True, help='of one machine, multiplying matrices')
    parser.add_argument('--machines', type=int, default=1, help='ranks, or jobs of an array (default: 1)')
    parser.add_argument('--dim', type=int, default=1024, help='of a work (default: 1024)')
    parser.add_argument('--k', type=int, default=50, help='references that are stored (default: 50)')
    parser.add_argument('--references', type=int, default=4, help='in the graph (default: 4)')
    parser.add_argument('--depth', type=int, default=6, help='relation layers (default: 6)')
    parser.add_argument('--epochs', type=int, default=20, help='default: 20')
    parser.add_argument('--nprobe', type=int, default=16, help='lists that are searched (default: 16)')
    parser.add_argument('--code', type=int, default=64, help='bytes of a PQ code (default: 64)')
    args = parser.parse_args()
    print(f'| stage | keeps | one machine | {args.machines} machines |\n|---|---|---|---|')
    for stage, keeps, alone, shared in stages(args):
        several = seconds(alone / args.machines) if shared else '-'
        print(f'| {stage} | {keeps} | {seconds(alone)} | {several} |')


if __name__ == '__main__':
    main()
