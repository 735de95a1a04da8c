"""The benchmarks on a GPU, in one call: references, batches from the bank, training and the forward pass of an encoder.

"GPU, references" is the search of references.py for all queries. "GPU, batches" gathers vectors from a bank on the GPU
by integers that are there, too, in batches and all at once, against a copy of as many bytes on the GPU.

"GPU, training step" is that of training.py on batches in place, in float32, TF32 and bfloat16, and captured as a CUDA
graph that begins with the gathering. The limit is its matrix multiplications alone, captured. "GPU, training epoch" is
the runner's, against the released loader and network. "GPU, whole training" is the runner's 20 epochs of all works with
validation and checkpoints under ``--amp``; the limit is its operations at the rate of a large bfloat16 product.

"GPU, extraction" is the forward pass of a Swin Transformer with random weights on synthetic tensors; the limit is its
operations at the rate of a large product of its type.

Float32 is multiplied with all bits (TF32 off) unless a row says otherwise. Peers of which few steps or queries were
timed are scaled. The data are synthetic (seed 0). A case whose packages are missing is left out, and so says a line.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import torch
    from accelerator import Accelerator
    from torch import Tensor
    from training import Case

    from ssmr.artifacts.reference_index import ReferenceIndex

Ways: TypeAlias = tuple[Callable[[], Any], ...]
PACKAGES = ('ssmr', 'torch', 'mmengine', 'mmpretrain', 'numpy')
#: Seconds of the whole training on an H100.
AIM_WHOLE = 60.0
#: Of the search, the limit's share; of the batches, the copy's speed; of the step, the released network's seconds.
AIM_REFERENCES, AIM_BATCHES, AIM_STEP = 0.9, 0.5, 1.35
#: A Swin Transformer that costs nothing, for tests.
LEAST = {'embed_dims': 8, 'depths': [1] * 4, 'num_heads': [1] * 4}
#: Works of BAID's validation split.
VALIDATED = 3200


def report(
    gpu: Accelerator,
    case: str,
    work: str,
    ours: Sequence[float],
    peers: Mapping[str, Sequence[float]],
    limit: float | None,
    met: bool | None,
) -> None:
    """Record what was found equal, and print its row."""
    from record import record

    packages = [name for name in PACKAGES if any(importlib.metadata.distributions(name=name))]
    print(record(f'GPU, {case}', work, ours, peers, limit, True, met, packages, device=gpu.name), flush=True)


def middle(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each way."""
    return {name: statistics.median(runs) for name, runs in seconds.items()}


def references(args: argparse.Namespace, gpu: Accelerator) -> None:
    """Search references for all works."""
    import numpy as np
    import torch
    from peers.released_search import released_search
    from references import agree, vectors, without_self

    from ssmr.retrievers.exact_search import BLOCK, POOL_BLOCK, exact_search

    table = vectors(args.queries, args.dim)
    pool, wide = table[: args.works], args.k + 1
    rows = np.arange(args.queries)
    inside = rows[: args.works], rows[: args.works]
    few = np.linspace(0, args.queries - 1, min(args.few, args.queries)).astype(np.int64)
    queries, works = torch.from_numpy(table).to(gpu.device), torch.from_numpy(pool).to(gpu.device)
    some = queries[torch.from_numpy(few).to(gpu.device)]
    buffer = torch.empty(BLOCK, min(POOL_BLOCK, len(pool)), device=gpu.device)

    def products(use: Callable[[Tensor], Tensor]) -> list[Tensor]:
        return [
            use(torch.mm(block, part.T, out=buffer[: len(block), : len(part)]))
            for block in queries.split(BLOCK)
            for part in works.split(POOL_BLOCK)
        ]

    def plain() -> Tensor:
        return torch.cat(products(lambda scores: torch.topk(scores, wide).indices))

    searches: dict[str, Callable[[], Any]] = {'released loop': lambda: released_search(some, works, wide).cpu()}
    if args.works <= POOL_BLOCK:  # one block: its best are the best
        searches['torch.mm and torch.topk'] = lambda: plain().cpu()
    faiss = faiss_gpu(pool, gpu)
    if faiss is not None:
        searches['faiss-gpu Flat'] = lambda: faiss.search(table, wide)[1]
    ways = {'ours': lambda: exact_search(table, pool, inside, args.k, gpu.kind)[0], **searches}
    ours = ways['ours']()
    for name, search in searches.items():
        found = np.asarray(search())
        compared = few if len(found) == len(few) else rows[:: max(1, len(rows) // 1024)]
        found = found if len(found) == len(few) else found[compared]
        assert agree(table[compared], pool, ours[compared], without_self(found, compared)), f'{name} found others'
    seconds = gpu.in_turn({**ways, 'torch.mm alone': lambda: products(lambda scores: scores)}, args.runs)
    scale = {'released loop': args.queries / len(few)}
    peers = {name: [s * scale.get(name, 1) for s in runs] for name, runs in seconds.items() if name != 'ours'}
    limit, taken = statistics.median(peers['torch.mm alone']), statistics.median(seconds['ours'])
    work = (
        f'top-{args.k} of {args.queries:,} queries in {args.works:,} works x {args.dim}, float32, from and to the '
        f"processor's memory; released loop: {len(few)} queries, scaled"
    )
    report(gpu, 'references', work, seconds['ours'], peers, limit, limit / taken >= AIM_REFERENCES)


def faiss_gpu(pool: np.ndarray, gpu: Accelerator) -> Any:
    """The exact index of faiss on the GPU; None, with a note, where there is none."""
    try:
        import faiss
    except ImportError:
        print('faiss-gpu Flat: left out, faiss is not installed')
        return None
    if gpu.kind != 'cuda' or not hasattr(faiss, 'StandardGpuResources'):
        print('faiss-gpu Flat: left out, there is no GPU or faiss was built without it')
        return None
    resources = faiss.StandardGpuResources()
    index = faiss.GpuIndexFlatIP(resources, pool.shape[1])
    index.add(pool)
    return index


def batches(args: argparse.Namespace, gpu: Accelerator) -> None:
    """Gather batches from a bank on the GPU."""
    import numpy as np
    import torch
    from feature_bank import USED, released_dataset, synthetic
    from torch.utils.data import DataLoader

    from ssmr.datasets.reference_graph import GraphGather

    rng = np.random.default_rng(0)
    features, index, scores = synthetic(args.works, args.dim, rng)
    gather = GraphGather([features], index, scores, USED).to(gpu.device)
    rows = torch.from_numpy(rng.integers(0, args.works, (args.batches, args.batch_size)))
    members = torch.cat([rows[..., None], torch.from_numpy(index.references[rows, :USED])], dim=-1).to(gpu.device)
    placed, bank = rows.to(gpu.device), gather.get_buffer('features_0')
    size = args.batch_size * (1 + USED)
    targets = torch.empty(args.batches, size, args.dim, device=gpu.device)
    places = rng.integers(0, max(1, args.works - size + 1), args.batches)

    def copies() -> None:
        for target, place in zip(targets, places, strict=True):
            part = bank[place : place + size]
            target[: len(part)].copy_(part)

    source = torch.zeros_like(targets)
    with tempfile.TemporaryDirectory() as folder:
        few = rows[:2].flatten().numpy()
        loader = DataLoader(released_dataset(Path(folder), features, index, scores, few), batch_size=args.batch_size)
        for batch, (nodes, labels) in zip(placed, loader, strict=False):
            graph = gather(batch)['graph']
            assert torch.equal(graph.nodes.cpu(), nodes) and torch.equal(graph.scores.cpu(), labels)
        seconds = gpu.in_turn(
            {
                'batches': lambda: [gather.nodes(batch) for batch in members],
                'batches as graphs': lambda: [gather(batch) for batch in placed],
                'batches, all at once': lambda: gather.nodes(members),
                'copies': copies,
                'copy': lambda: targets.copy_(source),
                'released': lambda: [nodes.to(gpu.device) for nodes, _ in loader],
            },
            args.runs,
        )
    m = middle(seconds)
    work = f'{args.batches} batches of {args.batch_size} x {1 + USED} x {args.dim} float32 from {args.works:,} works'
    peer = {'released loader and transfer (2 batches, scaled)': [s * args.batches / 2 for s in seconds['released']]}
    for name in ('batches', 'batches as graphs', 'batches, all at once'):
        limit = m['copy' if name.endswith('once') else 'copies']
        gigabytes = 2 * targets.nbytes / m[name] / 1e9  # read and written
        said = f'{work}; {gigabytes:.0f} GB/s read and written'
        report(gpu, name, said, seconds[name], peer, limit, limit / m[name] >= AIM_BATCHES)


class Steps:
    """Our steps on batches of integers in place: gathering, forward, backward, Adam.

    Args:
        case: The network and the batches.
        gpu: Where they are.
        captured: Whether as a CUDA graph.

    Attributes:
        loss: Of the last step.
    """

    def __init__(self, case: Case, gpu: Accelerator, captured: bool) -> None:
        self.case, self.kind, self.rows = case, gpu.kind, case.batches[0].clone()
        self.adam = gpu.adam(case.ours.parameters(), case.adam.defaults['lr'])
        self.once = gpu.captured(self.step) if captured else self.step

    def step(self) -> None:
        """One step on ``rows`` in bfloat16."""
        import torch

        self.adam.zero_grad()
        graph = self.case.ours.data_preprocessor(self.rows)['graph']
        with torch.autocast(self.kind, torch.bfloat16):
            loss = self.case.ours.losses(graph)['loss']
        loss.backward()
        self.adam.step()
        self.loss = loss.detach()

    def __call__(self) -> list[Tensor]:
        """A step on each of the batches; the losses."""
        losses = []
        for rows in self.case.batches:
            self.rows.copy_(rows)
            self.once()
            losses.append(self.loss.clone())
        return losses

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Set network and optimizer to the beginning, in place."""
        self.case.ours.load_state_dict(weights, strict=False)
        for state in self.adam.state.values():
            for tensor in state.values():
                tensor.zero_()


def operations(args: argparse.Namespace) -> int:
    """Floating-point operations in the matrix multiplications of a training step; see training.multiplications."""
    from feature_bank import USED

    # 2 of the first map (the nodes need no gradient); of each layer 3 for maps of 3 x dim and of dim numbers
    return int(2 * args.batch_size * (1 + USED) * args.dim**2 * (2 + args.depth * 3 * (3 + 1)))


def training(args: argparse.Namespace, gpu: Accelerator) -> None:
    """Steps, an epoch, and the whole training."""
    import torch
    from training import Case

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        case = Case(args, Path(folder))
        rate = gpu.rate(torch.bfloat16)
        print(f'large products: {gpu.rate(torch.float32):.3g} FLOP/s in float32, {rate:.3g} in bfloat16')
        steps(args, gpu, case, rate)
        released = epoch(args, gpu, case)
        if args.epochs:
            whole(args, gpu, case, rate, released)


def steps(args: argparse.Namespace, gpu: Accelerator, case: Case, rate: float) -> None:
    """Our step in all the ways there are, and the released network's."""
    import torch
    from feature_bank import USED
    from torch.testing import assert_close
    from training import multiplications

    weights = {name: tensor.clone() for name, tensor in case.ours.state_dict().items()}
    assert_close(next(case.losses(bf16=True)), next(case.losses()), rtol=0.1, atol=0.01)
    graph, eager = Steps(case, gpu, captured=True), Steps(case, gpu, captured=False)
    losses = []
    for way in (graph, eager):
        way.begin_with(weights)
        losses.append(torch.stack(way()))
    assert_close(losses[0][:3], losses[1][:3], rtol=0.05, atol=0.005)  # Adam makes much of what is rounded otherwise

    def in_tf32(work: Callable[[], Any]) -> None:
        with gpu.tf32(True):
            work()

    def multiplied(dtype: torch.dtype) -> Callable[[], Any]:
        shape = (args.batch_size * (1 + USED), args.dim, args.depth, args.steps)
        return gpu.captured(multiplications(*shape, dtype, gpu.kind))

    with gpu.tf32(True):
        fast = multiplied(torch.float32)
    names = ('float32', 'TF32', 'bfloat16')
    ours: Ways = (case.step, partial(in_tf32, case.step), partial(case.step, bf16=True))
    released = case.released_step
    theirs: Ways = (released, partial(in_tf32, released), partial(released, bf16=True))
    limits: Ways = (multiplied(torch.float32), fast, multiplied(torch.bfloat16))
    ways = dict(zip(names, ours, strict=True))
    ways |= {f'released network, {name}': way for name, way in zip(names, theirs, strict=True)}
    ways |= {f'limit, {name}': way for name, way in zip(names, limits, strict=True)}
    ways |= {'bfloat16, Adam in one kernel': eager, 'bfloat16, CUDA graph': graph}
    seconds = gpu.in_turn(ways, args.runs)
    m = middle(seconds)
    for name in (*names, 'bfloat16, Adam in one kernel', 'bfloat16, CUDA graph'):
        kind = name.partition(',')[0]
        share = operations(args) * args.steps / m[name] / rate
        work = (
            f'{args.steps} steps of {args.batch_size} x {1 + USED} x {args.dim}, {args.depth} layers, in place; '
            f'{m[name] / args.steps * 1e3:.3g} ms a step, {share:.2g} of the bfloat16 matrix rate'
        )
        peers = {p: seconds[p] for p in dict.fromkeys((f'released network, {kind}', 'released network, float32'))}
        met = m[f'released network, {kind}'] / m[name] >= AIM_STEP
        report(gpu, f'training step, {name}', work, seconds[name], peers, m[f'limit, {kind}'], met)


def epoch(args: argparse.Namespace, gpu: Accelerator, case: Case) -> list[float]:
    """The runner's epoch against the released one; seconds of a step of the latter."""
    ways = {'epoch': case.runner.train_loop.run_epoch, 'step': case.step, 'released': case.released_epoch}
    seconds = gpu.in_turn(ways, args.runs)
    m = middle(seconds)
    work = f'{args.steps} steps of an epoch in float32; {m["epoch"] / args.steps * 1e3:.3g} ms a step; limit: the step'
    peer = {'released loader and network': seconds['released']}
    report(gpu, 'training epoch', work, seconds['epoch'], peer, m['step'], m['step'] / m['epoch'] >= 0.95)
    return [s / args.steps for s in seconds['released']]


def whole(args: argparse.Namespace, gpu: Accelerator, case: Case, rate: float, released: Sequence[float]) -> None:
    """All epochs by our runner, in bfloat16 with all that a run does, and without; and in float32."""
    import math

    import numpy as np
    from training import BARE, CONFIG

    bf16 = {'optim_wrapper.type': 'Bf16OptimWrapper'}
    full = {'default_hooks': config_hooks(CONFIG.with_name('default_runtime.py'))}
    ways: dict[str, dict[str, Any]] = {
        'full': {**bf16, **full},
        'bfloat16, training alone': {**bf16, **BARE},
        'float32, training alone': BARE,
    }
    few, every = np.arange(min(2 * args.batch_size, args.works)), np.arange(args.works)
    losses = [
        train_all(args, gpu, case.data, few, {**changes, 'train_cfg.max_epochs': 1})[1] for changes in ways.values()
    ]
    assert np.allclose(losses, losses[-1], rtol=0.1, atol=0.01), losses
    seconds = {}
    for name, changes in ways.items():
        taken, loss = train_all(args, gpu, case.data, every, {**changes, 'train_cfg.max_epochs': args.epochs})
        assert math.isfinite(loss)
        seconds[name] = [taken]
    ours, count = seconds.pop('full'), args.epochs * -(-args.works // args.batch_size)
    peers = {f'released loader and network ({args.steps} steps, scaled)': [s * count for s in released], **seconds}
    limit = count * operations(args) / rate
    work = (
        f'{args.epochs} epochs of {args.works:,} graphs, {count:,} steps of {args.batch_size}, {args.depth} layers, '
        f'{min(VALIDATED, args.works):,} works validated and a checkpoint written every epoch, bfloat16; '
        f'{ours[0] / count * 1e3:.3g} ms a step'
    )
    report(gpu, 'whole training', work, ours, peers, limit, ours[0] <= AIM_WHOLE)


def config_hooks(path: Path) -> dict[str, Any]:
    """The default hooks of a config."""
    from mmengine.config import Config

    return dict(Config.fromfile(path).default_hooks)


def train_all(
    args: argparse.Namespace,
    gpu: Accelerator,
    data: tuple[np.ndarray, ReferenceIndex, np.ndarray],
    rows: np.ndarray,
    changes: Mapping[str, Any],
) -> tuple[float, float]:
    """Seconds of our runner for rows [n], without what is built before, and the last loss."""
    import numpy as np
    import torch
    from timing import in_turn
    from training import make_runner

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        validated = np.arange(min(VALIDATED, len(rows)))
        runner = make_runner(args, Path(folder), *data, rows, validated, changes)

        def train() -> None:
            runner.train()
            gpu.wait()

        [seconds] = in_turn({'train': train}, repeats=1, warm_up=0)['train']
        return seconds, float(runner.message_hub.get_scalar('train/loss').current())


def extraction(args: argparse.Namespace, gpu: Accelerator) -> None:
    """The forward pass of a Swin Transformer."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ssmr.backbones.encoder import build_encoder

    arch = LEAST if args.arch == 'least' else args.arch
    backbone = {'type': 'mmpretrain.SwinTransformer', 'arch': arch, 'img_size': 224}
    encoder = build_encoder('semantic', {'type': 'GlobalFeature', 'backbone': backbone, 'preprocess': {'size': 224}})
    encoder = encoder.to(gpu.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(0)
    images = torch.randn(args.images, 3, 224, 224, device=gpu.device).to(memory_format=torch.channels_last)

    def forward(bf16: bool) -> Tensor:
        with torch.inference_mode(), torch.autocast(gpu.kind, torch.bfloat16, enabled=bf16):
            return encoder(images).float()

    with FlopCounterMode(display=False) as counter:
        exact = forward(False)
    alike = torch.cosine_similarity(exact, forward(True))
    assert alike.min() > 0.99, alike.min()
    ways = {'float32': partial(forward, False), 'bfloat16': partial(forward, True)}
    seconds = gpu.in_turn(ways, args.runs)
    for name, dtype in (('float32', torch.float32), ('bfloat16', torch.bfloat16)):
        taken, flops = statistics.median(seconds[name]), counter.get_total_flops()
        limit = flops / gpu.rate(dtype)
        work = (
            f'Swin {args.arch}, {args.images} synthetic tensors at 224 px, channels last: {args.images / taken:.0f} a '
            f'second, {flops / args.images / 1e9:.3g} GFLOP each, {limit / taken:.2g} of the matrix rate'
        )
        peer = {} if name == 'float32' else {'float32': seconds['float32']}
        report(gpu, f'extraction, {name}', work, seconds[name], peer, limit, None)


CASES = {case.__name__: case for case in (references, batches, training, extraction)}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda', help='cpu shows only that this runs')
    parser.add_argument('--cases', nargs='+', choices=CASES, default=list(CASES), help='only these (default: all)')
    parser.add_argument('--works', type=int, default=50_737, help='in the bank, pool and epoch (default: 50737)')
    parser.add_argument('--queries', type=int, default=60_337, help='the works and more (default: 60337)')
    parser.add_argument('--few', type=int, default=64, help='queries for the released loop (default: 64)')
    parser.add_argument('--dim', type=int, default=1024, help='default: 1024')
    parser.add_argument('--k', type=int, default=50, help='default: 50')
    parser.add_argument('--batches', type=int, default=200, help='that are gathered (default: 200)')
    parser.add_argument('--batch-size', type=int, default=128, help='default: 128')
    parser.add_argument('--depth', type=int, default=6, help='relation layers (default: 6)')
    parser.add_argument('--steps', type=int, default=20, help='of the step and epoch cases (default: 20)')
    parser.add_argument('--epochs', type=int, default=20, help='of the whole training; 0 leaves it out (default: 20)')
    parser.add_argument('--arch', default='base', help='of the Swin Transformer; least is for tests (default: base)')
    parser.add_argument('--images', type=int, default=64, help='in a batch of it (default: 64)')
    parser.add_argument('--runs', type=int, default=5, help='of each but the whole training (default: 5)')
    args = parser.parse_args()
    if args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''  # mmengine takes a GPU where it sees one
    import torch
    from accelerator import Accelerator
    from record import HEADER

    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('torch sees no GPU; --device cpu with small sizes shows whether this script runs')
    gpu = Accelerator(args.device)
    print(HEADER, flush=True)
    failed = []
    with gpu.tf32(False):
        for name in args.cases:
            try:
                CASES[name](args, gpu)
            except ModuleNotFoundError as error:
                print(f'{name}: left out, {error.name} is not installed', flush=True)
            except Exception:  # a GPU is seldom at hand: the others shall have their rows
                traceback.print_exc()
                failed.append(name)
    if failed:
        sys.exit(f'failed: {", ".join(failed)}')


if __name__ == '__main__':
    main()
