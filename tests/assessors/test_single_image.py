"""The single-image baseline: a backbone, its pooling and a head, and nothing of the references."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from ssmr.backbones.encoder import build_encoder
from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError, DataError
from ssmr.registry import MODELS

BACKBONE = {'type': 'mmpretrain.ResNet', 'depth': 18, 'base_channels': 8, 'stem_channels': 8}
SIZE = {'size': 32}


def build(seed: int = 0, **options: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    part = {'type': 'SingleImageAssessor', 'backbone': BACKBONE, 'head': {'type': 'ScoreHead'}, 'preprocess': SIZE}
    model = MODELS.build({**part, **options})
    model.head.fit_targets(torch.tensor([1.0, 9.0]))
    return model


def batch(references: int = 4, label: float = 2.0) -> ReferenceGraph:
    images = torch.randn(3, 1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    k = references
    nodes, labels = torch.full((3, 1 + k, 6), label), torch.full((3, k), label)
    return ReferenceGraph(nodes, torch.ones(3, k), labels, torch.full((3,), 5.0), torch.arange(3), images=images)


def test_it_is_backbone_pooling_and_head() -> None:
    model, graph = build().eval(), batch()
    maps = model.backbone(graph.images[:, 0])[-1]
    assert maps.shape[1] == model.head.linear.in_features == 64
    expected = model.head.linear(torch.relu(maps.mean(dim=(2, 3)))).squeeze(1)
    torch.testing.assert_close(model(graph), expected)


def test_references_and_their_labels_do_not_matter() -> None:
    model = build().eval()
    assert torch.equal(model(batch()), model(batch(references=1, label=9.0)))


def test_tokens_are_taken_as_they_are() -> None:
    vit = {
        'type': 'mmpretrain.VisionTransformer', 'img_size': 32, 'patch_size': 16, 'out_type': 'cls_token',
        'arch': {'embed_dims': 16, 'num_layers': 1, 'num_heads': 2, 'feedforward_channels': 16},
    }  # fmt: skip
    model = build(backbone=vit).eval()
    assert model.head.linear.in_features == 16 and model(batch()).shape == (3,)


def test_the_state_dict_has_the_backbone_once_as_backbone() -> None:
    names = build().state_dict()
    assert {name.split('.')[0] for name in names} == {'backbone', 'head'}
    assert len({tensor.data_ptr() for tensor in names.values()}) == len(names)


def test_its_weights_are_those_of_an_encoder(tmp_path: Path) -> None:
    model = build(seed=3).eval()
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, tmp_path / 'best.pth')
    encoder = build_encoder(
        'semantic', {'type': 'GlobalFeature', 'backbone': BACKBONE, 'weights': str(tmp_path / 'best.pth')}
    )
    images = batch().images[:, 0]
    torch.testing.assert_close(encoder(images), model.embed(images), rtol=0, atol=0)
    again = build(weights=str(tmp_path / 'best.pth')).eval()
    torch.testing.assert_close(again.embed(images), model.embed(images), rtol=0, atol=0)


def test_pretrained_weights_survive_the_start_of_training(tmp_path: Path) -> None:
    """mmengine's runner calls init_weights, which draws those of mmpretrain's backbones anew."""
    torch.save({'state_dict': build(seed=3).state_dict(), 'meta': {}}, tmp_path / 'best.pth')
    for weights, kept in ((str(tmp_path / 'best.pth'), True), (None, False)):
        model = build(weights=weights)
        before = model.backbone.layer1[0].conv1.weight.clone()
        model.init_weights()
        assert torch.equal(before, model.backbone.layer1[0].conv1.weight) is kept


def test_a_copy_is_whole() -> None:
    """An averaged model (EMA) is a deep copy: its pooling must read its own backbone."""
    model = build().eval()
    twin, expected = copy.deepcopy(model), model(batch())
    for parameter in model.backbone.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(twin(batch()), expected)
    for parameter in twin.backbone.parameters():
        torch.nn.init.zeros_(parameter)
    assert not torch.allclose(twin(batch()), expected)


def test_the_global_seed_decides_a_random_start() -> None:
    one, same, other = (build(seed).state_dict()['backbone.conv1.weight'] for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize('norm_eval', [True, False])
def test_it_trains_its_backbone(norm_eval: bool) -> None:
    model = build(norm_eval=norm_eval).train()
    statistics = model.backbone.bn1.running_mean.clone()
    model(batch(), mode='loss')['loss'].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert torch.equal(statistics, model.backbone.bn1.running_mean) is norm_eval


def test_a_head_that_compares_is_refused() -> None:
    with pytest.raises(ConfigError, match='PairwiseHead compares with references'):
        build(head={'type': 'PairwiseHead'})


def test_a_batch_without_pictures_is_an_error() -> None:
    graph = batch()
    with pytest.raises(DataError, match='its batch holds none'):
        build()(ReferenceGraph(graph.nodes, graph.similarities, graph.reference_scores, graph.scores, graph.rows))
