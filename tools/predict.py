"""Score pictures that are in no table, and show the rated works they were compared with."""

import argparse
import sys
from pathlib import Path

from ssmr.cli import add_config_options, count, new_file, read_config, run


def main() -> None:
    """Predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    parser.add_argument('checkpoint', help='best.pth of this config, or a published .safetensors')
    parser.add_argument('images', nargs='+', type=Path, help='pictures, and folders of them')
    parser.add_argument('--out', type=new_file, metavar='CSV', help='write predictions and references here')
    parser.add_argument('--batch-size', type=int, default=8, help='pictures encoded at once (default: 8)')
    parser.add_argument('--top-references', type=count, default=3, metavar='N', help='shown for each (default: 3)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (default: the GPU where there is one)')
    args = parser.parse_args()
    cfg = read_config(args)
    from ssmr.apis import AestheticInferencer, Assessment
    from ssmr.apis.assessment import write_assessments

    done, failed = [], []
    for result in AestheticInferencer(cfg, args.checkpoint, args.device).iterate(args.images, args.batch_size):
        if isinstance(result, Assessment):
            done.append(result)
            print(result.text(args.top_references), flush=True)
        else:
            failed.append(result)
    if args.out:
        write_assessments(args.out, done)
    for error in failed:
        print(f'error: {error}', file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    run(main)
