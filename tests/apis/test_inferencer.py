"""The inferencer says of a work what the stages say of it, and serves what users have at hand."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssmr.apis import AestheticInferencer, Assessment
from ssmr.config.load import load_config
from ssmr.errors import ArtifactError, CheckpointError, ConfigError, DataError, ImageError, SsmrError
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate, predict
from ssmr.stages.fit_style import fit_style
from ssmr.stages.project import Project

KINDS = {
    'fusion': '',
    'cosine': "retriever = dict(_delete_=True, type='CosineRetriever', num_references=5)",
    'csls': (
        "retriever = dict(_delete_=True, type='CSLSRetriever', num_references=5,\n"
        "                 retriever=dict(type='GramRetriever'))"
    ),
    'masked, standardised, labels': (
        'graph = dict(min_similarity=0.97, standardise=True)\n'
        "model = dict(reference_scores='residual')"
    ),
    'two node views': "graph = dict(view=['semantic', 'style'])\nmodel = dict(in_dim=88)",
    'fitted style': (
        "encoders = dict(style=dict(_delete_=True, type='PrincipalGram', axes='AXES', preprocess=dict(size=32),\n"
        "                           backbone=dict(type='EfficientNetLite0', out_indices=[1])))"
    ),
    'pictures': (
        "model = dict(_delete_=True, type='SingleImageAssessor', head=dict(type='ScoreHead'), norm_eval=True,\n"
        "             backbone=dict(type='EfficientNetLite0', out_indices=[2]), preprocess=dict(size=32))"
    ),
    'end to end': (
        "model = dict(encoder=dict(type='GlobalFeature', preprocess=dict(size=32),\n"
        "             backbone=dict(type='EfficientNetLite0', out_indices=[2])))"
    ),
}  # fmt: skip


def trained(config: Path) -> tuple[Project, Path]:
    project = Project(load_config(str(config)))
    return project, pipeline.run(project)


@pytest.mark.parametrize('kind', KINDS)
def test_every_work_gets_the_score_and_the_references_of_the_stages(kind: str, tiny_config: Path, works: Path) -> None:
    config = tiny_config.with_name('kind.py')
    settings = KINDS[kind].replace('AXES', str(config.with_name('axes.safetensors')))
    config.write_text(f"_base_ = 'tiny.py'\n{settings}\n")
    if 'axes=' in settings:
        fit_style(Project(load_config(str(config))), 'style', smaller=8, works=100)
    project, checkpoint = trained(config)
    banks, index = pipeline.references(project)
    expected = predict(project, banks, index, checkpoint, index.queries)
    files = [works / 'images' / project.table.ids[row] for row in index.queries]
    found = AestheticInferencer(config, checkpoint)(files, batch_size=5)
    k, ids = project.cfg.graph.num_references, np.array(project.table.ids)
    for result, score, row, file in zip(found, expected, index.queries, files, strict=True):
        assert isinstance(result, Assessment) and result.image == str(file)
        assert result.score == pytest.approx(score, rel=1e-3, abs=1e-3)
        near = index.similarities[index.queries.tolist().index(row), :k] >= project.cfg.graph.get('min_similarity', -1)
        rows = index.of(np.array([row]))[0, :k][near]
        assert [r.id for r in result.references] == ids[rows].tolist()
        scores = project.table.scores[rows]
        assert result.reference_mean == pytest.approx(scores.mean() if len(rows) else np.nan, nan_ok=True)
        assert result.reference_sd == pytest.approx(scores.std() if len(rows) else np.nan, nan_ok=True)
        assert [r.score for r in result.references] == pytest.approx(scores)
        assert all(r.file.is_file() for r in result.references)


@pytest.fixture(scope='module')
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A config, its checkpoint, and the folder of its pictures."""
    from conftest import TINY_CONFIG, paint_works

    folder = tmp_path_factory.mktemp('ready')
    root, config = paint_works(folder / 'works'), folder / 'tiny.py'
    config.write_text(
        TINY_CONFIG.format(root=str(root), artifacts=str(folder / 'artifacts'), work_dir=str(folder / 'run'))
    )
    return config, trained(config)[1], root / 'images'


def test_the_works_of_a_split_get_what_the_evaluation_wrote_for_them(ready: tuple[Path, Path, Path]) -> None:
    config, checkpoint, images = ready
    project = Project(load_config(str(config)))
    written = evaluate(project, *pipeline.references(project), checkpoint).predictions
    with open(written) as file:
        rows = list(csv.DictReader(file))
    results = AestheticInferencer(config, checkpoint)([images / row['image'] for row in rows])
    assert [r.score for r in results] == pytest.approx([float(row['prediction']) for row in rows], abs=1e-4)
    k = project.cfg.graph.num_references  # the file has all that are stored, the graph the first of them
    assert [[x.id for x in r.references] for r in results] == [row['reference_ids'].split()[:k] for row in rows]


def test_a_picture_in_memory_is_read_like_its_file(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, images = ready
    half = np.random.default_rng(0).integers(0, 255, (60, 30, 3), np.uint8)
    half[:30] = 0
    turned, clear, deep = tmp_path / 'turned.jpg', tmp_path / 'clear.png', tmp_path / 'deep.png'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(turned, exif=exif)
    Image.fromarray(np.dstack([half, np.zeros((60, 30), np.uint8)])).save(clear)
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 30).save(deep)
    inferencer, files = AestheticInferencer(config, checkpoint), [turned, clear, deep]
    from_files, in_memory = inferencer(files), inferencer([Image.open(file) for file in files])
    assert [r.score for r in in_memory] == pytest.approx([r.score for r in from_files], abs=1e-4)
    (tmp_path / 'cut.png').write_bytes((images / '000.png').read_bytes()[:1500])
    good, bad = inferencer([images / '001.png', Image.open(tmp_path / 'cut.png')])
    assert isinstance(good, Assessment) and isinstance(bad, ImageError) and 'picture 1' in str(bad)


def test_identical_files_of_the_table_do_not_find_each_other(tiny_config: Path, works: Path) -> None:
    shutil.copy(works / 'images/000.png', works / 'images/900.png')  # both training works, in no list of duplicates
    with open(works / 'labels.csv', 'a') as file:
        file.write('900.png,5.0,train\n')
    inferencer = AestheticInferencer(tiny_config, trained(tiny_config)[1])
    for result in inferencer([works / 'images' / name for name in ('000.png', '900.png')]):
        assert not {'000.png', '900.png'} & {r.id for r in result.references}


@pytest.mark.parametrize('size', [0, -1])
def test_a_batch_has_pictures(size: int, ready: tuple[Path, Path, Path]) -> None:
    config, checkpoint, images = ready
    with pytest.raises(ConfigError, match='batch_size'):
        AestheticInferencer(config, checkpoint)(images, batch_size=size)


def test_whatever_holds_a_picture_gives_its_score(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, images = ready
    inferencer = AestheticInferencer(config, checkpoint)
    new = tmp_path / 'new.png'
    picture = Image.fromarray(np.random.default_rng(5).integers(0, 255, (50, 60, 3), np.uint8))
    picture.save(new)
    results = inferencer([new, str(new), picture, np.asarray(picture)], batch_size=3)
    assert [r.image for r in results] == [str(new), str(new), 'picture 2', 'picture 3']
    assert len({round(r.score, 4) for r in results}) == 1
    [alone] = inferencer(picture)
    assert alone.image == 'picture 0' and [r.id for r in alone.references] == [r.id for r in results[0].references]
    everything = inferencer(images)
    assert [r.image for r in everything] == sorted(str(file) for file in images.iterdir())


def test_scores_do_not_depend_on_the_batch(ready: tuple[Path, Path, Path]) -> None:
    config, checkpoint, images = ready
    inferencer = AestheticInferencer(config, checkpoint)
    together, alone = inferencer(images, batch_size=24), inferencer(images, batch_size=1)
    assert [r.score for r in together] == pytest.approx([r.score for r in alone], abs=1e-4)


def test_a_renamed_copy_of_a_work_does_not_find_itself(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, images = ready
    shutil.copy(images / '000.png', tmp_path / 'renamed.png')  # a training work
    inferencer = AestheticInferencer(config, checkpoint)
    [copy] = inferencer(tmp_path)
    assert '000.png' not in [r.id for r in copy.references]
    [pixels] = inferencer(Image.open(images / '000.png'))
    assert pixels.references[0].id == '000.png', 'pixels have no file to be known by'


def test_a_broken_picture_costs_no_other_its_score(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, images = ready
    for number in range(3):
        shutil.copy(images / f'00{number}.png', tmp_path)
    (tmp_path / '001.png').write_bytes(b'no picture')
    results = AestheticInferencer(config, checkpoint)([tmp_path, tmp_path / 'missing.png'], batch_size=2)
    assert [type(r) for r in results] == [Assessment, ImageError, Assessment, ImageError]
    assert '001.png' in str(results[1]) and 'missing.png' in str(results[3])


def test_input_that_holds_no_picture_is_an_error(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, _ = ready
    inferencer = AestheticInferencer(config, checkpoint)
    with pytest.raises(DataError, match='no picture in'):
        inferencer(tmp_path)
    for array in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(DataError, match=r'give \[H, W, 3\] uint8'):
            inferencer(array)
    for other in (3, None, [b'bytes'], [['list']]):
        with pytest.raises(DataError, match='picture 0 is'):
            inferencer(other)  # type: ignore[arg-type]


def test_pictures_may_come_from_a_generator(ready: tuple[Path, Path, Path]) -> None:
    config, checkpoint, images = ready
    files = [images / '004.png', images / '007.png']
    inferencer = AestheticInferencer(config, checkpoint)
    assert inferencer(file for file in files) == inferencer(files)


@pytest.mark.parametrize('wrong', [['--out', '.'], ['--top-references', '-1'], ['--top-references', 'all']])
def test_the_tool_refuses_wrong_options_at_once(wrong: list[str], repo: Path) -> None:
    command = [sys.executable, str(repo / 'tools/predict.py'), 'none.py', 'none.pth', 'none.png', *wrong]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and wrong[0] in done.stderr


def test_it_does_not_begin_with_the_features(tiny_config: Path, ready: tuple[Path, Path, Path]) -> None:
    with pytest.raises(ArtifactError, match='not built yet: features of semantic, features of style, references'):
        AestheticInferencer(tiny_config, ready[1])


def test_checkpoints_are_checked_like_those_of_a_run(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    config, checkpoint, _ = ready
    broken = tmp_path / 'broken.pth'
    broken.write_bytes(checkpoint.read_bytes()[:-50])
    other = load_config(str(config), ['model.reasoner.depth=2'])
    cases: list[tuple[object, Path, type[SsmrError], str]] = [
        (config, tmp_path / 'none.pth', CheckpointError, 'none.pth'),
        (config, broken, CheckpointError, 'broken.pth'),
        (other, checkpoint, CheckpointError, 'model.reasoner.depth'),
    ]
    for given, path, error, message in cases:
        with pytest.raises(error, match=message):
            AestheticInferencer(given, path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match='no device'):
        AestheticInferencer(config, checkpoint, device='nonsense')


def test_a_published_model_gives_the_same(ready: tuple[Path, Path, Path], tmp_path: Path) -> None:
    from ssmr.stages.publish import publish

    config, checkpoint, images = ready
    published = publish(Project(load_config(str(config))), 'tiny', checkpoint, tmp_path)
    ours, theirs = (AestheticInferencer(config, path)(images / '004.png') for path in (checkpoint, published))
    assert ours == theirs


def test_the_tool_writes_what_the_inferencer_says(ready: tuple[Path, Path, Path], repo: Path, tmp_path: Path) -> None:
    config, checkpoint, images = ready
    bad, odd, out = (
        tmp_path / 'bad.png',
        Path(os.fsdecode(os.fsencode(tmp_path) + b'/\xff.png')),
        tmp_path / 'scores.csv',
    )
    bad.write_bytes(b'')
    shutil.copy(images / '004.png', odd)
    options = ['--out', out, '--top-references', '2']
    command = [sys.executable, repo / 'tools/predict.py', config, checkpoint, images / '004.png', bad, odd, *options]
    done = subprocess.run(list(map(os.fsencode, command)), capture_output=True, text=True)
    assert done.returncode == 1 and 'bad.png' in done.stderr
    [expected] = AestheticInferencer(config, checkpoint)(images / '004.png')
    with open(out) as file:
        row, renamed = csv.DictReader(file)
    assert renamed == {**row, 'image': str(tmp_path / r'\xff.png')}
    assert row['image'] == str(images / '004.png') and row['reference_ids'].split() == [
        r.id for r in expected.references
    ]
    assert float(row['prediction']) == pytest.approx(expected.score, abs=1e-4)
    shown = done.stdout.splitlines()
    assert shown[0].startswith(f'{expected.score:.3f}') and len(shown) == 6
