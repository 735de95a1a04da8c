"""What must not reach a work that is tested: the label of its duplicate, by any way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssmr.config.load import load_config
from ssmr.errors import ConfigError
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate, predict
from ssmr.stages.project import Project
from ssmr.stages.train import split_rows

#: Appended to the config.
RETRIEVERS = {
    'fusion': '',
    'cosine': "retriever = dict(type='CosineRetriever', num_references=6)\n",
    'hubs': "retriever = dict(type='CSLSRetriever', retriever=dict(type='GramRetriever'), num_references=6)\n",
}


@pytest.fixture
def planted(works: Path) -> Path:
    """Every tested work once more in the training split, a little smaller, with the score 10."""
    labels = works / 'labels.csv'
    tested = [line.split(',')[0] for line in labels.read_text().splitlines() if line.endswith(',test')]
    for name in tested:
        with Image.open(works / 'images' / name) as image:
            image.resize((32, 36)).save(works / 'images' / f'copy_{name}')
    with open(labels, 'a') as file:
        file.writelines(f'copy_{name},10.0,train\n' for name in tested)
    groups = ''.join(f'{name},{name}\ncopy_{name},{name}\n' for name in tested)
    (works / 'duplicates.csv').write_text('image,group\n' + groups)
    return works


def relabel(works: Path, score: float) -> None:
    labels = works / 'labels.csv'
    lines = labels.read_text().splitlines()
    changed = [f'{line.split(",")[0]},{score},train' if line.startswith('copy_') else line for line in lines]
    labels.write_text('\n'.join(changed) + '\n')


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, options))


def labels_of_references(p: Project) -> np.ndarray:
    """[n, K] labels of the references of the tested works."""
    _, index = pipeline.references(p)
    return p.table.scores[index.of(split_rows(p, index, 'test'))]


@pytest.mark.parametrize('name', RETRIEVERS)
def test_the_label_of_a_duplicate_reaches_its_query_only_where_the_duplicate_is_not_declared(
    tiny_config: Path, planted: Path, name: str
) -> None:
    tiny_config.write_text(tiny_config.read_text() + RETRIEVERS[name])
    listed = f'duplicates.file={planted / "duplicates.csv"}'
    found = {}
    for score in (10.0, 0.0):
        relabel(planted, score)
        p = project(tiny_config, listed)
        _, index = pipeline.references(p)
        found[score] = labels_of_references(p)
        for row in split_rows(p, index, 'test'):
            names = [p.table.ids[r] for r in index.of(np.array([row]))[0]]
            assert f'copy_{p.table.ids[row]}' not in names
    others = np.isin(found[10.0], (10.0,)) & np.isin(found[0.0], (0.0,))  # copies of other tested works
    np.testing.assert_array_equal(found[10.0][~others], found[0.0][~others])
    undeclared = project(tiny_config)
    _, index = pipeline.references(undeclared)
    rows = split_rows(undeclared, index, 'test')
    nearest = [undeclared.table.ids[r] for r in index.of(rows)[:, 0]]
    copies = [f'copy_{undeclared.table.ids[r]}' for r in rows]
    assert np.mean([a == b for a, b in zip(nearest, copies, strict=True)]) >= 0.5, 'the copies are what would be found'


def test_the_labels_of_duplicates_reach_nothing_where_they_are_left_out(tiny_config: Path, planted: Path) -> None:
    """With ``leaks=drop`` the copies are neither referred to nor trained on: predictions agree to the bit."""
    options = (f'duplicates.file={planted / "duplicates.csv"}', 'duplicates.leaks=drop', 'model.reference_scores=embed')
    predictions = []
    for score in (10.0, 0.0):
        relabel(planted, score)
        p = project(tiny_config, *options)
        assert [p.table.ids[r] for r in p.table.rows('none')] == [i for i in p.table.ids if i.startswith('copy_')]
        checkpoint = pipeline.run(p, retrain=True)
        banks, index = pipeline.references(p)
        assert not set(index.references.ravel().tolist()) & set(p.table.rows('none').tolist())
        predictions.append(predict(p, banks, index, checkpoint, split_rows(p, index, 'test')))
    np.testing.assert_array_equal(*predictions)


def test_training_on_duplicates_is_told(tiny_config: Path, planted: Path) -> None:
    p = project(tiny_config, f'duplicates.file={planted / "duplicates.csv"}')
    result = evaluate(p, *pipeline.references(p), checkpoint=pipeline.run(p))
    assert result.leaks == sum(i.startswith('copy_') for i in p.table.ids) > 0
    assert 'scale 0 to 10; ' in result.table and p.table.split_name in result.table


def test_references_come_from_the_training_split_alone(tiny_config: Path, planted: Path) -> None:
    _, index = pipeline.references(project(tiny_config))
    table = project(tiny_config).table
    assert set(table.splits[index.references].ravel()) == {'train'}


def test_an_unknown_policy_is_refused(tiny_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"duplicates\.leaks is 'remove'"):
        load_config(tiny_config, ('duplicates.leaks=remove',))


@pytest.mark.data
def test_real_paintings_in_a_folder_of_ones_own(repo: Path, shared_data: Path, tmp_path: Path) -> None:
    """From a CSV and a folder to a trained and tested model, with the tools alone."""
    import subprocess
    import sys

    source = shared_data / 'sidhu477'
    lines = (source / 'labels.csv').read_text().splitlines()
    chosen = [lines[0], *lines[1::6]]
    root = tmp_path / 'mine'
    (root / 'images').mkdir(parents=True)
    for line in chosen[1:]:
        name = line.split(',')[0]
        shutil.copy(source / 'images' / name, root / 'images' / name)
    (root / 'labels.csv').write_text('\n'.join(chosen) + '\n')
    config = repo / 'configs' / 'ssmr_efficientnet_csv.py'
    options = ['--cfg-options', f'table.root={root}', 'table.scale=(1,9)', f'work_dir={tmp_path / "run"}']
    options += [f'artifact_dir={tmp_path / "artifacts"}', 'retriever.num_references=20', 'train_cfg.max_epochs=4']
    for tool, arguments in (
        ('verify_data', ['--out', str(tmp_path / 'checked')]),
        ('train', []),
        ('test', [str(tmp_path / 'run' / 'best.pth')]),
    ):
        command = [sys.executable, str(repo / 'tools' / f'{tool}.py'), str(config), *arguments, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert '| ridge ' in done.stdout and 'scale 1 to 9' in done.stdout and 'column split of labels.csv' in done.stdout
    assert (tmp_path / 'checked' / 'report.html').is_file()
