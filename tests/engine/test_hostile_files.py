"""Files that lie: whatever the bytes, the outcome is an error of ours or what was written; nothing is ever executed.

Every table of tampered contents is applied to files whose checksums fit again, as somebody would do who means it.
"""

from __future__ import annotations

import builtins
import copy
import importlib
import json
import os
import pickle
import shutil
import subprocess
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY_CONFIG, paint_works
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from ssmr.artifacts.feature_bank import FEATURES, IDS, PROGRESS, QUARANTINE, FeatureBank, FeatureBankWriter
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.artifacts.store import MANIFEST, ArtifactKey, ArtifactStore
from ssmr.config.load import load_config
from ssmr.engine.checkpoint_files import read_checkpoint
from ssmr.engine.checkpoints import BEST, LEDGER, RECORD, CheckpointFolder
from ssmr.engine.published import KEY, read_published, write_published
from ssmr.engine.runner import RESUME_FIELDS
from ssmr.errors import ArtifactError, CheckpointError, SsmrError
from ssmr.registry import HOOKS
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project

NAN = float('nan')
DEEP = 100_000


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: its config; everything it made lies beside."""
    root = tmp_path_factory.mktemp('hostile')
    works = paint_works(root / 'works')
    path = root / 'tiny.py'
    text = TINY_CONFIG.format(root=str(works), artifacts=str(root / 'artifacts'), work_dir=str(root / 'run'))
    schedule = "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=20)]\n"
    path.write_text(text + schedule + "custom_hooks = [dict(type='EMAHook', momentum=0.2)]\n")
    pipeline.run(Project(load_config(path)))
    return path


@pytest.fixture(scope='module')
def good(trained: Path) -> Path:
    return trained.parent / 'run' / 'epoch_2.pth'


@pytest.fixture(scope='module')
def expected(trained: Path) -> dict[str, Any]:
    inputs = Project(load_config(trained)).train_inputs()
    return {field: inputs[field] for field in RESUME_FIELDS}


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that only code out of a file would make."""
    path = tmp_path / 'canary'
    yield path
    assert not path.exists(), 'something out of a file was executed'


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, HistoryBuffer):
        return isinstance(b, HistoryBuffer) and all(map(np.array_equal, a.data, b.data))
    return bool(a == b)


class Call:
    """Pickles as a call of ``function`` with ``arguments``, to be made by whoever loads it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


CODE: dict[str, Callable[[str], Any]] = {
    'a command': lambda c: Call(os.system, f'touch {c}'),
    'a process': lambda c: Call(subprocess.Popen, ['touch', c]),
    'eval': lambda c: Call(builtins.eval, f'open({c!r}, "w")'),
    'exec': lambda c: Call(builtins.exec, f'open({c!r}, "w")'),
    'open': lambda c: Call(open, c, 'w'),
    'an import': lambda c: Call(importlib.import_module, 'antigravity'),
    'a nested pickle': lambda c: Call(pickle.loads, pickle.dumps(Call(os.system, f'touch {c}'))),
    'attributes in a chain': lambda c: Call(getattr, Call(getattr, HistoryBuffer, 'mean'), '__globals__'),
    'an attribute of a module': lambda c: Call(getattr, Call(importlib.import_module, 'os'), 'system'),
    'a deletion': lambda c: Call(shutil.rmtree, '/nonexistent'),
    'a file of the disk': lambda c: Call(np.fromfile, '/etc/passwd'),
    'an array that loads pickles': lambda c: Call(np.load, c, None, True),
    'a torch load': lambda c: Call(torch.load, c),
    'a class of ours': lambda c: Path(c),
    'a lot of memory': lambda c: Call(bytearray, 1 << 62),
}
PLACES: dict[str, Callable[[dict[str, Any], Any], None]] = {
    'meta': lambda content, code: content['meta'].update(extra=code),
    'weights': lambda content, code: content['state_dict'].update(extra=code),
    'hub': lambda content, code: content['message_hub']['runtime_info'].update(best_score=code),
    'optimizer': lambda content, code: content['optimizer']['state'][0].update(step=code),
    'top': lambda content, code: content.update(extra=code),
}


@pytest.mark.parametrize('place', PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize('code', CODE.values(), ids=CODE.keys())
def test_code_in_a_checkpoint_is_refused_and_not_run(
    good: Path,
    expected: dict[str, Any],
    tmp_path: Path,
    canary: Path,
    code: Callable[[str], Any],
    place: Callable[[dict[str, Any], Any], None],
) -> None:
    content = safe_torch_load(good)
    place(content, code(str(canary)))
    torch.save(content, tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match=r'evil\.pth'):
        read_checkpoint(tmp_path / 'evil.pth', expected)


PICKLES = {
    'a global of posix': b"cposix\nsystem\n(S'touch CANARY'\ntR.",
    'an instance': b"(S'touch CANARY'\nios\nsystem\n.",
    'an object': b"(cos\nsystem\nS'touch CANARY'\no.",
    'a dotted global': b'\x80\x04\x8c\x08builtins\x8c\x0d__import__.__call__\x93.',
    'a persistent name': b'P../../../../etc/passwd\n.',
    'an extension': b'\x80\x02\x82\x01.',
    'deep lists': b'(' * DEEP + b'l' * DEEP + b'.',
    'deep appends': b']' * DEEP + b'a' * (DEEP - 1) + b'.',
    'a big number': b'\x80\x02\x8b\xff\xff\xff\x7f' + bytes(100) + b'.',
    'many digits': b'I' + b'9' * 100_000 + b'\n.',
    'a big text': b'\x80\x04\x8d' + (1 << 60).to_bytes(8, 'little') + b'x.',
    'a memo that is not there': b'\x80\x02h\x07.',
    'nothing': b'',
    'no end': b'\x80\x02}',
    'an empty stack': b'\x80\x02.',
}


@pytest.mark.parametrize('data', PICKLES.values(), ids=PICKLES.keys())
def test_the_pickle_in_the_archive_may_be_anything(
    good: Path, expected: dict[str, Any], tmp_path: Path, canary: Path, data: bytes
) -> None:
    rewrite(
        good,
        tmp_path / 'evil.pth',
        lambda e: {**e, name_of(e, 'data.pkl'): data.replace(b'CANARY', str(canary).encode())},
    )
    with pytest.raises(CheckpointError, match=r'evil\.pth'):
        read_checkpoint(tmp_path / 'evil.pth', expected)


def name_of(entries: dict[str, bytes], end: str) -> str:
    [name] = [name for name in entries if name.endswith(end)]
    return name


def rewrite(
    source: Path, path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]], kind: int = zipfile.ZIP_STORED
) -> None:
    """Write an archive again with other entries; its checksums fit."""
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', kind) as archive:
        for name, data in change(entries).items():
            archive.writestr(name, data)


ARCHIVES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    'no pickle': lambda e: {n: d for n, d in e.items() if not n.endswith('data.pkl')},
    'no tensors': lambda e: {n: d for n, d in e.items() if '/data/' not in n},
    'a tensor cut short': lambda e: {**e, name_of(e, '/data/0'): e[name_of(e, '/data/0')][:-4]},
    'a tensor emptied': lambda e: {**e, name_of(e, '/data/0'): b''},
    'names that leave the folder': lambda e: {f'../../{n}': d for n, d in e.items()},
    'other names': lambda e: {n.replace('/data/', '/other/'): d for n, d in e.items()},
    'nothing': lambda e: {},
    'a pickle alone': lambda e: {'data.pkl': e[name_of(e, 'data.pkl')]},
    'a script model': lambda e: {**e, name_of(e, 'data.pkl').replace('data.pkl', 'constants.pkl'): b'\x80\x02).'},
}


@pytest.mark.parametrize('change', ARCHIVES.values(), ids=ARCHIVES.keys())
def test_the_archive_may_be_anything(
    good: Path, expected: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]
) -> None:
    rewrite(good, tmp_path / 'evil.pth', change)
    with pytest.raises(CheckpointError, match=r'evil\.pth'), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        read_checkpoint(tmp_path / 'evil.pth', expected)


def test_a_compressed_archive_is_refused_before_it_fills_the_memory(
    good: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    rewrite(good, tmp_path / 'evil.pth', lambda e: {**e, 'archive/data/999': bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert (tmp_path / 'evil.pth').stat().st_size < 1_000_000
    with pytest.raises(CheckpointError, match='compressed'):
        read_checkpoint(tmp_path / 'evil.pth', expected)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A few changed bytes, an end cut off or added, a block of zeros, a block in another place."""
    kind = draw(st.sampled_from(['bytes', 'cut', 'more', 'zeros', 'moved']))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
    value = draw(st.integers(1, 255))

    def damage(data: bytes) -> bytes:
        changed, at = bytearray(data), [int(place * len(data)) for place in places]
        if kind == 'bytes':
            for i in at:
                changed[i] ^= value
        elif kind == 'cut':
            del changed[at[0] :]
        elif kind == 'more':
            changed += bytes([value]) * (at[0] + 1)
        elif kind == 'zeros':
            changed[at[0] : at[0] + value] = bytes(len(changed[at[0] : at[0] + value]))
        else:
            block = changed[at[0] : at[0] + value]
            changed[at[-1] : at[-1] + len(block)] = block
        return bytes(changed)

    return damage


@settings(max_examples=200)
@given(damages())
def test_damaged_bytes_are_noticed_or_change_nothing(
    good: Path,
    expected: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    damage: Callable[[bytes], bytes],
) -> None:
    path = tmp_path_factory.getbasetemp() / 'damaged.pth'
    path.write_bytes(damage(good.read_bytes()))
    try:
        found = read_checkpoint(path, expected)
    except CheckpointError as error:
        assert str(path) in error.message
    else:
        assert equal(found, safe_torch_load(good))


Content = dict[str, Any]


def put(where: str, value: Any) -> Callable[[Content], None]:
    """Change what lies under a dotted name; a value that can be called makes the new one of the old one."""

    def change(content: Content) -> None:
        *path, last = where.split('/')
        for name in path:
            content = content[int(name) if name.isdecimal() else name]
        key = int(last) if last.isdecimal() else last
        content[key] = value(content[key]) if callable(value) else value

    return change


def drop(where: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        *path, last = where.split('/')
        for name in path:
            content = content[int(name) if name.isdecimal() else name]
        del content[int(last) if last.isdecimal() else last]

    return change


def logged(**fields: Any) -> Callable[[Content], None]:
    """A history whose fields are changed."""

    def change(content: Content) -> None:
        vars(content['message_hub']['log_scalars']['train/loss']).update(fields)

    return change


def kept(**fields: Any) -> Callable[[Content], None]:
    """What hooks keep for a resumed run."""

    def change(content: Content) -> None:
        content['message_hub']['runtime_info'].update(fields)
        content['message_hub']['resumed_keys'].update(dict.fromkeys(fields, True))

    return change


def with_nan(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = NAN
    return changed


WEIGHT = 'state_dict/head.linear.weight'
INFO = 'message_hub/runtime_info'
STATE = 'random_states/0'
WRONG = {'a number': 5, 'a text': 'x', 'nothing': None, 'a list': [1], 'a table': {'a': 1}, 'a tensor': torch.ones(2)}
#: What no run of this config could have written, in every part of a checkpoint.
CONTENTS: dict[str, Callable[[Content], None]] = {
    **{
        f'{part} is {kind}': put(part, value)
        for part in ('meta', 'state_dict', 'message_hub', 'optimizer', 'param_schedulers', 'random_states')
        for kind, value in WRONG.items()
    },
    **{
        f'no {part}': drop(part)
        for part in ('meta', 'state_dict', 'message_hub', 'optimizer', 'param_schedulers', 'random_states')
    },
    **{
        f'meta.{name} is {value!r}'[:40]: put(f'meta/{name}', value)
        for name in ('epoch', 'iter', 'position', 'world_size', 'seed')
        for value in (-1, 'x', None, 1.5, True, 1 << 80, [1], NAN)
    },
    **{f'no meta.{name}': drop(f'meta/{name}') for name in ('epoch', 'iter', 'position', 'ssmr_inputs')},
    **{
        f'inputs {i}': put('meta/ssmr_inputs', value)
        for i, value in enumerate([5, '', '{', '[]', 'null', '{}', '[' * DEEP, '{"model":' * 900 + '1' + '}' * 900])
    },
    'position beyond the pass': put('meta/position', 2),
    'another number of processes': put('meta/world_size', 0),
    'weights with NaN': put(WEIGHT, with_nan),
    'weights of another shape': put(WEIGHT, lambda t: t[:, :-1]),
    'weights turned round': put(WEIGHT, lambda t: t.T),
    'weights of whole numbers': put(WEIGHT, lambda t: t.long()),
    'weights of another precision': put(WEIGHT, lambda t: t.double()),
    'complex weights': put(WEIGHT, lambda t: t.to(torch.complex64)),
    'sparse weights': put(WEIGHT, lambda t: t.to_sparse()),
    'weights without memory': put(WEIGHT, lambda t: t.to('meta')),
    'weights as a parameter': put(WEIGHT, lambda t: torch.nn.Parameter(t)),
    'weights as an array': put(WEIGHT, lambda t: t.numpy()),
    'weights as a list': put(WEIGHT, lambda t: t.tolist()),
    'a number that is a list': put('state_dict/head.targets.mean', lambda t: torch.ones(3)),
    'a weight too few': drop(WEIGHT),
    'a weight too many': lambda c: c['state_dict'].update(extra=torch.ones(1)),
    'names that are numbers': lambda c: c['state_dict'].update({5: torch.ones(1)}),
    'averages with NaN': put('ema_state_dict/module.head.linear.weight', with_nan),
    'averages of another shape': put('ema_state_dict/module.head.linear.weight', lambda t: t[:, :-1]),
    'averages that are a list': put('ema_state_dict', [1]),
    'an average too few': drop('ema_state_dict/module.head.linear.weight'),
    'no log': drop('message_hub/log_scalars'),
    'a log of numbers': put('message_hub/log_scalars', {'train/loss': 5}),
    'a log that is a list': put('message_hub/log_scalars', [1]),
    'a history of texts': logged(_log_history=np.array(['x'])),
    'a history of unequal lengths': logged(_count_history=np.ones(3)),
    'a history without a length': logged(max_length='x'),
    'a history with more fields': logged(mean=5),
    'a history that is a list': logged(_log_history=[1.0]),
    'a best score that is a text': put(f'{INFO}/best_score', 'best'),
    'a best score that is NaN': put(f'{INFO}/best_score', NAN),
    'a best file that is a number': put(f'{INFO}/best_ckpt', 5),
    'patience that is a number': kept(early_stopping=5),
    'patience that lacks a field': kept(early_stopping={'best_score': 1.0}),
    'what is kept is forgotten': put('message_hub/resumed_keys/best_score', False),
    'what is kept is a number': put('message_hub/resumed_keys/best_score', 5),
    'an optimizer without groups': drop('optimizer/param_groups'),
    'an optimizer with two groups': put('optimizer/param_groups', lambda g: [*g, *g]),
    'an optimizer of other parameters': put('optimizer/param_groups/0/params', lambda p: p[::-1]),
    'an optimizer of fewer parameters': put('optimizer/param_groups/0/params', lambda p: p[:-1]),
    **{
        f'a rate that is {value!r}'[:40]: put('optimizer/param_groups/0/lr', value)
        for value in ('fast', None, NAN, [0.1], torch.ones(1))
    },
    'no rate': drop('optimizer/param_groups/0/lr'),
    'betas that are one': put('optimizer/param_groups/0/betas', (0.9,)),
    'betas that are texts': put('optimizer/param_groups/0/betas', ('a', 'b')),
    'a switch that is a text': put('optimizer/param_groups/0/amsgrad', 'yes'),
    'state of another parameter': lambda c: c['optimizer']['state'].update({99: c['optimizer']['state'][0]}),
    'state that is a number': put('optimizer/state/0', 5),
    'state of another shape': put('optimizer/state/0/exp_avg', lambda t: t[:1]),
    'state that would be spread': put('optimizer/state/0/exp_avg', lambda t: t.view(-1)[0]),
    'state with NaN': put('optimizer/state/0/exp_avg_sq', with_nan),
    'state as a list': put('optimizer/state/0/exp_avg', lambda t: t.tolist()),
    'state that is missing': drop('optimizer/state/0/exp_avg'),
    'state that is missing everywhere': lambda c: [s.pop('exp_avg') for s in c['optimizer']['state'].values()],
    'state too much': lambda c: c['optimizer']['state'][0].update(surprise=torch.ones(1)),
    'steps that are many': put('optimizer/state/0/step', lambda t: t.repeat(5)),
    'a schedule that is a number': put('param_schedulers/0', 5),
    'a schedule with an optimizer': lambda c: c['param_schedulers'][0].update(optimizer=5),
    'a schedule with a method': lambda c: c['param_schedulers'][0].update(step='x'),
    'a schedule that lacks a field': drop('param_schedulers/0/last_step'),
    'a schedule that is at a text': put('param_schedulers/0/last_step', 'x'),
    'a schedule at NaN': put('param_schedulers/0/base_values', [NAN]),
    'random numbers of two processes': put('random_states', lambda s: [*s, *s]),
    'random numbers of none': put('random_states', []),
    'Python words too few': put(f'{STATE}/python/words', lambda t: t[:-1]),
    'Python words that are negative': put(f'{STATE}/python/words', lambda t: -t - 1),
    'a Python place that is none': put(f'{STATE}/python/words', lambda t: torch.cat([t[:-1], torch.tensor([9999])])),
    'another Python': put(f'{STATE}/python/version', 99),
    'a Python number that is a text': put(f'{STATE}/python/gauss', 'x'),
    'a NumPy place beyond the end': put(f'{STATE}/numpy/position', 10_000),
    'a NumPy place before the start': put(f'{STATE}/numpy/position', -5),
    'a NumPy place that is a fraction': put(f'{STATE}/numpy/position', 1.5),
    'NumPy keys too few': put(f'{STATE}/numpy/keys', lambda t: t[:5]),
    'a torch state that is zero': put(f'{STATE}/torch', torch.zeros_like),
    'a torch state cut short': put(f'{STATE}/torch', lambda t: t[:-1]),
    'a torch state of numbers': put(f'{STATE}/torch', lambda t: t.float()),
    'a GPU that is a text': put(f'{STATE}/cuda', ['x']),
    'GPUs that are a number': put(f'{STATE}/cuda', 5),
}  # fmt: skip


@HOOKS.register_module(name='TryFiles', force=True)
class TryFiles(Hook):
    """Lets a run that is about to begin go on from file after file."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.outcomes: dict[str, str] = {}
        self.messages: dict[str, str] = {}
        TryFiles.latest = self

    def before_train(self, runner: Any) -> None:
        for path in sorted(self.folder.glob('*.pth')):
            try:
                runner.resume(str(path))
                self.outcomes[path.stem] = 'taken'
            except SsmrError as error:
                self.outcomes[path.stem] = type(error).__name__ if str(path) in str(error) else f'unnamed: {error}'
                self.messages[path.stem] = error.message
            except BaseException as error:
                self.outcomes[path.stem] = f'escaped: {error!r}'
        raise KeyboardInterrupt


@pytest.fixture(scope='module')
def outcomes(trained: Path, good: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What becomes of going on from each of the contents, by number."""
    folder = tmp_path_factory.mktemp('contents')
    shutil.copy(good, folder / 'good.pth')
    for number, change in enumerate(CONTENTS.values()):
        content = copy.deepcopy(safe_torch_load(good))
        change(content)
        torch.save(content, folder / f'{number}.pth')
    cfg = load_config(trained, [f'work_dir={folder / "run"}', 'resume=True', f'load_from={good}'])
    cfg.custom_hooks = [*cfg.custom_hooks, {'type': 'TryFiles', 'folder': str(folder), 'priority': 'LOWEST'}]
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(Project(cfg), retrain=True)
    found: dict[str, str] = TryFiles.latest.outcomes  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize('name', CONTENTS)
def test_contents_that_no_run_has_written_are_refused(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[str(list(CONTENTS).index(name))] == 'CheckpointError'


def test_the_contents_that_a_run_has_written_are_taken(outcomes: dict[str, str]) -> None:
    assert outcomes['good'] == 'taken'
    assert Counter(outcomes.values()) == {'taken': 1, 'CheckpointError': len(CONTENTS)}


def entry(**fields: Any) -> dict[str, Any]:
    return {'file': 'epoch_2.pth', 'sha256': '0' * 64, 'iteration': 4, 'best': False, **fields}


LEDGERS: dict[str, Any] = {
    'a number': 5,
    'a text': 'epoch_2.pth',
    'a table': {'file': 'epoch_2.pth'},
    'nothing': None,
    'a list of texts': ['epoch_2.pth'],
    'a list of lists': [['epoch_2.pth', '0' * 64, 4]],
    'a list of nothing': [None],
    'an entry without a file': [{'sha256': '', 'iteration': 1}],
    'an entry with more': [entry(surprise=1)],
    **{
        f'the file {name!r}'[:60]: [entry(file=name)]
        for name in (
            '../run/epoch_2.pth', '/etc/passwd', '..', '.', '', 'a/b.pth', '../epoch_2.pth', '/epoch_2.pth',
            'labels.csv', 'checkpoints.json', '.epoch_2.pth', '.pth', 'epoch_2.pth\n', 'epoch_2\0.pth', '//host/a.pth',
            'x' * 5000 + '.pth', '~/a.pth/', 'epoch_2.pth/', 'epoch_2.pth/../../x.pth',
        )
    },
    **{
        f'{field} is {value!r}'[:60]: [entry(**{field: value})]
        for field, values in {
            'file': (5, None, ['epoch_2.pth'], {'a': 1}, True),
            'sha256': (5, None, ['0'], True),
            'iteration': ('4', None, 1.5, True, [4]),
            'best': (0, 1, 'no', None),
        }.items()
        for value in values
    },
}  # fmt: skip
JSONS = {
    'empty': b'',
    'cut short': b'[{"file": "epo',
    'not UTF-8': b'\xff\xfe\x00',
    'deep': b'[' * DEEP,
    'a big number': b'[' + b'9' * 10_000 + b']',
    'zeros': bytes(1000),
    'a pickle': pickle.dumps([1]),
}


class TestLedger:
    @pytest.mark.parametrize('ledger', LEDGERS.values(), ids=[ascii(name) for name in LEDGERS])
    def test_what_is_no_ledger_is_refused(self, good: Path, tmp_path: Path, ledger: Any) -> None:
        shutil.copytree(good.parent, tmp_path / 'run')
        (tmp_path / 'run' / LEDGER).write_text(json.dumps(ledger))
        self.refused(tmp_path / 'run')

    @pytest.mark.parametrize('data', JSONS.values(), ids=JSONS.keys())
    def test_what_is_no_json_is_refused(self, good: Path, tmp_path: Path, data: bytes) -> None:
        shutil.copytree(good.parent, tmp_path / 'run')
        (tmp_path / 'run' / LEDGER).write_bytes(data)
        self.refused(tmp_path / 'run')

    def refused(self, folder: Path) -> None:
        before = sorted(p.name for p in folder.iterdir())
        checkpoints = CheckpointFolder(folder)
        for use in (
            checkpoints.last,
            checkpoints.tidy,
            lambda: checkpoints.holds('epoch_2.pth'),
            lambda: checkpoints.require_intact(folder / 'epoch_2.pth'),
            lambda: checkpoints.commit('epoch_3.pth', {}, 6),
        ):
            with pytest.raises(CheckpointError, match='is damaged') as caught:
                use()
            assert str(folder / LEDGER) in caught.value.message and '--resume PATH' in caught.value.fix
        assert sorted(p.name for p in folder.iterdir()) == before

    def test_a_huge_one_of_files_that_are_not_there_is_a_short_error(self, tmp_path: Path) -> None:
        entries = [entry(file=f'epoch_{i}.pth') for i in range(20_000)]
        (tmp_path / LEDGER).write_text(json.dumps(entries))
        with pytest.raises(CheckpointError, match='missing or damaged') as caught:
            CheckpointFolder(tmp_path).last()
        assert len(str(caught.value)) < 1000

    def test_another_file_of_the_folder_is_not_taken_for_a_checkpoint(self, good: Path, tmp_path: Path) -> None:
        (tmp_path / 'mine.pth').write_text('no checkpoint')
        (tmp_path / LEDGER).write_text(json.dumps([entry(file='mine.pth')]))
        with pytest.raises(CheckpointError):
            CheckpointFolder(tmp_path).last()


RECORDS: dict[str, Any] = {
    'a list': [], 'a number': 5, 'nothing': None, 'an empty table': {},
    **{f'no {name}': {'-': name} for name in ('inputs', 'fingerprint', 'checkpoint', 'sha256')},
    **{
        f'the checkpoint {name!r}': {'checkpoint': name}
        for name in ('../best.pth', '/etc/passwd', '', 5, None, 'epoch_1.pth')
    },
    **{
        f'{name} is {value!r}': {name: value}
        for name in ('inputs', 'fingerprint', 'sha256') for value in (5, None, ['x'])
    },
}  # fmt: skip


class TestRecord:
    def refused(self, trained: Path, record: Path) -> None:
        cfg = load_config(trained, [f'work_dir={record.parent}'])
        for use in (pipeline.plan, pipeline.run):
            with pytest.raises(CheckpointError, match=str(record)) as caught:
                use(Project(cfg))
            assert 'remove it' in caught.value.fix

    @pytest.mark.parametrize('change', RECORDS.values(), ids=RECORDS.keys())
    def test_what_is_no_record_is_refused(self, trained: Path, tmp_path: Path, change: Any) -> None:
        shutil.copytree(trained.parent / 'run', tmp_path / 'run')
        path = tmp_path / 'run' / RECORD
        if isinstance(change, dict) and change:
            record = json.loads(path.read_text()) | change
            record.pop(record.pop('-', None), None)
            change = record
        path.write_text(json.dumps(change))
        self.refused(trained, path)

    @pytest.mark.parametrize('data', JSONS.values(), ids=JSONS.keys())
    def test_what_is_no_json_is_refused(self, trained: Path, tmp_path: Path, data: bytes) -> None:
        shutil.copytree(trained.parent / 'run', tmp_path / 'run')
        (tmp_path / 'run' / RECORD).write_bytes(data)
        self.refused(trained, tmp_path / 'run' / RECORD)

    def test_a_result_that_is_another_file_is_not_the_result(self, trained: Path, tmp_path: Path) -> None:
        shutil.copytree(trained.parent / 'run', tmp_path / 'run')
        shutil.copy(tmp_path / 'run' / 'epoch_1.pth', tmp_path / 'run' / BEST)
        project = Project(load_config(trained, [f'work_dir={tmp_path / "run"}']))
        assert not pipeline.plan(project)[-1].hit


N, D, SHARD = 6, 3, 2
NAMES = [f'{i}.png' for i in range(N)]
VALUES = np.arange(N * D, dtype=np.float32).reshape(N, D)


def build_bank(folder: Path) -> dict[str, Any]:
    writer = FeatureBankWriter(folder, NAMES, D, SHARD)
    for shard in writer.pending:
        rows = writer.shards[shard]
        writer.write(shard, VALUES[rows.start : rows.stop], {})
    writer.finish()
    return {}


def build_index(folder: Path) -> dict[str, Any]:
    references = np.array([[1, 2], [0, 2], [0, 1]])
    ReferenceIndex(tuple(NAMES), np.arange(3), references, np.full((3, 2), 0.5, np.float32)).save(folder)
    return {}


def npy(header: str, data: bytes = b'', version: bytes = b'\x01\x00') -> bytes:
    text = header.encode('latin1') + b'\n'
    return b'\x93NUMPY' + version + len(text).to_bytes(2, 'little') + text + data


def said(descr: str = "'<f4'", shape: str = f'({N}, {D})', order: str = 'False') -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}", VALUES.tobytes())


def saved(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def archived() -> bytes:
    import io

    file = io.BytesIO()
    np.savez(file, a=VALUES)
    return file.getvalue()


#: Files in the place of a float32 [N, D].
ARRAYS: dict[str, bytes] = {
    'pickled objects': saved(np.array([[Call(os.system, 'touch CANARY')] * D] * N, dtype=object)),
    'a pickle': pickle.dumps(Call(os.system, 'touch CANARY')),
    'an archive': archived(),
    'float64': saved(VALUES.astype(np.float64)),
    'float16': saved(VALUES.astype(np.float16)),
    'the other byte order': saved(VALUES.astype('>f4')),
    'whole numbers': saved(VALUES.astype(np.int32)),
    'complex': saved(VALUES.astype(np.complex64)),
    'texts': saved(VALUES.astype('U4')),
    'records': saved(np.zeros((N, D), dtype=[('a', '<f4')])),
    'records of objects': said(descr="[('a', 'O')]"),
    'NaN': saved(np.where(VALUES == 4, np.nan, VALUES).astype(np.float32)),
    'infinity': saved(np.where(VALUES == 4, -np.inf, VALUES).astype(np.float32)),
    'a row more than it has': said(shape=f'({N + 1}, {D})'),
    'a row less': saved(VALUES[:-1]),
    'one dimension': saved(VALUES[:, 0]),
    'three dimensions': saved(VALUES[..., None]),
    'no dimension': saved(np.float32(1)),
    'a huge shape': said(shape=f'({1 << 40}, {D})'),
    'a shape beyond numbers': said(shape=f'({1 << 70}, {D})'),
    'a product beyond numbers': said(shape=f'({1 << 40}, {1 << 40})'),
    'a negative shape': said(shape=f'(-{N}, -{D})'),
    'a shape of texts': said(shape="('a', 'b')"),
    'a shape of fractions': said(shape='(6.0, 3.0)'),
    'a shape that is a number': said(shape=str(N * D)),
    'no type': said(descr='None'),
    'a type that is called': said(descr="__import__('os').system('touch CANARY')"),
    'a deep header': npy('(' * 900 + ')' * 900),
    'a header that is called': npy("__import__('os').system('touch CANARY')"),
    'a header that is a list': npy('[1, 2]'),
    'a long header': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 3), }" + ' ' * 20_000),
    'an unknown version': npy('{}', version=b'\x09\x09'),
    'no header': b'\x93NUMPY',
    'nothing': b'',
    'a text': b'1 2 3',
}  # fmt: skip
IDS_FILES: dict[str, Any] = {
    'a table': {'a': 1}, 'a number': 5, 'nothing': None, 'a text': 'abcdef', 'numbers': list(range(N)),
    'one twice': ['a'] * N, 'one short': NAMES[:-1], 'lists': [[n] for n in NAMES], 'one nothing': [*NAMES[:-1], None],
}  # fmt: skip
QUARANTINES: dict[str, Any] = {
    'a list': [], 'nothing': None, 'another work': {'x.png': 'why'}, 'a number': {NAMES[0]: 5},
    'a table': {NAMES[0]: {}},
}  # fmt: skip
INDEX_ARRAYS: dict[str, tuple[str, np.ndarray]] = {
    'rows beyond the table': ('references', np.array([[1, 2], [0, 2], [0, N]])),
    'negative rows': ('references', np.array([[1, 2], [0, 2], [0, -1]])),
    'a reference twice': ('references', np.array([[1, 1], [0, 2], [0, 1]])),
    'one dimension': ('references', np.arange(6)),
    'a column less': ('references', np.array([[1], [0], [0]])),
    'queries beyond the table': ('queries', np.array([0, 1, N])),
    'queries out of order': ('queries', np.array([1, 0, 2])),
    'a query short': ('queries', np.array([0, 1])),
    'queries that are a number': ('queries', np.int64(5)),
    'NaN': ('similarities', np.full((3, 2), np.nan, np.float32)),
    'similarities that increase': ('similarities', np.array([[0, 1]] * 3, np.float32)),
    'half a row': ('similarities', np.zeros((3, 1), np.float32)),
    'unsigned rows': ('references', np.array([[1, 2], [0, 2], [0, 1]], np.uint64)),
    'small rows': ('references', np.array([[1, 2], [0, 2], [0, 1]], np.int32)),
    'objects': ('queries', np.array([0, 1, 2], dtype=object)),
}


class TestArtifacts:
    """The manifests fit: they are made after the tampering."""

    def opened(self, tmp_path: Path, build: Callable[[Path], dict[str, Any]], change: Callable[[Path], object]) -> Path:
        def tampered(folder: Path) -> dict[str, Any]:
            build(folder)
            change(folder)
            return {}

        return ArtifactStore(tmp_path / 'store').get_or_build(ArtifactKey('a', 'works', {}), tampered)

    @pytest.mark.parametrize('data', ARRAYS.values(), ids=ARRAYS.keys())
    def test_features(self, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        folder = self.opened(tmp_path, build_bank, lambda f: (f / FEATURES).write_bytes(data))
        with pytest.raises(ArtifactError, match=str(folder)):
            FeatureBank.open(folder)
        assert not (tmp_path / 'CANARY').exists()

    @pytest.mark.parametrize('value', IDS_FILES.values(), ids=IDS_FILES.keys())
    @pytest.mark.parametrize('kind', [FeatureBank, ReferenceIndex])
    def test_ids(self, tmp_path: Path, value: Any, kind: Any) -> None:
        build = build_bank if kind is FeatureBank else build_index
        folder = self.opened(tmp_path, build, lambda f: (f / IDS).write_text(json.dumps(value)))
        if kind is ReferenceIndex and value == NAMES[:-1]:
            with pytest.raises(ArtifactError, match='another table'):
                kind.open(folder).require_table(NAMES)
            return
        with pytest.raises(ArtifactError, match=str(folder)):
            kind.open(folder)

    @pytest.mark.parametrize('value', QUARANTINES.values(), ids=QUARANTINES.keys())
    def test_quarantine(self, tmp_path: Path, value: Any) -> None:
        folder = self.opened(tmp_path, build_bank, lambda f: (f / QUARANTINE).write_text(json.dumps(value)))
        with pytest.raises(ArtifactError, match=str(folder)):
            FeatureBank.open(folder)

    @pytest.mark.parametrize(('name', 'array'), INDEX_ARRAYS.values(), ids=INDEX_ARRAYS.keys())
    def test_index(self, tmp_path: Path, name: str, array: np.ndarray) -> None:
        folder = self.opened(tmp_path, build_index, lambda f: (f / f'{name}.npy').write_bytes(saved(array)))
        with pytest.raises(ArtifactError):
            ReferenceIndex.open(folder)

    @pytest.mark.parametrize('name', [FEATURES, IDS, QUARANTINE, MANIFEST])
    @settings(max_examples=40)
    @given(damage=damages())
    def test_damaged_bytes_are_noticed_or_change_nothing(
        self, tmp_path_factory: pytest.TempPathFactory, name: str, damage: Callable[[bytes], bytes]
    ) -> None:
        root = tmp_path_factory.mktemp('bank')
        key = ArtifactKey('features', 'works', {})
        folder = ArtifactStore(root).get_or_build(key, build_bank)
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
        try:
            assert ArtifactStore(root).has(key)
            bank = FeatureBank.open(folder)
        except ArtifactError as error:
            assert str(folder) in str(error)
        else:
            assert bank.ids == tuple(NAMES) and bank.quarantine == {} and np.array_equal(bank.features, VALUES)
        shutil.rmtree(root)

    def test_another_artifact_in_its_place_is_not_taken_for_it(self, tmp_path: Path) -> None:
        store = ArtifactStore(tmp_path)
        wanted, other = (ArtifactKey('features', 'works', {'encoder': name}) for name in 'ab')
        store.get_or_build(other, build_bank).rename(store.path(wanted))
        for use in (store.has, lambda key: store.get_or_build(key, build_bank)):
            with pytest.raises(ArtifactError, match='another artifact'):
                use(wanted)

    @pytest.mark.parametrize('data', JSONS.values(), ids=JSONS.keys())
    def test_manifests(self, tmp_path: Path, data: bytes) -> None:
        store, key = ArtifactStore(tmp_path), ArtifactKey('features', 'works', {'a': 1})
        folder = store.get_or_build(key, build_bank)
        (folder / MANIFEST).write_bytes(data)
        for use in (lambda: store.has(key), lambda: FeatureBank.open(folder)):
            with pytest.raises(ArtifactError, match=str(folder)):
                use()

    @pytest.mark.parametrize('depth', [90, 400, 900, 5000, DEEP])
    def test_manifests_of_depth(self, tmp_path: Path, depth: int) -> None:
        store, key = ArtifactStore(tmp_path), ArtifactKey('features', 'works', {'a': 1})
        folder = store.get_or_build(key, build_bank)
        inputs = '{"a":' * depth + '1' + '}' * depth
        (folder / MANIFEST).write_text('{"name": "works", "fingerprint": "x", "facts": {}, "inputs": ' + inputs + '}')
        other = ArtifactKey('features', 'works', {'a': 2})
        for use in (lambda: store.has(key), lambda: FeatureBank.open(folder)):
            with pytest.raises(ArtifactError):
                use()
        try:
            store.stale_fields(other)
        except ArtifactError as error:
            assert str(folder) in str(error)


def note(**fields: Any) -> dict[str, Any]:
    return {'sha256': '0' * 64, 'quarantine': {}, **fields}


LAYOUT = {'rows': N, 'dim': D, 'shard_size': SHARD}
NOTES: dict[str, Any] = {
    'a list': [],
    'nothing': None,
    'no layout': {'done': {'0': note()}},
    'no shards': {'layout': LAYOUT},
    'shards that are a list': {'layout': LAYOUT, 'done': ['0']},
    'shards beyond the last': {'layout': LAYOUT, 'done': {'99': note(), '-1': note(), 'x': note(), '9' * 5000: note()}},
    'another checksum': {'layout': LAYOUT, 'done': {str(i): note() for i in range(3)}},
    'a checksum that is a number': {'layout': LAYOUT, 'done': {'0': note(sha256=5)}},
    'a note that is a text': {'layout': LAYOUT, 'done': {'0': 'done'}},
    'a note as of former versions': {'layout': LAYOUT, 'done': {'0': {}}},
    'a note with more': {'layout': LAYOUT, 'done': {'0': note(surprise=1)}},
    'a quarantine that is a list': {'layout': LAYOUT, 'done': {'0': note(quarantine=['x'])}},
    'a quarantine of others': {'layout': LAYOUT, 'done': {'0': note(quarantine={NAMES[-1]: 'why'})}},
}


class TestProgress:
    """A note that cannot be believed costs the shards it speaks of; they are computed again."""

    def interrupted(self, folder: Path) -> None:
        writer = FeatureBankWriter(folder, NAMES, D, SHARD)
        writer.write(0, VALUES[:SHARD], {})

    @pytest.mark.parametrize('notes', NOTES.values(), ids=NOTES.keys())
    def test_notes(self, tmp_path: Path, notes: Any) -> None:
        self.interrupted(tmp_path)
        (tmp_path / PROGRESS.format(0)).write_text(json.dumps(notes))
        assert FeatureBankWriter(tmp_path, NAMES, D, SHARD).pending == [0, 1, 2]

    @pytest.mark.parametrize('data', JSONS.values(), ids=JSONS.keys())
    def test_notes_that_are_no_json(self, tmp_path: Path, data: bytes) -> None:
        self.interrupted(tmp_path)
        (tmp_path / PROGRESS.format(0)).write_bytes(data)
        assert FeatureBankWriter(tmp_path, NAMES, D, SHARD).pending == [0, 1, 2]

    @settings(max_examples=60)
    @given(damage=damages(), name=st.sampled_from([FEATURES, PROGRESS.format(0)]))
    def test_whatever_was_damaged_the_finished_bank_is_right(
        self, tmp_path_factory: pytest.TempPathFactory, damage: Callable[[bytes], bytes], name: str
    ) -> None:
        store, key = ArtifactStore(tmp_path_factory.mktemp('bank')), ArtifactKey('features', 'works', {})
        partial = store.path(key).with_name(store.path(key).name + '.partial')
        partial.mkdir(parents=True)
        self.interrupted(partial)
        (partial / name).write_bytes(damage((partial / name).read_bytes()))
        bank = FeatureBank.open(store.get_or_build(key, build_bank))
        assert bank.quarantine == {} and np.array_equal(bank.features, VALUES)
        shutil.rmtree(store.root)


def publish(folder: Path) -> Path:
    weights = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(1))
    return write_published(folder, 'model', weights, {'inputs': {'model': {'type': 'A'}}, 'metrics': {}})


def edited(**fields: Any) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        json_file = path.with_suffix('.json')
        json_file.write_text(json.dumps(json.loads(json_file.read_text()) | fields))

    return change


def rehashed(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Other bytes under a name that fits them, and a JSON that says so."""

    def apply(path: Path) -> Path:
        import hashlib

        data = change(path.read_bytes())
        checksum = hashlib.sha256(data).hexdigest()
        new = path.with_name(f'model-{checksum[:8]}.safetensors')
        text = json.loads(path.with_suffix('.json').read_text()) | {'sha256': checksum}
        path.unlink(), path.with_suffix('.json').unlink()
        new.write_bytes(data), new.with_suffix('.json').write_text(json.dumps(text))
        return new

    return apply


PUBLISHED: dict[str, Callable[[Path], object]] = {
    'no JSON': lambda p: p.with_suffix('.json').unlink(),
    'a JSON cut short': lambda p: os.truncate(p.with_suffix('.json'), 20),
    'a JSON that is a list': lambda p: p.with_suffix('.json').write_text('[]'),
    'a deep JSON': lambda p: p.with_suffix('.json').write_text('[' * DEEP),
    'other inputs': edited(inputs={'model': {'type': 'B'}}),
    'no inputs': edited(inputs=None),
    'other metrics': edited(metrics={'test': {'srcc': 1.0}}),
    'another checksum': edited(sha256='0' * 64),
    'more fields': edited(surprise=1),
    'another name': lambda p: p.rename(p.with_name('model-00000000.safetensors')),
    'a name without its hash': lambda p: p.rename(p.with_name('model.safetensors')),
    'a changed weight': lambda p: p.write_bytes(p.read_bytes()[:-1] + b'\x01'),
    'cut short': lambda p: os.truncate(p, p.stat().st_size - 1),
    'nothing': lambda p: os.truncate(p, 0),
    'gone': lambda p: p.unlink(),
    'a folder': lambda p: (p.unlink(), p.mkdir()),
    'a pickle': rehashed(lambda d: pickle.dumps(Call(os.system, 'touch CANARY'))),
    'an empty file, rehashed': rehashed(lambda d: b''),
    'a header beyond the file': rehashed(lambda d: (1 << 40).to_bytes(8, 'little') + d[8:]),
    'a header that is no JSON': rehashed(lambda d: d[:8] + b'x' * (len(d) - 8)),
    'cut short, rehashed': rehashed(lambda d: d[:-4]),
    'without what it says about itself': rehashed(lambda d: d.replace(KEY.encode(), b'else', 1)),
    'other inputs inside': rehashed(lambda d: d.replace(b'type', b'tipe', 1)),
}


class TestPublished:
    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        found = read_published(publish(tmp_path))
        assert equal(dict(found['state_dict']), {'a': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(1)})
        assert json.loads(found['meta']['ssmr_inputs']) == {'model': {'type': 'A'}}

    @pytest.mark.parametrize('change', PUBLISHED.values(), ids=PUBLISHED.keys())
    def test_tampered_files_are_refused(self, tmp_path: Path, change: Callable[[Path], object]) -> None:
        path = publish(tmp_path)
        changed = change(path)
        with pytest.raises(CheckpointError, match=r'model-\w+|model\.safetensors'):
            read_published(changed if isinstance(changed, Path) else path)

    @settings(max_examples=60)
    @given(damage=damages(), suffix=st.sampled_from(['.safetensors', '.json']))
    def test_damaged_bytes_are_noticed_or_change_nothing(
        self, tmp_path_factory: pytest.TempPathFactory, damage: Callable[[bytes], bytes], suffix: str
    ) -> None:
        path = publish(tmp_path_factory.getbasetemp() / 'models')
        target = path.with_suffix(suffix)
        target.write_bytes(damage(target.read_bytes()))
        try:
            found = read_published(path)
        except CheckpointError as error:
            assert path.stem in error.message
        else:
            assert equal(dict(found['state_dict']), {'a': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(1)})
            assert json.loads(found['meta']['ssmr_inputs']) == {'model': {'type': 'A'}}
