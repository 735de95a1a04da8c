"""Style retrieval against loops over all pairs of works, and on real paintings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import paint_works
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.config.load import load_config
from ssmr.errors import ConfigError, DataError
from ssmr.stages import pipeline
from ssmr.stages.extract import feature_bank
from ssmr.stages.project import Project
from ssmr.stages.style_precision import chance_precision, estimate, near_duplicates, style_table
from ssmr.stages.style_retrieval import evaluate_style_retrieval

K = 4


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of 24 works and one without a style, one file that cannot be read, and one work twice."""
    from conftest import TINY_CONFIG

    folder = tmp_path_factory.mktemp('gallery')
    root = paint_works(folder / 'works', n=26)
    lines = ['image,style,artist']
    for i, row in enumerate((root / 'labels.csv').read_text().splitlines()[1:]):
        image, score, _ = row.split(',')
        odd = i in (5, 6)  # so that not every reference is a hit
        style = '' if i == 24 else ('red' if (float(score) > 5) != odd else 'blue')
        lines.append(f'{image},{style},{"" if i == 3 else f"artist {i % 7}"}')
    (root / 'images' / '025.png').write_bytes(b'no picture')
    with Image.open(root / 'images' / '000.png') as image:
        image.resize((60, 72)).save(root / 'images' / 'copy.png')
    (root / 'labels.csv').write_text('\n'.join([*lines, 'copy.png,red,artist 0']) + '\n')
    path = folder / 'gallery.py'
    text = TINY_CONFIG.format(root=str(root), artifacts=str(folder / 'artifacts'), work_dir=str(folder / 'run'))
    path.write_text(text.replace("type='CsvTable'", "type='Gallery'"))
    return path


@pytest.fixture(scope='module')
def project(config: Path) -> Project:
    return Project(load_config(config))


def by_loops(project: Project, views: tuple[str, ...], apart: list[str]) -> tuple[float, float]:
    """Precision at K and the same artists' share of the hits; works equal in ``apart`` are never paired."""
    banks = pipeline.features(project)
    style, artist = (project.table.extra[c].tolist() for c in ('style', 'artist'))
    used = [i for i, bad in enumerate(project.table.ids) if isinstance(style[i], str) and bad != '025.png']
    unit = [
        (b := banks[v].features.astype(np.float64)) / np.linalg.norm(b, axis=1, keepdims=True).clip(1e-12)
        for v in views
    ]
    hits, own = [], []
    for q in used:
        others = [r for r in used if r != q and apart[r] != apart[q]]
        others.sort(key=lambda r: (-round(np.mean([u[q] @ u[r] for u in unit]), 7), project.table.ids[r]))
        for r in others[:K]:
            hits.append(style[r] == style[q])
            if hits[-1]:
                own.append(isinstance(artist[q], str) and artist[r] == artist[q])
    return float(np.mean(hits)), float(np.mean(own))


def test_precisions_are_those_of_a_loop_over_all_pairs(project: Project) -> None:
    result = evaluate_style_retrieval(project, 'style', 'artist', K, ['semantic+style'])
    table = project.table
    ids = list(table.ids)
    hands = [a if isinstance(a, str) else ids[i] for i, a in enumerate(table.extra['artist'])]
    assert set(result.retrievers) == {'semantic', 'style', 'semantic+style', 'retriever'}
    for name in ('semantic', 'style', 'semantic+style'):
        views, found = tuple(name.split('+')), result.retrievers[name]
        precision, own = by_loops(project, views, ids)
        assert found.precision.value == pytest.approx(precision)
        assert found.same_artist == pytest.approx(own)
        assert found.other_artists.value == pytest.approx(by_loops(project, views, hands)[0])
        assert found.precision.low <= found.precision.value <= found.precision.high
    assert (result.works, result.left_out, result.classes) == (25, 2, 2)
    assert project.retriever.num_references == 6  # the evaluation's K is not the project's
    assert result.retrievers['semantic'].precision.low > result.chance  # redness is easy to see


def test_without_artists_the_table_has_no_such_columns(project: Project) -> None:
    result = evaluate_style_retrieval(project, 'style', k=K)
    assert result.chance_other_artists is None
    assert all(r.other_artists is None and r.same_artist is None for r in result.retrievers.values())
    text = style_table(result)
    assert 'artist' not in text and f'P@{K}' in text and '25 works, 2 classes, 2 works left out' in text


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'class_column': 'stile'}, '--class-column stile'),
        ({'artist_column': 'painter'}, '--artist-column painter'),
        ({'fuse': ['semantic+gram']}, "--fuse semantic[+]gram: 'gram'"),
        ({'fuse': ['semantic+']}, '--fuse'),
        ({'semantic': 'meaning'}, '--semantic-view'),
        ({'k': 0}, 'num_references is 0'),
        ({'k': 25}, 'num_references=25'),
    ],
)
def test_what_is_not_there_is_named(project: Project, options: dict, named: str) -> None:
    with pytest.raises((ConfigError, DataError), match=named):
        evaluate_style_retrieval(project, **{'class_column': 'style', 'k': K, **options})


def test_training_on_a_gallery_is_refused(project: Project) -> None:
    with pytest.raises(DataError, match='have no scores'):
        pipeline.run(project)
    assert not any(p.suffix == '.pth' for p in project.work_dir.glob('*'))


@pytest.mark.slow
def test_the_tool_prints_json(repo: Path, config: Path) -> None:
    command = [sys.executable, str(repo / 'tools' / 'evaluate_style_retrieval.py'), str(config), '--class-column']
    options = ['style', '--artist-column', 'artist', '--k', str(K), '--fuse', 'semantic+style', '--json']
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report['works'] == 25 and report['k'] == K
    assert set(report['retrievers']['semantic+style']['precision']) == {'value', 'low', 'high'}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=12))
def test_chance_is_the_mean_over_all_pairs(works: list[tuple[int, int]]) -> None:
    shares = []
    for c, g in works:
        others = [other for other, group in works if group != g]
        if not others:
            return
        shares.append(np.mean([other == c for other in others]))
    classes, groups = np.array(works).T
    assert chance_precision(classes, groups) == pytest.approx(np.mean(shares))


def test_near_duplicates_are_all_pairs_above_the_threshold() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 3)).astype(np.float32)
    used = np.arange(40) != 7
    bank = FeatureBank(tuple(f'{i:02d}' for i in range(40)), features, {})
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = {
        (f'{i:02d}', f'{j:02d}') for i in range(40) for j in range(i + 1, 40)
        if unit[i] @ unit[j] > 0.9 and 7 not in (i, j)
    }  # fmt: skip
    found = near_duplicates(bank, used, 0.9)
    assert {pair[:2] for pair in found} == expected and len(found) == len(expected) > 5
    assert [pair[2] for pair in found] == sorted((pair[2] for pair in found), reverse=True)


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [e.low <= 0.3 <= e.high for e in (estimate(rng.binomial(10, 0.3, 80) / 10, 300, s) for s in range(200))]
    assert 0.9 <= np.mean(covered) <= 0.99
    assert estimate(np.ones(5), 0, 0).low is None


@pytest.mark.data
def test_a_smaller_copy_is_told_from_other_real_paintings(repo: Path, shared_data: Path, tmp_path: Path) -> None:
    images = shared_data / 'peopleart_pre1900' / 'images'
    names = sorted(p.name for p in images.iterdir())[::30]
    (tmp_path / 'images').mkdir()
    for name in names:
        shutil.copy(images / name, tmp_path / 'images')
    with Image.open(images / names[0]) as image:
        image.resize((image.width * 4 // 5, image.height * 4 // 5)).save(tmp_path / 'images' / 'zz.jpg')
    (tmp_path / 'labels.csv').write_text('\n'.join(['image', *names, 'zz.jpg']) + '\n')
    options = [f'table.root={tmp_path}', f'artifact_dir={tmp_path / "artifacts"}']
    project = Project(load_config(repo / 'configs' / 'style_gallery.py', options, str(tmp_path)))
    bank = feature_bank(project, 'semantic')
    [(first, second, cosine)] = near_duplicates(bank, np.ones(len(names) + 1, dtype=bool), 0.9)
    assert (first, second) == (names[0], 'zz.jpg') and 0.9 < cosine < 1


@pytest.mark.data
@pytest.mark.slow
def test_style_is_found_in_real_paintings_and_mostly_by_the_artists_hand(
    repo: Path, shared_data: Path, tmp_path: Path
) -> None:
    options = [f'table.root={shared_data / "peopleart_pre1900"}', f'artifact_dir={tmp_path / "artifacts"}']
    small = [f'encoders.{v}.preprocess.size=64' for v in ('semantic', 'gram_2', 'channels')]
    parts = "[dict(type='CosineRetriever', view='gram_2'), dict(type='CosineRetriever', view='channels')]"
    path = tmp_path / 'gallery.py'
    path.write_text(
        f'_base_ = [{str(repo / "configs" / "style_gallery.py")!r}]\n'
        f"retriever = dict(_delete_=True, type='FusionRetriever', num_references=10, parts={parts})\n"
    )
    result = evaluate_style_retrieval(
        Project(load_config(path, [*options, *small], str(tmp_path))), 'style', 'artist', 10, ['semantic+gram_2']
    )
    assert (result.works, result.classes, result.left_out) == (572, 18, 0)
    assert result.chance == pytest.approx(0.0795, abs=1e-4)
    for found in result.retrievers.values():
        assert found.precision.low > result.chance and found.other_artists.low > result.chance_other_artists
        assert found.other_artists.high < found.precision.low
