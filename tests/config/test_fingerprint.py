"""Fingerprints: the same for the same values however they are written, another for every change."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ssmr.config.fingerprint import changed_fields, code_version, fingerprint
from ssmr.errors import ConfigError

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
KEYS = st.text(st.characters(exclude_characters='.', exclude_categories=['Cs']), min_size=1, max_size=5)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=8)
INPUTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def reordered(value: Any) -> Any:
    """The same value with every dict written backwards and every list as a tuple."""
    if isinstance(value, dict):
        return {k: reordered(v) for k, v in reversed(list(value.items()))}
    if isinstance(value, list):
        return tuple(reordered(v) for v in value)
    return value


@given(INPUTS)
def test_the_order_of_keys_and_the_kind_of_sequence_do_not_matter(inputs: dict[str, Any]) -> None:
    assert fingerprint(inputs) == fingerprint(reordered(inputs))
    assert changed_fields(inputs, reordered(inputs)) == []


@given(INPUTS, VALUES, st.data())
def test_any_changed_value_matters_and_is_named(inputs: dict[str, Any], value: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(inputs)))
    assume(repr(reordered(value)) != repr(reordered(inputs[key])))
    assume(not isinstance(value, dict) and not isinstance(inputs[key], dict))
    changed = {**copy.deepcopy(inputs), key: value}
    assert fingerprint(changed) != fingerprint(inputs)
    assert changed_fields(inputs, changed) == [key]


@given(INPUTS, INPUTS)
def test_fields_are_named_exactly_when_the_fingerprints_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (changed_fields(one, other) == [])


@given(INPUTS, KEYS, LEAVES)
def test_an_added_field_matters_and_is_named(inputs: dict[str, Any], key: str, value: Any) -> None:
    assume(key not in inputs)
    assert fingerprint({**inputs, key: value}) != fingerprint(inputs)
    assert changed_fields(inputs, {**inputs, key: value}) == [key]
    assert changed_fields({**inputs, key: value}, inputs) == [key]


def test_nested_fields_are_dotted_and_sorted() -> None:
    old = {'b': {'y': {'z': 1}, 'x': 2}, 'a': [1, 2]}
    new = {'b': {'y': {'z': 3}, 'w': {}}, 'a': (1, 2)}
    assert changed_fields(old, new) == ['b.w', 'b.x', 'b.y.z']


def test_numbers_that_are_equal_but_written_differently_are_named_where_they_differ() -> None:
    assert changed_fields({'lr': 1, 'on': True}, {'lr': 1.0, 'on': 1}) == ['lr', 'on']


def test_it_is_64_hexadecimal_digits_and_the_same_in_every_process() -> None:
    inputs = {'encoder': {'type': 'A', 'mean': (1.5, 2)}, 'ü': None}
    code = f'from ssmr.config.fingerprint import fingerprint; print(fingerprint({inputs!r}))'
    elsewhere = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip()
    assert elsewhere == fingerprint(inputs)
    assert len(elsewhere) == 64 and int(elsewhere, 16) >= 0


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(ValueError):
        fingerprint({'a': [value]})


@pytest.mark.parametrize('value', [int, Path('x'), {1, 2}, object(), b'bytes', print])
def test_values_that_are_not_plain_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        fingerprint({'a': value})


class TestCode:
    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
        monkeypatch.syspath_prepend(tmp_path)

        def load(text: str) -> type:
            import importlib

            (tmp_path / 'fp_part.py').write_text(text)
            sys.modules.pop('fp_part', None)
            importlib.invalidate_caches()
            cls: type = importlib.import_module('fp_part').Part
            return cls

        return load

    def test_an_edit_of_the_source_file_changes_it(self, module: Callable[[str], type]) -> None:
        before = code_version(module('class Part:\n    k = 1\n'))
        after = code_version(module('class Part:\n    k = 2\n'))
        assert before.keys() == after.keys() == {'fp_part'}
        assert before != after

    def test_bases_count_and_released_packages_go_by_version(self, module: Callable[[str], type]) -> None:
        import torch

        found = code_version(
            module('from torch import nn\nfrom ssmr.errors import SsmrError\nclass Part(SsmrError, nn.Module): ...\n')
        )
        assert found.keys() == {'fp_part', 'ssmr.errors', 'torch'}
        assert found['torch'] == torch.__version__

    def test_a_part_without_a_source_file_is_refused(self) -> None:
        typed: dict[str, type] = {}
        exec('class Typed: ...', {'__name__': 'a_notebook', '__builtins__': __builtins__}, typed)
        with pytest.raises(ConfigError, match='Typed of a_notebook has no source file'):
            code_version(typed['Typed'])
