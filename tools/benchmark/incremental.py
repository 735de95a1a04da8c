"""Features after one new work in a hundred: what is extracted again, against building the whole bank anew.

Both are what a user waits for: the fingerprint of all pictures, the encoder with its weights, the vectors, and the
checks of the finished bank. The new works stand all over the table. The two banks are the same, byte by byte. The aim
is 3 per cent of the whole.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

AIM = 0.03


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=Path, help='folder of pictures (default: some are painted, 192 px)')
    parser.add_argument('--works', type=int, default=4000, help='in the table (default: 4000)')
    parser.add_argument('--runs', type=int, default=2, help='of each (default: 2)')
    args = parser.parse_args()
    import torch
    from pictures import ENCODERS, lay_out, project
    from record import HEADER, record
    from timing import in_turn

    from ssmr.artifacts.feature_bank import FeatureBank
    from ssmr.stages.extract import feature_bank

    encoder = ENCODERS['EfficientNet-Lite0']
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = lay_out(root, args.works, args.images)
        every = min(100, args.works // 2)
        old = [name for number, name in enumerate(names) if number % every != every // 2]
        feature_bank(project(root, old, encoder, root / 'kept'), 'semantic')

        def build(store: str) -> FeatureBank:
            works = project(root, names, encoder, root / store)
            shutil.rmtree(works.store.path(works.bank_key('semantic')), ignore_errors=True)
            return feature_bank(works, 'semantic')

        assert build('kept').features.tobytes() == build('empty').features.tobytes()
        seconds = in_turn({'ours': lambda: build('kept'), 'full': lambda: build('empty')}, args.runs, warm_up=0)
    met = statistics.median(seconds['ours']) <= AIM * statistics.median(seconds['full'])
    new, threads = len(names) - len(old), torch.get_num_threads()
    work = f'{new} new among {len(names)} pictures, EfficientNet-Lite0 at 224 px, {threads} threads'
    peers = {'full rebuild': seconds['full']}
    print(HEADER)
    print(record('incremental', work, seconds['ours'], peers, None, True, met, ('ssmr', 'torch', 'pillow')))


if __name__ == '__main__':
    main()
