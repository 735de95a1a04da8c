"""The examples of docs/add_a_module.md, taken out of the page, each written into a module and trained with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ssmr import registry
from ssmr.config.load import load_config
from ssmr.errors import ConfigError
from ssmr.registry import MODELS, PartRegistry
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project, plain

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'add_a_module.md'
BLOCKS = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), flags=re.M | re.S))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the modules are found; what they register is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    mine = {Path(file).stem for file in BLOCKS}
    for kind in [v for v in vars(registry).values() if isinstance(v, PartRegistry)]:
        for name in [name for name, part in kind.module_dict.items() if part.__module__ in mine]:
            kind.module_dict.pop(name)
    for module in mine:
        sys.modules.pop(module, None)


def write(folder: Path, kind: str, base: Path) -> Path:
    """Write a module and its config, with ``base`` in the place of the page's base."""
    (folder / f'my_{kind}.py').write_text(BLOCKS[f'my_{kind}.py'])
    text, changed = re.subn(r"'ssmr_efficientnet_csv\.py'", repr(str(base)), BLOCKS[f'configs/my_{kind}.py'])
    assert changed == 1
    config = folder / f'config_of_my_{kind}.py'
    config.write_text(text)
    return config


def test_the_page_has_a_module_and_a_config_of_every_kind() -> None:
    kinds = ('encoder', 'retriever', 'reasoner', 'head')
    assert sorted(BLOCKS) == sorted([f'my_{k}.py' for k in kinds] + [f'configs/my_{k}.py' for k in kinds])


@pytest.mark.parametrize(
    ('kind', 'part', 'size'),
    [
        ('encoder', 'PeakFeature', 'encoders.style.preprocess.size=32'),
        ('retriever', 'PowerCosineRetriever', 'retriever.num_references=6'),
        ('reasoner', 'SimilarityMixer', 'model.reasoner.dim=8'),
        ('head', 'LogCoshHead', 'work_dir=run'),
    ],
)
def test_an_example_trains(kind: str, part: str, size: str, folder: Path, tiny_config: Path) -> None:
    cfg = load_config(write(folder, kind, tiny_config), [size], work_dir=str(folder / 'run'))
    assert part in cfg.pretty_text
    project = Project(cfg)
    state = safe_torch_load(pipeline.run(project))['state_dict']
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert all(step.hit for step in pipeline.plan(project))
    module = folder / f'my_{kind}.py'
    module.write_text(module.read_text() + '# edited\n')
    stale = [field for step in pipeline.plan(Project(cfg)) for field in step.stale]
    assert f'code.my_{kind}' in stale, stale


@pytest.mark.parametrize('kind', ['encoder', 'retriever', 'reasoner', 'head'])
def test_an_example_fits_the_config_that_the_page_starts_from(kind: str, folder: Path, repo: Path) -> None:
    cfg = load_config(write(folder, kind, repo / 'configs' / 'ssmr_efficientnet_csv.py'))
    MODELS.build({'in_dim': 1280, 'num_references': cfg.graph.num_references, **plain(cfg.model)})


@pytest.mark.parametrize('kind', ['encoder', 'retriever', 'reasoner', 'head'])
def test_a_slip_in_an_examples_keyword_is_found_before_any_work(kind: str, folder: Path, tiny_config: Path) -> None:
    field = {'encoder': 'encoders.style', 'retriever': 'retriever'}.get(kind, f'model.{kind}')
    with pytest.raises(ConfigError, match=f'(?s){field}.*tpyo'):
        load_config(write(folder, kind, tiny_config), [f'{field}.tpyo=1'])


def test_the_mixer_leaves_out_absent_references(folder: Path) -> None:
    """Its promise to the mask: a masked reference does not change what the query becomes."""
    (folder / 'my_reasoner.py').write_text(BLOCKS['my_reasoner.py'])
    import my_reasoner

    mixer = my_reasoner.SimilarityMixer(in_dim=5, num_references=3, dim=4)
    nodes, similarities = torch.randn(2, 4, 5), torch.rand(2, 3)
    mask = torch.tensor([[True, True, False, True]] * 2)
    changed = nodes.clone()
    changed[:, 2] += 10
    torch.testing.assert_close(mixer(nodes, similarities, mask), mixer(changed, similarities, mask))
    kept = mixer(nodes[:, [0, 1, 3]], similarities[:, [0, 2]])
    torch.testing.assert_close(mixer(nodes, similarities, mask), kept)


def test_log_cosh_is_what_it_says(folder: Path) -> None:
    (folder / 'my_head.py').write_text(BLOCKS['my_head.py'])
    import my_head

    head = my_head.LogCoshHead(in_dim=3)
    scores = torch.tensor([1.0, 2.0, 5.0])
    head.fit_targets(scores)
    output = torch.tensor([0.3, -0.2, 4.0])
    expected = torch.log(torch.cosh(output - head.targets.encode(scores))).mean()
    torch.testing.assert_close(head.loss(output, scores)['loss'], expected)
    torch.testing.assert_close(head.predict(head.targets.encode(scores)), scores)
