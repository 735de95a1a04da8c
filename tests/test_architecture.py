"""The architecture as a test: who may import whom, what must stay light, and what must never be called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob('ssmr/**/*.py'), *ROOT.glob('tools/*.py')])
TOOLS = sorted(ROOT.glob('tools/*.py'))

#: From the bottom up; a module may import from its own layer only where SIBLINGS says so, and from every lower one.
LAYERS = (
    ('errors', 'progress', 'registry', 'safe_load', 'torchvision_shim'),
    ('config', 'artifacts'),
    ('datasets', 'backbones', 'retrievers', 'reasoners', 'heads', 'evaluation'),
    ('assessors',),
    ('stages', 'engine', 'preparation', 'verification'),
    ('apis', 'visualization'),
    ('cli',),
    ('tools',),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
#: Layers whose members may import each other.
SIBLINGS = (0, 1, 4, 5)


class Import(NamedTuple):
    """One imported module, and where."""

    module: str
    where: str


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ('TYPE_CHECKING', 'typing.TYPE_CHECKING')


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that can run, those in functions included; ``if TYPE_CHECKING:`` never does."""
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield child
            yield from walk(child)


def imports(path: Path) -> list[Import]:
    """The modules that a file imports, at any depth; ``from a import b`` counts as a.b."""
    found = []
    for node in walk(ast.parse(path.read_text(encoding='utf-8'))):
        where = f'{path.relative_to(ROOT)}:{getattr(node, "lineno", 0)}'
        if isinstance(node, ast.Import):
            found += [Import(alias.name, where) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{where}: relative import'
            found += [Import(f'{node.module}.{alias.name}', where) for alias in node.names]
    return found


def part(path: Path) -> str:
    """The member of LAYERS that a file belongs to; '' for ssmr itself."""
    inside = path.relative_to(ROOT).with_suffix('').parts
    return 'tools' if inside[0] == 'tools' else inside[1].replace('__init__', '')


ALL = [(part(path), item) for path in SOURCES for item in imports(path)]


def test_every_part_has_a_layer() -> None:
    assert {part(path) for path in SOURCES} - {''} <= LEVEL.keys()


def test_imports_point_down() -> None:
    wrong = []
    for importer, item in ALL:
        package, _, rest = item.module.partition('.')
        if package not in ('ssmr', 'tools'):
            continue
        imported = rest.split('.')[0] if package == 'ssmr' else 'tools'
        if importer == '':
            wrong.append(f'{item.where}: ssmr/__init__.py imports nothing')
        elif imported in LEVEL and imported != importer:
            up = LEVEL[imported] > LEVEL[importer]
            sideways = LEVEL[imported] == LEVEL[importer] and LEVEL[importer] not in SIBLINGS
            if up or sideways:
                wrong.append(f'{item.where}: {importer} imports {imported}')
    assert wrong == []


def test_only_the_engine_imports_mmengines_runner() -> None:
    runner = [(name, i.where) for name, i in ALL if i.module.startswith('mmengine.runner')]
    assert [where for name, where in runner if name != 'engine'] == []
    assert runner, 'the rule has nothing to check: did the runner move?'


def test_artifacts_import_numpy_and_filelock_alone() -> None:
    allowed = {'numpy', 'filelock', 'ssmr', '__future__', *sys.stdlib_module_names}
    assert [i.where for name, i in ALL if name == 'artifacts' and i.module.split('.')[0] not in allowed] == []


@pytest.mark.parametrize('module', ['pickle', 'dill', 'joblib', 'cloudpickle', 'shelve', 'marshal'])
def test_only_the_safe_loader_knows_of_pickles(module: str) -> None:
    allowed = ['ssmr/safe_load.py'] if module == 'pickle' else []  # for the name of its error
    assert {i.where.split(':')[0] for _, i in ALL if i.module.split('.')[0] == module} <= set(allowed)


def calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every call: where, what, and its keywords."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}
                yield f'{path.relative_to(ROOT)}:{node.lineno}', ast.unparse(node.func), keywords


def test_nothing_that_runs_code_from_a_file_is_called() -> None:
    wrong = []
    for where, function, keywords in calls():
        unsafe = (
            function in ('eval', 'exec', 'pickle.load', 'pickle.loads', 'pickle.Unpickler', 'os.system')
            or function.endswith(('faiss.read_index', '.read_pickle'))
            or (function == 'torch.load' and keywords.get('weights_only') != 'True')
            or keywords.get('weights_only') == 'False'
            or keywords.get('allow_pickle') == 'True'
            or keywords.get('shell') == 'True'
            or keywords.get('trust_remote_code') == 'True'
        )
        if unsafe:
            wrong.append(f'{where}: {function}')
    assert wrong == []


@pytest.mark.parametrize('path', TOOLS, ids=lambda p: p.name)
def test_a_tool_is_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40


def heavy_modules(code: str) -> list[str]:
    """The heavy packages that a fresh interpreter has imported after running ``code``."""
    heavy = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'torchvision', 'scipy', 'sklearn', 'pandas', 'PIL', 'numpy')
    report = f'import sys; print("HEAVY", *[m for m in {heavy} if m in sys.modules])'
    result = subprocess.run([sys.executable, '-c', f'{code}\n{report}'], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout.rsplit('HEAVY', 1)[1].split()


def test_importing_ssmr_imports_nothing_heavy() -> None:
    assert heavy_modules('import ssmr') == []


@pytest.mark.parametrize('path', TOOLS, ids=lambda p: p.name)
def test_help_imports_nothing_heavy(path: Path) -> None:
    code = (
        f'import runpy, sys\nsys.argv = [{path.name!r}, "--help"]\n'
        f'try:\n    runpy.run_path({str(path)!r}, run_name="__main__")\n'
        'except SystemExit as end:\n    assert not end.code'
    )
    assert heavy_modules(code) == []


def test_the_rules_would_notice(tmp_path: Path) -> None:
    """The walk sees imports in functions and not those for type checkers."""
    text = 'def f():\n    from ssmr.stages import x\nif TYPE_CHECKING:\n    import ssmr.engine\n'
    tree = ast.parse(text)
    names = [ast.unparse(n) for n in walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert names == ['from ssmr.stages import x']
