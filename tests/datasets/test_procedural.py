"""The painted works: the same bytes for the same arguments, whole or absent, and a taste that is what it says."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssmr.datasets.procedural import generate as generate_module
from ssmr.datasets.procedural import taste
from ssmr.datasets.procedural.brush import grade
from ssmr.datasets.procedural.generate import COLUMNS, assign_splits, generate
from ssmr.datasets.procedural.scenes import SCENES
from ssmr.datasets.procedural.styles import STYLES
from ssmr.datasets.procedural.work import Latents, draw_latents, paint, render, stream
from ssmr.errors import DataError

MIDDLE = Latents('sea', 'oil', 0.5, 0.5, 0.5, 0.5)
unit = st.floats(0.0, 1.0)
any_latents = st.builds(Latents, st.sampled_from(list(SCENES)), st.sampled_from(list(STYLES)), unit, unit, unit, unit)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / 'labels.csv', newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def pixels(seed: int, index: int) -> np.ndarray:
    return np.asarray(paint(seed, index, 32).image)


# --- the folder


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    one = generate(tmp_path / 'one', images=12, size=32, workers=1)
    two = generate(tmp_path / 'two', images=12, size=32, workers=2)
    assert contents(one) == contents(two)
    assert len(contents(one)) == 12 + 2


def test_seeds_differ_in_pictures_and_labels(tmp_path: Path) -> None:
    a = generate(tmp_path / 'a', images=10, seed=0, size=32, workers=1)
    b = generate(tmp_path / 'b', images=10, seed=1, size=32, workers=1)
    assert all((a / 'images' / n).read_bytes() != (b / 'images' / n).read_bytes() for n in os.listdir(a / 'images'))
    assert [r['score'] for r in rows(a)] != [r['score'] for r in rows(b)]


def test_labels_and_pictures_fit(tmp_path: Path) -> None:
    out = generate(tmp_path / 'works', images=20, seed=3, size=40, workers=1)
    table = rows(out)
    assert tuple(table[0]) == COLUMNS
    assert [row['image'] for row in table] == sorted(os.listdir(out / 'images'))
    for index, row in enumerate(table):
        latents = draw_latents(3, index)
        assert (row['scene'], row['style']) == (latents.scene, latents.style)
        assert float(row['true_score']) == pytest.approx(taste.true_score(latents), abs=1e-4)
        assert 0 <= float(row['score']) <= 10
        assert row['score'] == f'{float(row["score"]):.2f}'
        with Image.open(out / 'images' / row['image']) as image:
            assert (image.format, image.mode, image.size) == ('JPEG', 'RGB', (40, 40))
    assert json.loads((out / 'generator.json').read_text())['arguments'] == {'images': 20, 'seed': 3, 'size': 40}


@given(images=st.integers(10, 3000), seed=st.integers(0, 2**40))
def test_splits_are_60_10_30(images: int, seed: int) -> None:
    splits = assign_splits(images, seed)
    assert len(splits) == images
    assert splits == assign_splits(images, seed)
    for split, share in (('train', 0.5), ('val', 0.1), ('test', 0.4)):
        assert splits.count(split) == pytest.approx(share * images, abs=1)


def test_splits_are_drawn_by_chance() -> None:
    assert assign_splits(100, 0) != assign_splits(100, 1)
    assert 30 <= assign_splits(1000, 0)[:100].count('train') <= 70


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    out = generate(tmp_path / 'works', images=10, size=32, workers=1)
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    assert generate(out, images=10, size=32, workers=2) == out
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == before


def test_other_arguments_or_a_lost_file_rebuild(tmp_path: Path) -> None:
    out = generate(tmp_path / 'works', images=12, size=32, workers=1)
    whole = contents(out)
    generate(out, images=10, seed=1, size=32, workers=1)
    assert len(rows(out)) == len(os.listdir(out / 'images')) == 10
    generate(out, images=12, size=32, workers=1)
    assert contents(out) == whole
    for lost in ('images/00003.jpg', 'labels.csv'):
        (out / lost).unlink()
        generate(out, images=12, size=32, workers=1)
        assert contents(out) == whole
    assert {path.name for path in tmp_path.iterdir()} <= {'works', '.works.lock'}


def test_another_version_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = generate(tmp_path / 'works', images=10, size=32, workers=1)
    monkeypatch.setattr(generate_module, 'VERSION', generate_module.VERSION + 1)
    generate(out, images=10, size=32, workers=1)
    assert json.loads((out / 'generator.json').read_text())['version'] == generate_module.VERSION


def test_an_error_half_way_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = generate(tmp_path / 'works', images=10, size=32, workers=1)
    whole, real = contents(out), generate_module._paint_file

    def breaks(folder: Path, seed: int, size: int, index: int) -> dict[str, object]:
        if index == 5:
            raise RuntimeError('the brush broke')
        return real(folder, seed, size, index)

    monkeypatch.setattr(generate_module, '_paint_file', breaks)
    for target in (out, tmp_path / 'fresh'):
        with pytest.raises(RuntimeError, match='brush'):
            generate(target, images=10, seed=7, size=32, workers=1)
    assert contents(out) == whole
    assert not (tmp_path / 'fresh').exists()
    assert not list(tmp_path.glob('.*.making'))


def test_a_killed_run_leaves_no_folder_and_a_rerun_completes(tmp_path: Path, repo: Path) -> None:
    out = tmp_path / 'works'
    command = [sys.executable, str(repo / 'tools/make_quickstart_data.py'), '--out', str(out)]
    command += ['--images', '100', '--size', '48', '--workers', '2']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    making = tmp_path / '.works.making' / 'images'
    deadline = time.monotonic() + 60
    while not (making.is_dir() and len(os.listdir(making)) >= 5):
        assert process.poll() is None, 'the run ended before it could be killed'
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    time.sleep(0.5)
    left = len(os.listdir(making))
    time.sleep(0.5)
    assert len(os.listdir(making)) == left < 100, 'workers paint on although their parent is gone'

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert '100 works' in done.stdout
    assert len(rows(out)) == len(os.listdir(out / 'images')) == 100
    assert {path.name for path in tmp_path.iterdir()} <= {'works', '.works.lock'}


@pytest.mark.parametrize('kind', ['file', 'other folder', 'look-alike', 'note in ours', 'picture in ours', 'link'])
def test_what_others_made_is_refused_and_kept(tmp_path: Path, kind: str) -> None:
    out = tmp_path / 'out'
    if kind == 'file':
        out.write_text('mine')
    elif kind == 'link':
        (tmp_path / 'real').mkdir()
        out.symlink_to(tmp_path / 'real')
    elif kind in ('other folder', 'look-alike'):
        (out / 'images').mkdir(parents=True)
        (out / ('thesis.txt' if kind == 'other folder' else 'labels.csv')).write_text('mine')
    else:
        generate(out, images=10, size=32, workers=1)
        (out / ('note.txt' if kind == 'note in ours' else 'images/holiday.jpg')).write_text('mine')
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        generate(out, images=11, size=32, workers=1)
    assert str(out) in error.value.message
    assert {name: data for name, data in contents(tmp_path).items() if name != '.out.lock'} == {
        name: data for name, data in before.items() if name != '.out.lock'
    }


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / 'works').mkdir()
    assert len(rows(generate(tmp_path / 'works', images=10, size=32, workers=1))) == 10


@pytest.mark.parametrize(('option', 'value'), [('images', 9), ('seed', -1), ('size', 31), ('workers', 0)])
def test_bad_arguments_are_named(tmp_path: Path, option: str, value: int) -> None:
    with pytest.raises(DataError, match=f'{option} is {value}'):
        generate(tmp_path / 'works', **{option: value})
    assert not list(tmp_path.iterdir())


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(DataError, match='cannot make'):
        generate(tmp_path / 'file' / 'works', images=10, size=32, workers=1)


def test_the_tool_prints_its_errors_without_a_traceback(tmp_path: Path, repo: Path) -> None:
    (tmp_path / 'thesis.txt').write_text('mine')
    command = [sys.executable, str(repo / 'tools/make_quickstart_data.py'), '--out', str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ')
    assert 'thesis.txt' in done.stderr
    assert 'Traceback' not in done.stderr


# --- the pictures


def test_a_work_is_the_same_however_often_it_is_painted() -> None:
    assert np.array_equal(pixels(5, 8), pixels(5, 8))
    assert not np.array_equal(pixels(5, 8), pixels(5, 9))
    assert not np.array_equal(pixels(5, 8), pixels(6, 8))
    assert not np.array_equal(pixels(1, 2), pixels(2, 1))


def test_latents_and_scores_do_not_depend_on_the_size() -> None:
    assert paint(0, 4, 32).latents == paint(0, 4, 48).latents == draw_latents(0, 4)


def test_global_random_state_is_neither_used_nor_touched() -> None:
    np.random.seed(1)
    random.seed(1)
    first, numpy_state, python_state = pixels(0, 0), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index,union-attr]
    np.random.seed(1)
    random.seed(1)
    assert np.random.get_state()[1].tolist() == numpy_state  # type: ignore[index,union-attr]
    assert random.getstate() == python_state
    np.random.seed(2)
    random.seed(2)
    assert np.array_equal(pixels(0, 0), first)


@pytest.mark.parametrize('scene', SCENES)
@pytest.mark.parametrize('style', STYLES)
def test_every_scene_can_be_painted_in_every_style(scene: str, style: str) -> None:
    for extreme in (0.0, 1.0):
        image = render(Latents(scene, style, extreme, extreme, extreme, extreme), stream(0, 0, 1), 32)
        assert (image.mode, image.size) == ('RGB', (32, 32))
        assert np.asarray(image).std() > 5, 'the picture is blank'


def test_scene_and_style_each_change_the_picture() -> None:
    pictures = [np.asarray(render(replace(MIDDLE, scene=s), stream(0, 0, 1), 32), float) for s in SCENES]
    pictures += [np.asarray(render(replace(MIDDLE, style=s), stream(0, 0, 1), 32), float) for s in STYLES if s != 'oil']
    distances = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(distances) > 5


def test_nuisance_moves_the_picture_while_the_truth_stays() -> None:
    pictures = [np.asarray(render(MIDDLE, stream(0, i, 1), 32), float) for i in range(6)]
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 5


def test_warmth_and_light_show() -> None:
    grey = Image.new('RGB', (64, 64), (120, 120, 120))

    def mean(warmth: float, light: float) -> np.ndarray:
        return np.asarray(grade(grey, stream(0, 0, 1), warmth, light), float).mean(axis=(0, 1))

    warm, cold = mean(0.9, 0.5), mean(0.1, 0.5)
    assert warm[0] - warm[2] > cold[0] - cold[2] + 20
    assert mean(0.5, 0.9).mean() > mean(0.5, 0.1).mean() + 20


# --- the taste


@given(any_latents)
def test_true_score_is_the_stated_formula(work: Latents) -> None:
    def centred(table: dict[str, tuple[float, tuple[float, float, float]]], key: str, trait: int) -> float:
        return table[key][1][trait] - sum(entry[1][trait] for entry in table.values()) / len(table)

    pairs = (centred(taste.SCENES, work.scene, t) * centred(taste.STYLES, work.style, t) for t in range(3))
    c, w, li, b = work.complexity - 0.5, work.warmth - 0.5, work.light, work.brush - 0.5
    expected = 5.0 + taste.SCENES[work.scene][0] + taste.STYLES[work.style][0] + 1.2 * sum(pairs)
    expected += 0.6 * c + 0.3 - 3.6 * c * c + 1.2 * w + 0.25 * np.sin(np.pi * li) - 0.16 - 1.2 * b * c
    assert taste.true_score(work) == pytest.approx(min(max(expected, 0.0), 10.0), abs=1e-9)


def test_taste_covers_every_scene_and_style() -> None:
    assert list(taste.SCENES) == list(SCENES)
    assert list(taste.STYLES) == list(STYLES)


def test_some_scenes_suit_some_styles() -> None:
    """Two-way ANOVA of the cell means: the residual of the additive model is the interaction, and it is sizeable."""
    cells = np.array([[taste.true_score(replace(MIDDLE, scene=a, style=b)) for b in STYLES] for a in SCENES])
    residual = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    assert residual.var() > 0.3 * cells.var()
    assert residual.var() < 0.9 * cells.var(), 'the scene and the style also count by themselves'
    best = {b: list(SCENES)[i] for b, i in zip(STYLES, cells.argmax(axis=0), strict=True)}
    assert len(set(best.values())) >= 4, 'different styles suit different scenes'


@given(any_latents)
def test_every_latent_counts_smoothly(work: Latents) -> None:
    for name in ('complexity', 'warmth', 'light', 'brush'):
        value = getattr(work, name)
        near = replace(work, **{name: value + (1e-4 if value < 0.5 else -1e-4)})
        assert abs(taste.true_score(near) - taste.true_score(work)) < 1e-3


def test_scores_are_reliable_but_noisy_and_centred() -> None:
    truth = np.array([taste.true_score(draw_latents(0, i)) for i in range(1500)])
    scores = np.array([taste.rate(t, stream(0, i, 2)) for i, t in enumerate(truth)])
    assert 0.85 < np.corrcoef(truth, scores)[0, 1] < 0.92
    assert abs((scores - truth).mean()) < 0.1
    assert 1.2 < truth.std() < 2.0
    assert ((truth > 0) & (truth < 10)).all(), 'clipping the truth would bend the stated formula'


@settings(max_examples=30)
@given(truth=st.floats(0.0, 10.0), seed=st.integers(0, 1000))
def test_ratings_stay_on_the_scale(truth: float, seed: int) -> None:
    score = taste.rate(truth, np.random.default_rng(seed))
    assert 0.0 <= score <= 10.0
    assert round(score, 2) == score


def test_latents_are_drawn_evenly_and_independently() -> None:
    works = [draw_latents(0, i) for i in range(2000)]
    cells = np.array([[sum(w.scene == a and w.style == b for w in works) for b in STYLES] for a in SCENES])
    assert cells.min() > 0.3 * cells.mean() and cells.max() < 2 * cells.mean()
    values = np.array([(w.complexity, w.warmth, w.light, w.brush) for w in works])
    assert np.abs(values.mean(axis=0) - 0.5).max() < 0.03
    assert np.abs(np.corrcoef(values.T) - np.eye(4)).max() < 0.1


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, ssmr.datasets.procedural; print([m for m in ('torch', 'pandas', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == '[]'
