"""Loading checkpoints: what mmengine writes can be read, and no file runs anything."""

from __future__ import annotations

import builtins
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from ssmr.errors import CheckpointError
from ssmr.safe_load import safe_torch_load


class Call:
    """Pickles as a call of ``function`` with ``arguments``, to be made by whoever loads it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def test_tensors_and_plain_data_come_back(tmp_path: Path) -> None:
    content = {'state_dict': {'a': torch.arange(3)}, 'meta': {'epoch': 2, 'text': 'ü', 'list': [1.5, None, True]}}
    torch.save(content, tmp_path / 'a.pth')
    loaded = safe_torch_load(tmp_path / 'a.pth')
    assert torch.equal(loaded['state_dict'].pop('a'), content['state_dict'].pop('a'))
    assert loaded == content


def test_the_history_buffers_of_mmengine_come_back_and_work(tmp_path: Path) -> None:
    buffer = HistoryBuffer([1.0, 3.0, 8.0], [1, 1, 1])
    torch.save({'message_hub': {'log_scalars': {'loss': buffer}, 'numbers': np.float64(2.5)}}, tmp_path / 'a.pth')
    loaded = safe_torch_load(tmp_path / 'a.pth')['message_hub']
    assert loaded['numbers'] == 2.5
    restored = loaded['log_scalars']['loss']
    for statistics in ('min', 'max', 'mean', 'current'):
        assert restored.statistics(statistics) == buffer.statistics(statistics)
    np.testing.assert_array_equal(restored.data[0], [1, 3, 8])


@pytest.mark.parametrize('dtype', ['?', 'i1', 'i4', 'i8', 'f4', 'f8'])
def test_arrays_come_back(tmp_path: Path, dtype: str) -> None:
    torch.save({'a': np.arange(6).reshape(2, 3).astype(dtype)}, tmp_path / 'a.pth')
    loaded = safe_torch_load(tmp_path / 'a.pth')['a']
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, np.arange(6).reshape(2, 3).astype(dtype))


HOSTILE: dict[str, Callable[[str], Any]] = {
    'a command': lambda canary: Call(os.system, f'touch {canary}'),
    'eval': lambda canary: Call(builtins.eval, f'open({canary!r}, "w")'),
    'exec': lambda canary: Call(builtins.exec, f'open({canary!r}, "w")'),
    'open': lambda canary: Call(open, canary, 'w'),
    'a nested pickle': lambda canary: Call(pickle.loads, pickle.dumps(Call(os.system, f'touch {canary}'))),
    'another attribute of the history buffer': lambda canary: Call(getattr, HistoryBuffer, '__init__'),
    'the subclasses of the history buffer': lambda canary: Call(getattr, HistoryBuffer, '__subclasses__'),
    'an attribute of another class': lambda canary: Call(getattr, np.ndarray, 'tofile'),
    'an attribute of a class that looks the same': lambda canary: Call(getattr, dict, 'min'),
    'an attribute by a chain': lambda canary: Call(getattr, Call(getattr, HistoryBuffer, 'mean'), '__globals__'),
    'an array of objects': lambda canary: np.array([Call(os.system, f'touch {canary}')], dtype=object),
    'a file of the disk': lambda canary: Call(np.fromfile, '/etc/passwd'),
    'a class of ours': lambda canary: Path(canary),
}


@pytest.mark.parametrize('make', HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_code_is_refused_and_not_run(tmp_path: Path, make: Callable[[str], Any], legacy: bool) -> None:
    content = {'state_dict': {'a': torch.ones(1)}, 'meta': make(str(tmp_path / 'canary'))}
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match='more than tensors and plain data') as caught:
        safe_torch_load(tmp_path / 'a.pth')
    assert str(tmp_path / 'a.pth') in caught.value.message
    assert not (tmp_path / 'canary').exists()


def test_loading_one_leaves_no_permission_behind(tmp_path: Path) -> None:
    torch.save({'buffer': HistoryBuffer([1.0], [1])}, tmp_path / 'a.pth')
    safe_torch_load(tmp_path / 'a.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'a.pth', weights_only=True)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', b'text', pickle.dumps({'a': 1})[:-3]])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=r'a\.pth'):
        safe_torch_load(tmp_path / 'a.pth')


def test_whatever_the_bytes_our_error_or_data_come_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    torch.save({'a': HistoryBuffer([1.0], [1])}, tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    good = (tmp_path / 'a.pth').read_bytes()
    for _ in range(300):
        data = bytearray(good)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            data[place] = rng.integers(0, 256)
        (tmp_path / 'a.pth').write_bytes(data)
        try:
            safe_torch_load(tmp_path / 'a.pth')
        except CheckpointError as error:
            assert 'a.pth' in error.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'no file .*gone\.pth'):
        safe_torch_load(tmp_path / 'gone.pth')


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        safe_torch_load(tmp_path)
