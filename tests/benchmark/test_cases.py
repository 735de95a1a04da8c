"""Every benchmark runs at a tiny size, finds its ways equal, and leaves its lines and rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'
FIELDS = {
    'case', 'device', 'work', 'ours_s', 'peers', 'limit_s', 'ratio_peer', 'ratio_limit', 'equal', 'aim_met', 'runs',
    'machine', 'versions', 'date',
}  # fmt: skip
#: Script -> tiny sizes, and case -> its peers. A '*' stands for any.
CASES = {
    'references': (
        '--works 90 --pool 70 --queries 20 --few 4 --dim 8 --k 5 --runs 1',
        {'references, one view': {'released loop', 'mmpretrain', 'faiss Flat', 'torch.mm alone', 'np.matmul alone'}},
    ),
    'fused_references': (
        '--works 90 --pool 70 --queries 20 --few 4 --dims 8 4 --depth 20 --k 5 --runs 1',
        {'references, fused views': {'one by one, all', 'one by one, 20', 'torch.mm alone', 'np.matmul alone'}},
    ),
    'growth': (
        '--sizes 300 900 --queries 20 --dim 8 --k 5 --shards 3 --index IVF4,Flat --nprobe 4 --steps 1 '
        '--batch-size 4 --depth 1 --runs 1',
        {'growth, references': {'3 shards', 'IVF4,Flat'}, 'growth, training': set()},
    ),
    'feature_bank': (
        '--works 60 --dim 8 --batches 3 --batch-size 4 --peer-batches 2 --runs 1',
        {
            'feature bank, memory': set(),
            'feature bank, memory-mapped': set(),
            'reference graphs, memory': {'released loader (2 batches, scaled)'},
            'reference graphs, memory-mapped': {'released loader (2 batches, scaled)'},
        },
    ),
    'training': (
        '--works 60 --steps 2 --batch-size 4 --dim 8 --depth 2 --runs 1',
        {
            'training, epoch': {'released loader and network'},
            'training, step': {'released network'},
            'training, *': {'*'},  # in bfloat16, where the processor has it
        },
    ),
    'extraction': (
        '--lite0 10 --swin 0 --flat 40 --runs 1',
        {
            'extraction, EfficientNet-Lite0': {'mmpretrain', 'DataLoader', 'decode alone', 'forward alone'},
            'extraction, flat': {'first tenth'},
        },
    ),
    'one_image': (
        '--works 80 --pictures 1 --side 64 --cfg-options encoders.semantic.backbone.arch=tiny model.in_dim=768 '
        'encoders.style.dim=64 model.reasoner.depth=1',
        {'one image': {'forward alone', 'mmpretrain, one view, no score'}},
    ),
    'style_descriptor': (
        '--sample 1 --side 64 --works 12 --smaller 60 --runs 1',
        {
            'style descriptor': {'full Gram matrices', 'ChannelStatistics'},
            'style neighbours': {'full Gram matrices'},
        },
    ),
    'incremental': ('--works 10 --runs 1', {'incremental': {'full rebuild'}}),
}


@pytest.mark.parametrize('script', CASES)
def test_a_tiny_case_is_recorded(script: str, tmp_path: Path) -> None:
    options, expected = CASES[script]
    command = [sys.executable, str(TOOLS / f'{script}.py'), *options.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / 'work_dirs/benchmark/results.jsonl').read_text(encoding='utf-8').splitlines()
    peers: dict[str, set[str]] = {}
    for line in map(json.loads, results):
        assert line.keys() == FIELDS and line['equal'] and line['ours_s'] > 0
        assert line['ratio_peer'].keys() == line['peers'].keys()
        assert f'| {line["case"]} |' in done.stdout
        case = line['case'] if line['case'] in expected else f'{line["case"].partition(",")[0]}, *'
        peers[case] = peers.get(case, set()) | ({'*'} if expected[case] == {'*'} else set(line['peers']))
    assert peers == expected
