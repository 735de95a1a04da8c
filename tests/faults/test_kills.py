"""kill -9 at every place where something is written: nothing is lost, and the end is that of a run nobody killed."""

from __future__ import annotations

import ast
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, TINY_CONFIG, paint_works
from forked_runs import ForkedRuns, Job

from ssmr.artifacts.store import MANIFEST, read_manifest
from ssmr.engine.checkpoints import BEST, RECORD, CheckpointFolder
from ssmr.safe_load import safe_torch_load

#: Each line: the run is killed at the first place, the next run at the second, and so on.
BUILD = [
    'partial folder made', 'features reserved', 'shard written', 'progress-0.json written', 'progress-0.json renamed',
    'progress noted:2', 'ids.json written', 'ids.json renamed', 'quarantine.json written', 'quarantine.json renamed',
    'artifact complete but for its manifest', 'manifest.json written', 'manifest.json renamed', 'manifest written',
    'artifact renamed', 'shard written:3', 'progress noted', 'artifact renamed', 'queries.npy written',
    'queries.npy renamed', 'references.npy written', 'references.npy renamed', 'similarities.npy written',
    'similarities.npy renamed', 'ids.json written', 'ids.json renamed', 'manifest.json written', 'manifest written',
    'artifact renamed',
]  # fmt: skip
TRAIN = [
    'environment.json written', 'environment.json renamed', 'best_srcc_epoch_1.pth written', 'checkpoint written',
    'best_srcc_epoch_1.pth renamed', 'checkpoint renamed', 'checkpoints.json written', 'checkpoints.json renamed',
    'ledger written', 'checkpoint written:2', 'epoch_1.pth written', 'epoch_1.pth renamed', 'checkpoint renamed:2',
    'last_checkpoint written', 'epoch_2.pth written', 'checkpoint renamed', 'checkpoints.json written',
    'last_checkpoint renamed', 'checkpoints.json renamed', 'checkpoint deleted', 'epoch_4.pth renamed',
    'ledger written', 'best.pth written', 'former record deleted', 'best.pth renamed', 'best copied',
    'trained.json written', 'trained.json renamed',
]  # fmt: skip
EVALUATE = [
    'predictions_test.csv written', 'predictions_test.csv renamed', 'metrics_test.json written',
    'metrics_test.json renamed',
]  # fmt: skip
PUBLISH = ['NAME.safetensors written', 'NAME.safetensors renamed', 'NAME.json written', 'NAME.json renamed']
#: In runs of other kinds, below.
OTHERS = ['folder without a manifest removed', 'notes of another writer deleted']
NOT_REPEATED = ('meta', 'message_hub')  # times of day


@dataclass
class Flow:
    """A config, its pictures, and what a run that nobody killed has made of them."""

    root: Path
    runs: ForkedRuns

    @property
    def straight(self) -> Path:
        return self.root / 'straight'

    def tool(self, tool: str, folder: Path, *arguments: str, **done: Any) -> int:
        """Run a tool with everything it writes below ``folder``."""
        options = ['--work-dir', str(folder / 'run'), '--cfg-options', f'artifact_dir={folder / "artifacts"}']
        script = tool if '/' in tool else str(ROOT / 'tools' / tool)
        job = Job(script, [str(self.root / 'tiny.py'), *arguments, *options], str(self.root / 'log'), **done)
        return self.runs.run(job)[0]

    def log(self) -> str:
        return (self.root / 'log').read_text()


@pytest.fixture(scope='module')
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    root = tmp_path_factory.mktemp('faults')
    works = paint_works(root / 'works')
    text = TINY_CONFIG.format(root=str(works), artifacts='', work_dir='').replace('max_epochs=2', 'max_epochs=4')
    (root / 'tiny.py').write_text(text.replace("rule='greater'", "rule='greater', max_keep_ckpts=1"))
    flow = Flow(root, ForkedRuns())
    best = str(flow.straight / 'run' / BEST)
    passed = {'passed': str(root / 'passed')}
    assert flow.tool('build_references.py', flow.straight, **passed) == 0, flow.log()
    assert flow.tool('train.py', flow.straight, **passed) == 0, flow.log()
    assert flow.tool('test.py', flow.straight, best, **passed) == 0, flow.log()
    assert flow.tool('publish_model.py', flow.straight, best, '--out', str(root / 'models'), **passed) == 0, flow.log()
    yield flow
    flow.runs.close()


def like_straight(flow: Flow, folder: Path, *parts: str) -> Path:
    """A folder that begins with some of what the straight run made."""
    for part in parts:
        subprocess.run(['cp', '-r', '--parents', part, folder.resolve()], cwd=flow.straight, check=True)
    return folder


def assert_whole(folder: Path) -> None:
    """What is there at any instant is complete."""
    for manifest in (folder / 'artifacts').glob(f'*/*/{MANIFEST}'):
        if manifest.parent.suffix != '.partial':
            read_manifest(manifest.parent)
    checkpoints = CheckpointFolder(folder / 'run')
    assert all(checkpoints.holds(entry.file) for entry in checkpoints.entries())
    checkpoints.require_intact(folder / 'run' / BEST)
    for path in (folder / 'run').glob('*.pth'):
        safe_torch_load(path)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)


def assert_same_artifacts(folder: Path, straight: Path) -> None:
    """To the last byte, but for the time in the manifest; and nothing else has been left."""
    files = {p.relative_to(straight / 'artifacts') for p in (straight / 'artifacts').rglob('*')}
    assert {p.relative_to(folder / 'artifacts') for p in (folder / 'artifacts').rglob('*')} == files
    for file in files:
        one, other = folder / 'artifacts' / file, straight / 'artifacts' / file
        if file.name == MANIFEST:
            read = [json.loads(path.read_text()) | {'created': None} for path in (one, other)]
            assert read[0] == read[1]
        elif one.is_file():
            assert one.read_bytes() == other.read_bytes(), file


def assert_same_run(folder: Path, straight: Path) -> None:
    names = sorted(p.name for p in (straight / 'run').glob('*.pth'))
    assert sorted(p.name for p in (folder / 'run').iterdir() if '.pth' in p.name) == names
    for name in names:
        one, other = (safe_torch_load(path / 'run' / name) for path in (folder, straight))
        assert one.keys() == other.keys()
        for part in one.keys() - set(NOT_REPEATED):
            assert same(one[part], other[part]), f'{name}: {part}'
    records = [json.loads((path / 'run' / RECORD).read_text()) for path in (folder, straight)]
    assert records[0]['fingerprint'] == records[1]['fingerprint']
    assert_whole(folder)


def kill_again_and_again(flow: Flow, tool: str, folder: Path, points: list[str], *arguments: str) -> None:
    """A run for each point, each of which goes on where the former was killed; and one that nobody kills."""
    for point in points:
        assert flow.tool(tool, folder, *arguments, kill_at=point) == -signal.SIGKILL, f'{point}: {flow.log()}'
        assert_whole(folder)
    assert flow.tool(tool, folder, *arguments) == 0, flow.log()


@pytest.mark.slow
def test_banks_and_index_are_those_of_a_run_that_nobody_killed(flow: Flow, tmp_path: Path) -> None:
    kill_again_and_again(flow, 'build_references.py', tmp_path, BUILD)
    assert_same_artifacts(tmp_path, flow.straight)


@pytest.mark.slow
def test_training_ends_with_the_weights_of_a_run_that_nobody_killed(flow: Flow, tmp_path: Path) -> None:
    like_straight(flow, tmp_path, 'artifacts')
    kill_again_and_again(flow, 'train.py', tmp_path, TRAIN, '--resume')
    assert_same_run(tmp_path, flow.straight)
    assert_same_artifacts(tmp_path, flow.straight)


@pytest.mark.parametrize('point', ['epoch_2.pth renamed', 'best copied'])
def test_a_run_that_begins_anew_is_not_misled_by_what_a_killed_one_left(flow: Flow, tmp_path: Path, point: str) -> None:
    like_straight(flow, tmp_path, 'artifacts')
    assert flow.tool('train.py', tmp_path, kill_at=point) == -signal.SIGKILL, flow.log()
    assert flow.tool('train.py', tmp_path) == 0, flow.log()
    assert_same_run(tmp_path, flow.straight)


def test_the_record_of_a_former_model_does_not_vouch_for_the_new_one(flow: Flow, tmp_path: Path) -> None:
    like_straight(flow, tmp_path, 'artifacts', 'run')
    assert flow.tool('train.py', tmp_path, '--retrain', kill_at='best copied') == -signal.SIGKILL, flow.log()
    assert flow.tool('test.py', tmp_path, str(tmp_path / 'run' / BEST)) == 0, flow.log()
    assert flow.tool('train.py', tmp_path, '--resume') == 0, flow.log()
    assert_same_run(tmp_path, flow.straight)


def test_results_are_whole_or_the_former_ones(flow: Flow, tmp_path: Path) -> None:
    like_straight(flow, tmp_path, 'artifacts', 'run')
    names = ('predictions_test.csv', 'metrics_test.json')
    before = [(flow.straight / 'run' / name).read_bytes() for name in names]
    for name in names:
        (tmp_path / 'run' / name).write_bytes(b'{}')
    for point in EVALUATE:
        checkpoint = str(tmp_path / 'run' / BEST)
        assert flow.tool('test.py', tmp_path, checkpoint, kill_at=point) == -signal.SIGKILL, flow.log()
        found = [(tmp_path / 'run' / name).read_bytes() for name in names]
        assert all(content in (b'{}', whole) for content, whole in zip(found, before, strict=True))
    assert found == before


def test_a_published_model_is_whole_or_its_json_is_missing(flow: Flow, tmp_path: Path) -> None:
    [model] = (flow.root / 'models').glob('*.safetensors')
    arguments = [str(flow.straight / 'run' / BEST), '--out', str(tmp_path)]
    for point in PUBLISH:
        place = point.replace('NAME', model.stem)
        status = flow.tool('publish_model.py', flow.straight, *arguments, kill_at=place)
        assert status == -signal.SIGKILL, flow.log()
        for path in tmp_path.glob('tiny*'):
            assert path.read_bytes() == (flow.root / 'models' / path.name).read_bytes()
    assert len(list(tmp_path.glob('tiny*'))) == 2


def test_a_folder_without_its_manifest_is_replaced(flow: Flow, tmp_path: Path) -> None:
    like_straight(flow, tmp_path, 'artifacts')
    for manifest in (tmp_path / 'artifacts').glob(f'*/*/{MANIFEST}'):
        manifest.unlink()
    kill_again_and_again(flow, 'build_references.py', tmp_path, [OTHERS[0]] * 3)
    assert_same_artifacts(tmp_path, flow.straight)


#: Builds a bank whose shards two writers write.
TWO_WRITERS = """
import sys
from pathlib import Path
import numpy as np
from ssmr.artifacts.feature_bank import FeatureBankWriter
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
def build(folder):
    names = [f'{i}.jpg' for i in range(10)]
    writers = [FeatureBankWriter(folder, names, 3, 2, writer=number) for number in range(2)]
    for shard in writers[0].pending:
        rows = writers[0].shards[shard]
        writers[shard % 2].write(shard, np.full((len(rows), 3), shard, np.float32), {})
    writers[0].finish()
    return {}
root = Path(sys.argv[sys.argv.index('--work-dir') + 1]).parent / 'artifacts'
ArtifactStore(root).get_or_build(ArtifactKey('features', 'works', {}), build)
"""


def test_the_notes_of_several_writers_become_one(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / 'job').mkdir()
    script = tmp_path / 'job' / 'two_writers.py'
    script.write_text(TWO_WRITERS)
    points = ['progress-1.json renamed', 'progress noted:3', OTHERS[1]]
    kill_again_and_again(flow, str(script), tmp_path / 'killed', points)
    assert flow.tool(str(script), tmp_path / 'whole') == 0
    assert_same_artifacts(tmp_path / 'killed', tmp_path / 'whole')


@pytest.mark.parametrize('share', [0.9, 0.2], ids=['the checkpoint', 'the best'])
def test_a_full_disk_costs_what_could_not_be_written_and_nothing_else(flow: Flow, tmp_path: Path, share: float) -> None:
    like_straight(flow, tmp_path, 'artifacts')
    assert flow.tool('train.py', tmp_path, kill_at='epoch_2.pth written') == -signal.SIGKILL, flow.log()
    [last] = [entry.file for entry in CheckpointFolder(tmp_path / 'run').entries() if not entry.best]
    largest = int((tmp_path / 'run' / last).stat().st_size * share)
    assert flow.tool('train.py', tmp_path, '--resume', largest_file=largest) == 1
    assert 'error: no space left to write' in flow.log() and 'Traceback' not in flow.log().rsplit('error:', 1)[1]
    assert_whole(tmp_path)
    assert CheckpointFolder(tmp_path / 'run').last() == tmp_path / 'run' / last == tmp_path / 'run' / 'epoch_1.pth'
    assert flow.tool('train.py', tmp_path, '--resume') == 0, flow.log()
    assert_same_run(tmp_path, flow.straight)


def test_two_jobs_that_need_the_same_artifacts_build_them_once(flow: Flow, tmp_path: Path) -> None:
    options = ['--work-dir', str(tmp_path / 'run'), '--cfg-options', f'artifact_dir={tmp_path / "artifacts"}']
    notes = [tmp_path / f'passed{i}' for i in range(2)]
    jobs = [
        Job(
            str(ROOT / 'tools' / 'build_references.py'),
            [str(flow.root / 'tiny.py'), *options],
            str(tmp_path / f'log{i}'),
            passed=str(note),
        )
        for i, note in enumerate(notes)
    ]
    assert flow.runs.run(*jobs) == [0, 0]
    passed = [line for note in notes if note.exists() for line in note.read_text().splitlines()]
    assert passed.count('artifact renamed') == 3, 'two banks and an index'
    assert passed.count('shard written') == 6
    assert_same_artifacts(tmp_path, flow.straight)


ALL = {re.sub(':.*', '', point) for point in (*BUILD, *TRAIN, *EVALUATE, *PUBLISH, *OTHERS)}


def test_every_place_that_a_run_passes_is_in_the_tables(flow: Flow) -> None:
    [model] = (flow.root / 'models').glob('*.safetensors')
    passed = {line.replace(model.stem, 'NAME') for line in (flow.root / 'passed').read_text().splitlines()}
    numbered = [re.sub(r'epoch_\d', 'epoch_N', point) for point in ALL]
    assert {re.sub(r'epoch_\d', 'epoch_N', point) for point in passed} <= set(numbered)
    assert set(numbered) - {re.sub(r'epoch_\d', 'epoch_N', point) for point in passed} == set(OTHERS)


def test_every_fault_point_of_the_sources_is_in_the_tables() -> None:
    calls = [
        node.args[0]
        for path in ROOT.glob('ssmr/**/*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split('.')[-1] == 'fault_point'
    ]
    names = {argument.value for argument in calls if isinstance(argument, ast.Constant)}
    templates = [argument for argument in calls if isinstance(argument, ast.JoinedStr)]
    assert len(names) > 10 and len(templates) + len(names) == len(set(map(ast.unparse, calls)))
    assert names <= ALL
    for template in templates:
        parts = [re.escape(p.value) if isinstance(p, ast.Constant) else '.+' for p in template.values]  # type: ignore[arg-type]
        assert any(re.fullmatch(''.join(parts), name) for name in ALL), ast.unparse(template)


@pytest.mark.slow
def test_the_tool_as_users_start_it_goes_on_after_a_kill(flow: Flow, tmp_path: Path) -> None:
    import os

    command = [sys.executable, str(ROOT / 'tools' / 'train.py'), str(flow.root / 'tiny.py'), '--resume']
    command += ['--work-dir', str(tmp_path / 'run'), '--cfg-options', f'artifact_dir={tmp_path / "artifacts"}']
    for point in ('shard written:2', 'epoch_2.pth written', ''):
        env = {**os.environ, 'SSMR_TEST_KILL_AT': point}
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == (-signal.SIGKILL if point else 0), done.stderr
    assert_same_run(tmp_path, flow.straight)
    assert_same_artifacts(tmp_path, flow.straight)
