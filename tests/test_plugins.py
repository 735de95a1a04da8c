"""Plugins: parts of a package outside the repository are found, trained with, and blamed where they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssmr import registry
from ssmr.config.load import load_config
from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS, PartRegistry

PARTS = """
import torch
from torch import Tensor, nn

from ssmr.backbones.encoder import Encoder
from ssmr.heads.score import ScoreHead
from ssmr.reasoners.base import Reasoner
from ssmr.registry import BACKBONES, HEADS, REASONERS, RETRIEVERS
from ssmr.retrievers.cosine import CosineRetriever


@BACKBONES.register_module()
class Thumbnail(nn.Module):
    def __init__(self, side: int = 4) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.pool(images),)


@BACKBONES.register_module()
class Flattened(Encoder):
    def forward(self, images: Tensor) -> Tensor:
        return self.feature_maps(images)[-1].flatten(1)


@RETRIEVERS.register_module(name='Centred')
class CentredRetriever(CosineRetriever):
    def embed(self, vectors):
        return super().embed(vectors - vectors.mean(axis=1, keepdims=True))


@REASONERS.register_module()
class Difference(Reasoner):
    def __init__(self, in_dim: int, num_references: int, dim: int = 8, readout: str = 'mean') -> None:
        super().__init__(in_dim, num_references, dim, readout)
        self.linear = nn.Linear(in_dim, dim)

    def reason(self, nodes, similarities, mask):
        return torch.relu(self.linear(nodes - nodes[:, :1]))


@HEADS.register_module()
class AbsoluteHead(ScoreHead):
    def loss(self, output, scores, distributions=None):
        return {'loss': (output - self.targets.encode(scores)).abs().mean()}
"""
CONFIG = """
_base_ = ['tiny.py']
encoders = dict(style=dict(_delete_=True, type='Flattened', backbone=dict(type='Thumbnail', side=3),
                           preprocess=dict(size=32)))
retriever = dict(_delete_=True, type='Centred', view='style', num_references=6)
model = dict(reasoner=dict(_delete_=True, type='Difference'), head=dict(_delete_=True, type='AbsoluteHead'))
"""


def install(site: Path, name: str, module: str, text: str, entry: str | None = None) -> None:
    """Lay a package of one module below ``site``, as pip would; ``entry`` is the value of its entry point."""
    (site / name).mkdir(parents=True)
    (site / name / '__init__.py').touch()
    (site / name / f'{module}.py').write_text(text)
    if entry is not None:
        info = site / f'{name}-1.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name.replace("_", "-")}\nVersion: 1.0\n')
        (info / 'entry_points.txt').write_text(f'[ssmr.plugins]\nextra = {entry}\n')


def train(repo: Path, config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get('PYTHONPATH')])])
    command = [sys.executable, str(repo / 'tools' / 'train.py'), str(config), '--work-dir', str(config.parent / 'run')]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': path}, check=False)


@pytest.mark.slow
@pytest.mark.parametrize('way', ['entry point', 'custom_imports'])
def test_parts_of_another_package_are_trained_with(way: str, repo: Path, tiny_config: Path, tmp_path: Path) -> None:
    config = tmp_path / 'extra.py'
    if way == 'entry point':
        install(tmp_path / 'site', 'brushwork', 'parts', PARTS, 'brushwork.parts')
        config.write_text(CONFIG)
    else:
        install(tmp_path / 'site', 'brushwork', 'parts', PARTS)
        config.write_text(CONFIG + "custom_imports = dict(imports=['brushwork.parts'])\n")
    done = train(repo, config, tmp_path / 'site')
    assert done.returncode == 0, done.stderr
    inputs = json.loads((tmp_path / 'run' / 'trained.json').read_text())['inputs']
    assert inputs['model']['reasoner']['type'] == 'Difference' and 'brushwork.parts' in inputs['code']


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path; what its modules register is forgotten afterwards."""
    folder = tmp_path / 'site'
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for kind in [v for v in vars(registry).values() if isinstance(v, PartRegistry)]:
        for name in [n for n, part in kind.module_dict.items() if part.__module__.startswith('brushwork')]:
            kind.module_dict.pop(name)
    for module in [m for m in sys.modules if m.startswith('brushwork')]:
        sys.modules.pop(module)


def fails(config: Path, *options: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(config, options)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    for machinery in ('importlib', 'plugins.py', 'load.py', 'entry.load'):
        assert machinery not in str(caught.value), str(caught.value)
    return caught.value


BROKEN = {
    'an import of its own': ('import gone_dependency', "No module named 'gone_dependency'"),
    'a name that is not there': ('from ssmr.errors import Nothing', 'cannot import name'),
    'no Python': ('def f(:\n    pass', 'SyntaxError'),
    'an exception': ("def f():\n    raise RuntimeError('out of paint')\nf()", 'RuntimeError: out of paint'),
    'a chain': ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e", '1 / 0'),
    'leaving': ("import sys\nsys.exit('enough')", 'SystemExit: enough'),
}


@pytest.mark.parametrize('text', BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize('way', ['entry point', 'custom_imports'])
def test_one_that_fails_is_named_with_its_own_traceback(
    way: str, text: tuple[str, str], site: Path, tiny_config: Path
) -> None:
    entry = way == 'entry point'
    install(site, 'brushwork', 'parts', text[0], 'brushwork.parts' if entry else None)
    error = fails(tiny_config, *([] if entry else ['custom_imports.imports=brushwork.parts']))
    assert 'brushwork.parts' in error.message and text[1] in error.message
    assert f'{site / "brushwork" / "parts.py"}", line ' in error.message
    if entry:
        assert 'extra = brushwork.parts of the package brushwork fails' in error.message
        assert 'pip uninstall brushwork' in error.fix
    else:
        assert 'custom_imports' in error.message and 'out of custom_imports' in error.fix


def test_the_backport_of_entry_points_makes_no_difference(site: Path, tiny_config: Path) -> None:
    """Importing importlib_metadata, as TensorBoard may, replaces Python's own finder of packages."""
    pytest.importorskip('importlib_metadata')
    install(site, 'brushwork', 'parts', "raise RuntimeError('out of paint')", 'brushwork.parts')
    assert 'RuntimeError: out of paint' in fails(tiny_config).message


@pytest.mark.parametrize(
    ('entry', 'said'), [('brushwork.gone', "No module named 'brushwork.gone'"), ('brushwork.parts:gone', 'gone')]
)
def test_an_entry_point_to_nothing_is_named(entry: str, said: str, site: Path, tiny_config: Path) -> None:
    install(site, 'brushwork', 'parts', '', entry)
    error = fails(tiny_config)
    assert f'extra = {entry}' in error.message and said in error.message


def test_a_part_with_a_name_of_ssmrs_is_refused_naming_both(site: Path, tiny_config: Path) -> None:
    RETRIEVERS.get('GramRetriever')
    text = (
        'from ssmr.registry import RETRIEVERS\nfrom ssmr.retrievers.cosine import CosineRetriever\n'
        '@RETRIEVERS.register_module()\nclass GramRetriever(CosineRetriever):\n    pass\n'
    )
    install(site, 'brushwork', 'parts', text, 'brushwork.parts')
    message = str(fails_with_frames(tiny_config))
    assert 'brushwork.parts.GramRetriever' in message and 'ssmr.retrievers.cosine.GramRetriever' in message


def fails_with_frames(config: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(config)
    return caught.value


def test_whichever_of_the_two_comes_first(tmp_path: Path, tiny_config: Path) -> None:
    """A plugin is imported before ssmr's own parts, unless it imports them itself."""
    text = 'from ssmr.registry import HEADS\n@HEADS.register_module()\nclass ScoreHead:\n    pass\n'
    install(tmp_path / 'site', 'brushwork', 'parts', text, 'brushwork.parts')
    code = f'import sys; sys.path.insert(0, {str(tmp_path / "site")!r})\nfrom ssmr.config.load import load_config\n'
    code += f'from ssmr.errors import ConfigError\ntry: load_config({str(tiny_config)!r})\n'
    code += 'except ConfigError as error: print(error)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert 'ssmr.heads.score.ScoreHead' in done.stdout and 'brushwork.parts.ScoreHead' in done.stdout


def test_a_corrected_plugin_can_be_loaded_again(site: Path, tiny_config: Path) -> None:
    """What it registered before it failed is in nobody's way."""
    install(site, 'brushwork', 'parts', PARTS + 'raise RuntimeError', 'brushwork.parts')
    fails(tiny_config)
    (site / 'brushwork' / 'parts.py').write_text(PARTS + '# corrected')
    load_config(tiny_config)
    assert RETRIEVERS.get('Centred').__module__ == 'brushwork.parts'


def test_a_part_can_be_named_with_ssmrs_scope(site: Path, tiny_config: Path) -> None:
    install(site, 'brushwork', 'parts', PARTS, 'brushwork.parts')
    cfg = load_config(tiny_config)
    assert cfg.model.reasoner.type == 'RelationGCN'  # installed plugins change nothing that is not asked for
    assert RETRIEVERS.get('ssmr.Centred') is RETRIEVERS.get('Centred')
