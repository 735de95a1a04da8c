"""dataset-index.yml says what the code, the configs and the guides say."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config
from small_data_sets import CFG, MAKERS, prepare

from ssmr.config.load import load_config
from ssmr.datasets import baid, lapis, tad66k
from ssmr.preparation.guides import GUIDES
from ssmr.registry import DATASETS

ROOT = Path(__file__).resolve().parents[2]
INDEX: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / 'dataset-index.yml').read_text(encoding='utf-8'))
entries = pytest.mark.parametrize('key', INDEX)


def test_it_lists_what_the_tool_prepares() -> None:
    assert INDEX.keys() == GUIDES.keys()


@entries
def test_the_reader_is_registered(key: str) -> None:
    assert DATASETS.get(INDEX[key]['reader']) and GUIDES[key].name == INDEX[key]['reader']
    assert key in inspect.getsource(DATASETS.get(INDEX[key]['reader'])), 'the reader names the command of this tool'


@entries
def test_the_config_reads_that_data_set_from_that_root(key: str) -> None:
    table = Config.fromfile(ROOT / INDEX[key]['config']).table
    assert (table.type, table.root) == (INDEX[key]['reader'], INDEX[key]['data_root'])
    assert {k: v for k, v in table.items() if k not in ('type', 'root')} == dict(GUIDES[key].table)


@entries
def test_what_the_summary_says_about_training_is_a_valid_config(key: str) -> None:
    words = shlex.split(GUIDES[key].command(Path('some/where'), CFG.get(key, [])))
    cfg = load_config(ROOT / words[2], words[words.index('--cfg-options') + 1 :])
    assert (cfg.table.type, cfg.table.root) == (INDEX[key]['reader'], 'some/where')


@entries
def test_the_script_is_this_tool(key: str) -> None:
    assert INDEX[key]['script'] == f'python tools/prepare_data.py {key} --root {INDEX[key]["data_root"]}'


@entries
def test_the_guide_says_the_same(key: str) -> None:
    assert (INDEX[key]['homepage'], INDEX[key]['licence']) == (GUIDES[key].homepage, GUIDES[key].licence)


@pytest.mark.parametrize('key', MAKERS)
def test_the_scale_is_the_readers(key: str, tmp_path: Path) -> None:
    MAKERS[key](tmp_path)
    table = prepare(key, tmp_path)[0].table
    assert ([*table.scale], table.threshold) == (INDEX[key]['scale'], INDEX[key]['threshold'])


def test_checksums_and_counts_are_those_of_the_readers() -> None:
    current = baid.RELEASES[baid.CURRENT].sha256
    assert INDEX['baid']['checksums'] == {f'dataset/{split}_set.csv': sha for split, sha in current.items()}
    for key, module in (('baid', baid), ('tad66k', tad66k), ('lapis', lapis)):
        assert INDEX[key]['splits'] == module.COUNTS and INDEX[key]['images'] == sum(module.COUNTS.values())


def test_the_documentation_has_a_section_for_each() -> None:
    text = (ROOT / 'docs' / 'datasets.md').read_text(encoding='utf-8')
    for entry in INDEX.values():
        assert f'\n## {entry["dataset"]}' in text and entry['script'] in text and entry['homepage'].split()[0] in text
