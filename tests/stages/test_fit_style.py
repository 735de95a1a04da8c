"""Fitting a style encoder on the training works, and what follows: banks of bytes, references, new works."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssmr.artifacts.feature_bank import FEATURES, STEPS, FeatureBank
from ssmr.backbones.encoder import build_encoder
from ssmr.config.load import load_config
from ssmr.errors import ArtifactError, ConfigError, WeightsError
from ssmr.stages.encoding import encode
from ssmr.stages.extract import feature_bank
from ssmr.stages.fit_style import fit_style
from ssmr.stages.pipeline import references
from ssmr.stages.project import Project, plain


@pytest.fixture
def config(tiny_config: Path) -> Path:
    text = tiny_config.read_text().replace("'GramStyle'", "'PrincipalGram'")
    axes = tiny_config.parent / 'axes.safetensors'
    tiny_config.write_text(text.replace('dim=64', f'axes={str(axes)!r}'))
    return tiny_config


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, options))


def bank_folder(of: Project) -> Path:
    return of.store.path(of.bank_key('style'))


def test_a_bank_holds_bytes_and_gives_what_the_encoder_gives(config: Path) -> None:
    fit_style(project(config), 'style', smaller=8, works=100)
    works = project(config)
    bank = feature_bank(works, 'style')
    encoder = build_encoder('style', plain(works.cfg.encoders.style))
    expected = [w.vector for w in encode(encoder, works.table, range(24), 'cpu', 4, None)]
    np.testing.assert_array_equal(bank.features, np.stack(expected))
    assert bank.features.dtype == np.float32 and bank.dim == 16 * 17 // 2 * 4 // 8
    assert np.load(bank_folder(works) / FEATURES).dtype == np.int8
    assert len(np.unique(bank.features, axis=0)) == 24


def test_references_are_found_by_them(config: Path) -> None:
    fit_style(project(config), 'style', smaller=4, works=100)
    works = project(config, 'retriever._delete_=True', 'retriever.type=GramRetriever', 'retriever.num_references=6')
    banks, index = references(works)
    unit = banks['style'].features / np.linalg.norm(banks['style'].features, axis=1, keepdims=True)
    pool = np.flatnonzero(works.table.splits == 'train')
    for row in np.flatnonzero(works.table.splits == 'test'):
        best = np.sort(unit[pool] @ unit[row])[::-1][:6]
        place = index.queries.tolist().index(row)
        np.testing.assert_allclose(index.similarities[place], best, atol=1e-5)


def test_no_other_work_than_those_of_training_is_looked_at(config: Path, works: Path) -> None:
    axes = fit_style(project(config), 'style', smaller=8, works=100)
    before = axes.read_bytes()
    for number in range(24):
        if number % 5 >= 3:
            Image.fromarray(np.full((48, 40, 3), 7 * number, np.uint8)).save(works / 'images' / f'{number:03d}.png')
    assert fit_style(project(config), 'style', smaller=8, works=100).read_bytes() == before
    Image.fromarray(np.full((48, 40, 3), 90, np.uint8)).save(works / 'images/000.png')
    assert fit_style(project(config), 'style', smaller=8, works=100).read_bytes() != before


def test_some_works_are_drawn_where_there_are_more(config: Path) -> None:
    few, all_ = (fit_style(project(config), 'style', 8, works).read_bytes() for works in (5, 100))
    assert few != all_
    assert fit_style(project(config), 'style', 8, 5).read_bytes() == few


def test_other_axes_are_another_bank(config: Path) -> None:
    fit_style(project(config), 'style', smaller=8, works=100)
    first = bank_folder(project(config))
    fit_style(project(config), 'style', smaller=16, works=100)
    assert bank_folder(project(config)) != first


def test_new_works_are_encoded_alone(config: Path, works: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit_style(project(config), 'style', smaller=8, works=100)
    labels = (works / 'labels.csv').read_text()
    (works / 'labels.csv').write_text(''.join(labels.splitlines(keepends=True)[:21]))
    feature_bank(project(config), 'style')
    (works / 'labels.csv').write_text(labels)
    bank = feature_bank(project(config), 'style')
    assert '20 of 24 pictures are in' in capsys.readouterr().out
    whole = feature_bank(project(config, f'artifact_dir={works.parent / "whole"}'), 'style')
    np.testing.assert_array_equal(bank.features, whole.features)


def test_damaged_steps_are_found(config: Path) -> None:
    fit_style(project(config), 'style', smaller=8, works=100)
    feature_bank(project(config), 'style')
    folder = bank_folder(project(config))
    (folder / STEPS).unlink()
    with pytest.raises(ArtifactError, match=STEPS):
        FeatureBank.open(folder)


def test_without_axes_features_say_what_to_do(config: Path) -> None:
    with pytest.raises(WeightsError, match=r'encoders\.style\.axes: there is no file') as caught:
        feature_bank(project(config), 'style')
    assert 'tools/fit_style.py' in caught.value.fix


@pytest.mark.parametrize('view', ['semantic', 'none'])
def test_other_encoders_are_not_fitted(config: Path, view: str) -> None:
    with pytest.raises(ConfigError, match=f'encoders.{view} is not a PrincipalGram'):
        fit_style(project(config), view, smaller=8, works=100)


@pytest.mark.parametrize(('smaller', 'number'), [(3.9, 10), (60, 0)])
def test_numbers_out_of_range_are_refused(config: Path, smaller: float, number: int) -> None:
    with pytest.raises(ConfigError, match='--smaller'):
        fit_style(project(config), 'style', smaller, number)


def test_the_tool_does_not_fit_twice_unasked(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = Path(__file__).parents[2] / 'tools/fit_style.py'
    axes = config.parent / 'axes.safetensors'

    def status(*options: str) -> object:
        monkeypatch.setattr(sys, 'argv', ['fit_style.py', str(config), *options])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(tool), run_name='__main__')
        return caught.value.code

    assert status('--smaller', '8') == 0
    before = axes.read_bytes()
    assert status('--smaller', '16') == 1 and axes.read_bytes() == before
    assert status('--smaller', '16', '--replace') == 0 and axes.read_bytes() != before
