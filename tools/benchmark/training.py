"""One epoch of training: what the loader, the loop and the network cost.

"training, epoch" is the runner's own epoch with the network and the optimizer of configs/_base_/ssmr.py: loader,
gathering, forward, backward, optimizer, hooks. It is compared with the released loader and network, and its limit is
our step alone, on batches that are in place. "training, step" compares that step with the released network's; the limit
is its matrix multiplications alone. "training, step in bfloat16" is the same under autocast; where the processor
multiplies bfloat16 no faster than float32, "training, bfloat16 multiplication" shows that instead. Both networks have
the same weights. A sample of steps stands for the epoch of all works. The data are synthetic (NumPy, seed 0).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from peers.released_model import ReleasedModel
    from torch import Tensor

    from ssmr.artifacts.reference_index import ReferenceIndex
    from ssmr.assessors.base import Assessor
    from ssmr.datasets.reference_graph import ReferenceGraph
    from ssmr.engine.runner import SafeRunner

CONFIG = Path(__file__).resolve().parents[2] / 'configs/_base_/ssmr.py'
PACKAGES = ['ssmr', 'torch', 'mmengine', 'numpy', 'pandas']
#: A runner that does nothing but train.
BARE = {'train_cfg.val_begin': 1_000_000, 'default_hooks': {'checkpoint': None}}
#: Our step of our epoch; the released step of ours, in float32 and in bfloat16; the multiplications of our step.
AIM_EPOCH, AIM_STEP, AIM_BF16, AIM_GEMM = 0.95, 1.35, 2.4, 0.8


def make_runner(
    args: argparse.Namespace,
    folder: Path,
    bank: np.ndarray,
    index: ReferenceIndex,
    scores: np.ndarray,
    rows: np.ndarray,
    validated: np.ndarray,
    changes: Mapping[str, Any],
) -> SafeRunner:
    """Our runner of rows [n] with the network and the optimizer of the config; on the GPU where there is one.

    Args:
        args: Sizes.
        folder: Its work folder.
        bank: [works, dim].
        index: References of all works.
        scores: [works].
        rows: To train with.
        validated: [m] rows to validate with.
        changes: Of the config, by dotted names.
    """
    import torch
    from feature_bank import USED
    from mmengine.config import Config
    from peers.released_model import HIGHEST, LOWEST

    from ssmr.datasets.reference_graph import GraphGather, RowDataset
    from ssmr.engine.build_runner import build_runner
    from ssmr.registry import MODELS

    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(
        {
            'model.in_dim': args.dim,
            'model.reasoner.dim': args.dim,
            'model.reasoner.depth': args.depth,
            'model.head.target_range': (LOWEST, HIGHEST),
            'train_dataloader.batch_size': args.batch_size,
            'log_level': 'ERROR',
            'work_dir': str(folder),
            **changes,
        }
    )
    gather = GraphGather([bank], index, scores, USED)
    model = MODELS.build({**cfg.model, 'num_references': USED, 'data_preprocessor': gather})
    model.fit_targets(torch.from_numpy(scores))
    datasets = {'train': RowDataset(rows), 'val': RowDataset(validated)}
    return build_runner(cfg, model, datasets, {'type': 'AestheticMetric'}, {})


def warm_runner(
    args: argparse.Namespace,
    folder: Path,
    bank: np.ndarray,
    index: ReferenceIndex,
    scores: np.ndarray,
    rows: np.ndarray,
) -> SafeRunner:
    """Our runner after an epoch of rows [n], with everything built; it neither validates nor writes checkpoints."""
    runner = make_runner(args, folder, bank, index, scores, rows, rows[:1], {'train_cfg.max_epochs': 1, **BARE})
    runner.train()
    return runner


def make_equal(released: ReleasedModel, ours: Assessor, graph: ReferenceGraph) -> None:
    """Give both networks the same weights, and check that outputs, losses and gradients are the same, too.

    Gradients are compared in float64: in float32 a ReLU whose input is 0 but for rounding may be open in one only.
    """
    from peers.released_model import by_our_names
    from torch import nn
    from torch.testing import assert_close

    for name, p in released.named_parameters():
        if name.endswith('.w_norm.weight'):
            nn.init.normal_(p, std=0.5)  # it begins at 0: the layers would do nothing
    weights = by_our_names(dict(released.named_parameters()))
    assert weights.keys() == dict(ours.named_parameters()).keys()
    ours.load_state_dict(weights, strict=False)
    assert_close(ours.assess(graph), released(graph.nodes), rtol=1e-3, atol=1e-4)
    assert_close(ours.losses(graph)['loss'], released.loss(graph.nodes, graph.scores), rtol=1e-4, atol=1e-6)
    networks = (*ours.children(), released)
    for network in networks:
        network.double()
    precise = replace(graph, nodes=graph.nodes.double())
    for output in (ours.assess(precise), released(precise.nodes)):
        output.square().sum().backward()
    gradients = by_our_names({name: p.grad for name, p in released.named_parameters() if p.grad is not None})
    assert_close({name: p.grad for name, p in ours.named_parameters()}, gradients)
    for network in networks:
        network.zero_grad()
        network.float()


def train(optimizer: torch.optim.Optimizer, losses: Iterable[Tensor]) -> None:
    """One step for each of the losses, which are computed one at a time."""
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def multiplications(
    rows: int, dim: int, depth: int, steps: int, dtype: torch.dtype, device: str = 'cpu'
) -> Callable[[], None]:
    """The matrix multiplications of steps on ``rows`` nodes; their results have their places.

    For a linear map y = x W^T: y, the gradient dy^T x of its weight, and, but for the first, dy W of its input.
    """
    import torch

    def matrices(wide: int) -> tuple[Tensor, ...]:
        sizes = ((rows, dim), (wide, dim), (rows, wide), (wide, dim), (rows, dim))
        return tuple(torch.randn(size).to(device, dtype) for size in sizes)

    narrow, wide = matrices(dim), matrices(3 * dim)

    def run() -> None:
        for _ in range(steps):
            for number, (x, weight, y, weight_gradient, x_gradient) in enumerate([narrow] + [wide, narrow] * depth):
                torch.mm(x, weight.T, out=y)
                torch.mm(y.T, x, out=weight_gradient)
                if number > 0:
                    torch.mm(y, weight, out=x_gradient)

    return run


class Case:
    """Both networks, their optimizers and their data, where our runner put its model.

    Args:
        args: Sizes.
        folder: An empty one.

    Attributes:
        data: Features [works, dim], references and scores [works] of all works.
        batches: Rows [batch size] of each of the steps.
    """

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        import numpy as np
        import torch
        from feature_bank import USED, released_dataset, synthetic
        from peers.released_model import ReleasedModel
        from torch.utils.data import DataLoader

        rng = np.random.default_rng(0)
        self.data = bank, index, scores = synthetic(args.works, args.dim, rng)
        rows = rng.choice(args.works, args.steps * args.batch_size, replace=False)
        self.runner = warm_runner(args, folder, bank, index, scores, rows)
        self.ours, self.adam = self.runner.model, self.runner.optim_wrapper.optimizer
        self.device = next(self.ours.parameters()).device
        self.batches = torch.from_numpy(rows).to(self.device).split(args.batch_size)
        self.graphs: list[ReferenceGraph] = [self.ours.data_preprocessor(batch)['graph'] for batch in self.batches]
        self.released = ReleasedModel(args.dim, args.depth, 1 + USED).to(self.device)
        self.released_adam = torch.optim.Adam(self.released.parameters(), lr=self.adam.defaults['lr'])
        make_equal(self.released, self.ours, self.graphs[0])
        dataset = released_dataset(folder, bank, index, scores, rows)
        self.loader = DataLoader(dataset, batch_size=args.batch_size, shuffle=True)

    def losses(self, bf16: bool = False) -> Iterator[Tensor]:
        """Ours, of the batches in place."""
        import torch

        for graph in self.graphs:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = self.ours.losses(graph)['loss']
            yield loss

    def released_losses(self, bf16: bool = False) -> Iterator[Tensor]:
        """The released network's, of the batches in place."""
        import torch

        for graph in self.graphs:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = self.released.loss(graph.nodes, graph.scores)
            yield loss

    def step(self, bf16: bool = False) -> None:
        """Our steps on the batches in place."""
        train(self.adam, self.losses(bf16))

    def released_step(self, bf16: bool = False) -> None:
        """The released network's steps on the batches in place."""
        train(self.released_adam, self.released_losses(bf16))

    def released_epoch(self) -> None:
        """The released network's steps on batches of the released loader."""
        batches = ((nodes.to(self.device), labels.to(self.device)) for nodes, labels in self.loader)
        train(self.released_adam, (self.released.loss(nodes, labels) for nodes, labels in batches))


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Compare, time and record."""
    import torch
    from feature_bank import USED
    from record import HEADER, record
    from timing import in_turn

    torch.manual_seed(0)
    case = Case(args, folder)
    sizes = args.batch_size * (1 + USED), args.dim, args.depth
    threads = torch.get_num_threads()
    work = (
        f'{args.steps} of the {-(-args.works // args.batch_size)} steps of an epoch of {args.works:,} graphs; '
        f'{args.batch_size} x {1 + USED} x {args.dim}, {args.depth} layers, {threads} threads, synthetic'
    )
    print(HEADER)

    ways = {'epoch': case.runner.train_loop.run_epoch, 'step': case.step}
    peers = {'released epoch': case.released_epoch, 'released step': case.released_step}
    s = in_turn({**ways, **peers, 'mm': multiplications(*sizes, args.steps, torch.float32)}, args.runs)
    epoch, step, released, mm = (statistics.median(s[name]) for name in ('epoch', 'step', 'released step', 'mm'))
    peer = {'released loader and network': s['released epoch']}
    print(record('training, epoch', work, s['epoch'], peer, step, True, step / epoch >= AIM_EPOCH, PACKAGES))
    met = released / step >= AIM_STEP and mm / step >= AIM_GEMM
    print(record('training, step', work, s['step'], {'released network': s['released step']}, mm, True, met, PACKAGES))

    pair = torch.randn(sizes[0], args.dim), torch.randn(args.dim, args.dim)
    halves = tuple(matrix.bfloat16() for matrix in pair)
    one = in_turn({'float32': lambda: torch.mm(*pair), 'bfloat16': lambda: torch.mm(*halves)}, 3)
    if statistics.median(one['bfloat16']) >= statistics.median(one['float32']):
        work = f'{sizes[0]} x {args.dim} x {args.dim}, {threads} threads: no bfloat16 arithmetic here'
        torch.testing.assert_close(torch.mm(*halves).float(), torch.mm(*pair), rtol=0.05, atol=0.01 * args.dim)
        peer = {'float32': one['float32']}
        print(record('training, bfloat16 multiplication', work, one['bfloat16'], peer, None, True, False, PACKAGES))
        return
    torch.testing.assert_close(next(case.losses(bf16=True)), next(case.losses()), rtol=0.1, atol=0.01)
    ways = {'step': partial(case.step, bf16=True), 'released step': case.released_step}
    s = in_turn({**ways, 'mm': multiplications(*sizes, args.steps, torch.bfloat16)}, args.runs)
    step, released, mm = (statistics.median(s[name]) for name in ('step', 'released step', 'mm'))
    peer, met = {'released network, float32': s['released step']}, released / step >= AIM_BF16
    print(record('training, step in bfloat16', work, s['step'], peer, mm, True, met, PACKAGES))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--works', type=int, default=50737, help='in the bank and in an epoch (default: 50737)')
    parser.add_argument('--steps', type=int, default=3, help='that stand for the epoch (default: 3)')
    parser.add_argument('--batch-size', type=int, default=128, help='default: 128')
    parser.add_argument('--dim', type=int, default=1024, help='of nodes and layers (default: 1024)')
    parser.add_argument('--depth', type=int, default=6, help='relation layers (default: 6)')
    parser.add_argument('--runs', type=int, default=5, help='default: 5')
    args = parser.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = ''  # mmengine would take a GPU; gpu.py measures that
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


if __name__ == '__main__':
    main()
