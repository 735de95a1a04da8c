"""Reading configs and options: what is wrong is said with the file or the option, before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ssmr.config.load import load_config, parse_options, set_weights
from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS


def fails(path: Path, *options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, options)
    return str(caught.value)


@pytest.mark.parametrize('name', ['ssmr_swin_baid', 'ssmr_efficientnet_csv'])
def test_the_configs_that_come_with_ssmr_are_valid(repo: Path, name: str) -> None:
    cfg = load_config(repo / 'configs' / f'{name}.py')
    assert cfg.work_dir == f'work_dirs/{name}'
    assert cfg.artifact_dir == 'work_dirs/artifacts'


class TestFile:
    def test_a_missing_one_is_named(self, tmp_path: Path) -> None:
        assert str(tmp_path / 'gone.py') in fails(tmp_path / 'gone.py')

    @pytest.mark.parametrize(
        'text',
        [
            'table = dict(',
            'table = unknown_name',
            'table = 1 / 0',
            "_base_ = ['gone.py']",
            "raise RuntimeError('no')",
            "table = open('gone').read()",
            "filename = 'reserved by mmengine'",
        ],
    )
    def test_one_that_cannot_be_run_is_named(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / 'bad.py'
        path.write_text(text + '\n')
        assert f'{path} is not a valid config' in fails(path)

    def test_another_kind_of_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / 'a.txt').write_text('x = 1')
        assert 'a.txt is not a valid config' in fails(tmp_path / 'a.txt')


class TestOptions:
    def test_they_override_the_file(self, tiny_config: Path) -> None:
        cfg = load_config(
            tiny_config, ['train_cfg.max_epochs=7', 'retriever.weights=[0.5,0.5]', 'retriever.parts.0.view=style']
        )
        assert cfg.train_cfg.max_epochs == 7
        assert list(cfg.retriever.weights) == [0.5, 0.5]
        assert cfg.retriever.parts[0].view == 'style'

    def test_the_work_dir_overrides_both(self, tiny_config: Path) -> None:
        assert load_config(tiny_config, ['work_dir=a'], work_dir='b').work_dir == 'b'

    @pytest.mark.parametrize(
        ('item', 'value'),
        [
            ('a.b=5', 5),
            ('a.b=0.5', 0.5),
            ('a.b=1e-3', 1e-3),
            ('a.b=true', True),
            ('a.b=None', None),
            ('a.b=x,y', ['x', 'y']),
            ('a.b=(1,9)', (1, 9)),
            ('a.b=[(1,2),(3,4)]', [(1, 2), (3, 4)]),
            ('a.b=/data/my=dir', '/data/my=dir'),
            ('a.b=/data/my folder', '/data/my folder'),
            ("a.b=['my folder', 'b']", ['my folder', 'b']),
        ],
    )
    def test_values_are_read_as_mmengine_reads_them_but_texts_keep_their_blanks(self, item: str, value: object) -> None:
        assert parse_options([item]) == {'a.b': value}

    @pytest.mark.parametrize('item', ['train_cfg.max_epochs', '=5', '', 'a=(1,2', 'a=[1,2'])
    def test_malformed_ones_are_quoted(self, item: str) -> None:
        with pytest.raises(ConfigError, match='--cfg-options'):
            parse_options([item])

    @pytest.mark.parametrize('item', ['work_dir.x=1', 'retriever.parts.7.view=style', 'retriever.parts.x=1'])
    def test_those_that_do_not_fit_the_config_are_named(self, tiny_config: Path, item: str) -> None:
        assert item.split('=')[0] in fails(tiny_config, item)

    def test_a_misspelt_field_is_not_added_silently(self, tiny_config: Path) -> None:
        assert 'did you mean train_cfg?' in fails(tiny_config, 'train_cgf.max_epochs=5')


class TestCustomImports:
    TEXT = (
        'from ssmr.registry import RETRIEVERS\n'
        'from ssmr.retrievers.cosine import CosineRetriever\n'
        '@RETRIEVERS.register_module()\n'
        'class MyOwnRetriever(CosineRetriever):\n'
        '    def __init__(self, num_references: int = 6) -> None:\n'
        '        super().__init__("semantic", num_references)\n'
    )

    @pytest.mark.parametrize('value', ["['my_parts']", 'my_parts'])
    def test_modules_named_by_an_option_are_imported(
        self, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        (tmp_path / 'my_parts.py').write_text(self.TEXT)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, 'my_parts', raising=False)
        tiny_config.write_text(tiny_config.read_text() + "\nretriever = dict(type='MyOwnRetriever')\n")
        try:
            cfg = load_config(tiny_config, [f'custom_imports.imports={value}'])
            assert RETRIEVERS.build(dict(cfg.retriever)).views == ('semantic',)
        finally:
            RETRIEVERS.module_dict.pop('MyOwnRetriever', None)

    def test_a_module_that_is_not_there_is_named(self, tiny_config: Path) -> None:
        assert "cannot import 'gone_module'" in fails(tiny_config, "custom_imports.imports=['gone_module']")

    def test_unless_that_is_allowed(self, tiny_config: Path) -> None:
        tiny_config.write_text(
            tiny_config.read_text() + "\ncustom_imports = dict(imports=['gone_module'], allow_failed_imports=True)\n"
        )
        with pytest.warns(UserWarning, match='gone_module'):
            load_config(tiny_config)

    @pytest.mark.parametrize('value', ['5', "['a', 5]", 'dict(a=1)'])
    def test_what_are_no_names_is_refused(self, tiny_config: Path, value: str) -> None:
        tiny_config.write_text(tiny_config.read_text() + f'\ncustom_imports = dict(imports={value})\n')
        assert 'custom_imports.imports is' in fails(tiny_config)

    def test_what_is_no_dict_is_refused(self, tiny_config: Path) -> None:
        tiny_config.write_text(tiny_config.read_text() + "\ncustom_imports = 'my_parts'\n")
        assert 'custom_imports must be a dict' in fails(tiny_config)


class TestWeights:
    def test_one_view_or_all(self, tiny_config: Path) -> None:
        cfg = load_config(tiny_config)
        set_weights(cfg, 'style=/a.pth')
        assert cfg.encoders.semantic.get('weights') != '/a.pth'
        assert cfg.encoders.style.weights == '/a.pth'
        set_weights(cfg, '/b.pth')
        assert {e.weights for e in cfg.encoders.values()} == {'/b.pth'}

    def test_an_unknown_view_is_refused(self, tiny_config: Path) -> None:
        with pytest.raises(ConfigError, match='the encoders are semantic, style'):
            set_weights(load_config(tiny_config), 'stile=/a.pth')
