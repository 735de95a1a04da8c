"""Features of pictures: decode, preprocess, encode and write, against mmpretrain and a plain loop over a DataLoader.

Decoding alone and the forward pass alone are timed on all cores, too. Where another device encodes, the slower of the
two is the limit. On a processor both are work of the same cores: the slower alone cannot be reached, since the other's
work must be done, too. There the sum of the two is the limit, which is the work of both divided by all cores; it is
what is judged (aim: 0.9 of it), and the two are in the table. Both are timed the way that was fastest here: threads
with batches of four. All ways have the encoder built and write their vectors to a file.

"extraction, flat" runs many tiny pictures through a tiny encoder in 100 shards and compares the median shard of the
last tenth with that of the first: the aims are at most a tenth more time, and at most a twentieth more memory. The very
first shard is left out: it is what memory and caches grow in.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ssmr.backbones.encoder import Encoder
    from ssmr.stages.project import Project

AIM_LIMIT, AIM_TIME, AIM_MEMORY = 0.9, 1.1, 1.05
PACKAGES = ('ssmr', 'torch', 'mmpretrain', 'pillow')
#: What the usual loops do: pictures in a batch.
BATCH = 32
#: Encodes next to nothing, so that the rest of the way is what is seen.
TINY = {
    'type': 'GlobalFeature',
    'backbone': {'type': 'EfficientNetLite', 'out_indices': [0]},
    'preprocess': {'size': 32},
}


def fill(project: Project, encoder: Encoder, folder: Path) -> np.ndarray:
    """Ours: the stage with a built encoder, [N, D]."""
    import numpy as np

    from ssmr.artifacts.feature_bank import FEATURES, FeatureBankWriter
    from ssmr.stages.extract import fill_bank

    with tempfile.TemporaryDirectory(dir=folder) as bank:
        writer = FeatureBankWriter(Path(bank), project.table.ids, encoder.dim, 1024)
        fill_bank(project, 'semantic', encoder, 'cpu', writer)
        return np.asarray(np.load(Path(bank) / FEATURES))


def alone(count: int, work: Callable[[int], Any]) -> None:
    """Call ``work`` for batches 0 to count - 1 in as many threads as torch may use, each with torch on one thread."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(work, range(count)))
    torch.set_num_threads(threads)


def compare(name: str, root: Path, names: list[str], runs: int) -> None:
    """Compare, time and record one encoder."""
    import numpy as np
    import torch
    from peers.mmpretrain_features import mmpretrain_features
    from peers.plain_loader import plain_features
    from pictures import ENCODERS, project
    from record import HEADER, record
    from timing import in_turn

    from ssmr.backbones.encoder import build_encoder
    from ssmr.datasets.images import load_image
    from ssmr.stages.encoding import CPU_BATCH, cores

    encoder = build_encoder('semantic', ENCODERS[name]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    works = project(root, names, ENCODERS[name], root / 'artifacts')
    images, out = root / 'images', root / 'features.npy'
    files, mmpretrain = [images / file for file in names], mmpretrain_features(encoder, BATCH)

    def decode(number: int) -> np.ndarray:
        taken = names[number * CPU_BATCH : (number + 1) * CPU_BATCH]
        return np.stack([encoder.preprocess.square(load_image(images, file)) for file in taken])

    def forward(number: int) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(encoder(batch))

    batch = encoder.preprocess.normalise(torch.from_numpy(decode(0)))
    batches = -(-len(names) // CPU_BATCH)
    ours = fill(works, encoder, root)
    plain = plain_features(encoder, images, names, BATCH, cores())
    np.testing.assert_allclose(ours, plain, rtol=1e-3, atol=1e-3 * float(np.abs(plain).max()))
    other = mmpretrain(files)  # resizes before it crops, and so rounds otherwise
    alike = (ours * other).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(other, axis=1)
    assert np.median(alike) > 0.995 and alike.min() > 0.95, alike

    seconds = in_turn(
        {
            'ours': lambda: fill(works, encoder, root),
            'mmpretrain': lambda: np.save(out, mmpretrain(files)),
            'DataLoader': lambda: np.save(out, plain_features(encoder, images, names, BATCH, cores())),
            'decode alone': lambda: alone(batches, decode),
            'forward alone': lambda: alone(batches, forward),
        },
        runs,
        warm_up=0,
    )
    middle = {way: statistics.median(times) for way, times in seconds.items()}
    limit = middle['decode alone'] + middle['forward alone']
    work = f'{len(names)} pictures (a sample of 2,000), {name} at 224 px, {torch.get_num_threads()} threads'
    peers = {way: times for way, times in seconds.items() if way != 'ours'}
    met = limit / middle['ours'] >= AIM_LIMIT
    print(HEADER)
    print(record(f'extraction, {name}', work, seconds['ours'], peers, limit, True, met, PACKAGES))
    print(f'of the slower alone: {max(middle["decode alone"], middle["forward alone"]) / middle["ours"]:.3g}')


def flat(root: Path, works: int) -> None:
    """Run many tiny pictures through; record the last tenth against the first."""
    import torch
    from pictures import lay_out, project
    from record import HEADER, record

    from ssmr.artifacts.feature_bank import FEATURES, FeatureBankWriter
    from ssmr.backbones.encoder import build_encoder
    from ssmr.stages.extract import fill_bank

    root.mkdir()
    table = project(root, lay_out(root, works, None, 48), TINY, root / 'artifacts')
    encoder, shard = build_encoder('semantic', TINY), max(1, works // 100)
    marks: list[tuple[float, int]] = []

    class Watched(FeatureBankWriter):
        """Notes the time and the memory of every shard."""

        def write(self, *arguments: Any) -> None:
            super().write(*arguments)
            marks.append((time.perf_counter(), resident()))

    with tempfile.TemporaryDirectory(dir=root) as folder:
        writer = Watched(Path(folder), table.table.ids, encoder.dim, shard)
        fill_bank(table, 'semantic', encoder, 'cpu', writer)
        assert (Path(folder) / FEATURES).is_file() and len(marks) == len(writer.shards)
    tenth = max(1, len(marks) // 10)
    times = [after - before for (before, _), (after, _) in itertools.pairwise(marks)]
    first, last = times[:tenth], times[-tenth:]
    memory = [max(size for _, size in part) / 2**20 for part in (marks[1 : 1 + tenth], marks[-tenth:])]
    work = (
        f'{works} pictures of 48 px, the stem of EfficientNet-Lite0 at 32 px, {torch.get_num_threads()} threads; times '
        f'of a shard of {shard}; {memory[0]:.0f} MiB in the first tenth, {memory[1]:.0f} MiB in the last'
    )
    as_fast = statistics.median(last) <= AIM_TIME * statistics.median(first)
    met = as_fast and memory[1] <= AIM_MEMORY * memory[0]
    print(HEADER)
    print(record('extraction, flat', work, last, {'first tenth': first}, None, True, met, PACKAGES))


def resident() -> int:
    """Bytes of this process in memory."""
    import resource

    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=Path, help='folder of pictures (default: some are painted, 192 px)')
    parser.add_argument('--lite0', type=int, default=256, help='pictures for EfficientNet-Lite0 (default: 256)')
    parser.add_argument('--swin', type=int, default=64, help='pictures for Swin-T (default: 64)')
    parser.add_argument('--flat', type=int, default=30_000, help='tiny pictures; 0 leaves them out (default: 30000)')
    parser.add_argument('--runs', type=int, default=3, help='of each (default: 3)')
    args = parser.parse_args()
    from pictures import lay_out

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = lay_out(root, max(args.lite0, args.swin), args.images)
        for name, count in (('EfficientNet-Lite0', args.lite0), ('Swin-T', args.swin)):
            if count:
                compare(name, root, names[:count], args.runs)
        if args.flat:
            flat(root / 'flat', args.flat)


if __name__ == '__main__':
    main()
