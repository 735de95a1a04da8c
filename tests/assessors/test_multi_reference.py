"""The assessor: who may see which label, what goes with what, and how it trains through an encoder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError, DataError
from ssmr.registry import MODELS

REASONER = {'type': 'RelationGCN', 'dim': 8, 'depth': 2, 'readout': 'query'}


ALONE = {'type': 'NoReference', 'reasoner': REASONER}
TRAINING = torch.tensor([1.0, 2.0, 9.0])  # labels of the training split; their mean is 4
ENCODER = {
    'type': 'GlobalFeature',
    'backbone': {'type': 'mmpretrain.ResNet', 'depth': 18, 'base_channels': 8, 'stem_channels': 8, 'out_indices': [1]},
    'preprocess': {'size': 32},
}  # 16 channels


def build(reference_scores: str = 'none', reasoner: dict = REASONER, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 6, 'num_references': 4, 'reasoner': reasoner,
        'head': {'type': 'ScoreHead'}, 'reference_scores': reference_scores, **options,
    })  # fmt: skip
    model.head.fit_targets(TRAINING)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.weight, 1.0, 0.2)
    return model.eval()


def graph(reference_scores: torch.Tensor, scores: torch.Tensor) -> ReferenceGraph:
    nodes = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(1))
    return ReferenceGraph(nodes, torch.ones(3, 4), reference_scores, scores, torch.arange(3))


LOW, HIGH = torch.full((3, 4), 2.0), torch.full((3, 4), 8.0)


@pytest.mark.parametrize('reference_scores', ['none', 'embed', 'residual'])
def test_a_querys_own_label_never_reaches_its_prediction(reference_scores: str) -> None:
    model = build(reference_scores)
    torch.testing.assert_close(model(graph(LOW, torch.full((3,), 1.0))), model(graph(LOW, torch.full((3,), 9.0))))


@pytest.mark.parametrize(('reference_scores', 'seen'), [('none', False), ('embed', True), ('residual', True)])
def test_labels_of_references_are_seen_only_where_the_config_says_so(reference_scores: str, seen: bool) -> None:
    model, scores = build(reference_scores), torch.full((3,), 5.0)
    assert torch.equal(model(graph(LOW, scores)), model(graph(HIGH, scores))) is not seen


@pytest.mark.parametrize('reference_scores', ['none', 'embed', 'residual'])
def test_the_control_without_references_sees_no_label_either(reference_scores: str) -> None:
    model, scores = build(reference_scores, ALONE), torch.full((3,), 5.0)
    assert torch.equal(model(graph(LOW, scores)), model(graph(HIGH, scores)))


def test_modes_give_outputs_losses_and_samples_on_the_scale_of_the_scores() -> None:
    model, scores = build('none'), torch.tensor([2.0, 5.0, 8.0])
    batch = graph(LOW, scores)
    output = model(batch)
    assert output.shape == (3,)
    expected = torch.nn.functional.smooth_l1_loss(output, (scores - 1) / 8)
    torch.testing.assert_close(model(batch, mode='loss')['loss'], expected)
    samples = model(batch, mode='predict')
    assert [s['row'] for s in samples] == [0, 1, 2] and [s['score'] for s in samples] == [2.0, 5.0, 8.0]
    torch.testing.assert_close(torch.tensor([s['prediction'] for s in samples]), output * 8 + 1)


def test_an_unknown_use_of_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.reference_scores is 'all'"):
        build('all')


def predictions(model: torch.nn.Module, batch: ReferenceGraph) -> np.ndarray:
    return np.array([sample['prediction'] for sample in model(batch, mode='predict')])


def zeroed(model: torch.nn.Module, trust: float = 1.0) -> torch.nn.Module:
    """What is left of a model whose head says nothing and that believes its references so far."""
    for parameter in model.head.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(model.offset.trust, trust)
    return model


class TestResidual:
    @given(st.lists(st.lists(st.floats(1, 9), min_size=4, max_size=4), min_size=3, max_size=3))
    def test_it_starts_from_the_mean_label_of_the_references(self, labels: list[list[float]]) -> None:
        found = predictions(zeroed(build('residual')), graph(torch.tensor(labels), torch.zeros(3)))
        np.testing.assert_allclose(found, np.mean(labels, axis=1), rtol=1e-5)

    def test_how_far_the_mean_label_is_believed_is_learned_from_one_half(self) -> None:
        model, mean = build('residual'), float(TRAINING.mean())
        assert float(model.offset.trust.detach()) == 0.5
        batch = graph(HIGH, torch.zeros(3))
        for trust in (0.0, 0.5, 2.0):
            np.testing.assert_allclose(predictions(zeroed(model, trust), batch), mean + trust * (8 - mean), rtol=1e-6)
        model(batch, mode='loss')['loss'].backward()
        assert model.offset.trust.grad.abs() > 0

    def test_references_that_are_masked_do_not_count(self) -> None:
        labels = torch.tensor([[2.0, 4.0, 8.0, 8.0], [8.0, 3.0, 1.0, 1.0], [8.0, 8.0, 8.0, 8.0]])
        shown = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
        batch = dataclasses.replace(graph(labels, torch.zeros(3)), mask=shown)
        expected = [3.0, 3.0, float(TRAINING.mean())]  # the last has none left
        np.testing.assert_allclose(predictions(zeroed(build('residual')), batch), expected, rtol=1e-6)
        changed = torch.where(shown[:, 1:], labels, 5.5)
        model, batches = build('residual'), [dataclasses.replace(batch, reference_scores=x) for x in (labels, changed)]
        np.testing.assert_array_equal(*(predictions(model, b) for b in batches))

    def test_the_control_without_references_starts_from_the_training_mean(self) -> None:
        found = predictions(zeroed(build('residual', ALONE)), graph(HIGH, torch.zeros(3)))
        np.testing.assert_allclose(found, [4.0] * 3, rtol=1e-6)

    def test_the_head_learns_the_difference(self) -> None:
        model, batch = build('residual'), graph(LOW, torch.tensor([2.0, 5.0, 8.0]))
        correction = predictions(model, batch) - 2.0
        shifted = predictions(zeroed(build('residual')), batch)
        np.testing.assert_allclose(shifted, [2.0] * 3)
        assert np.abs(correction).max() > 1e-3
        output = model(batch)
        expected = torch.nn.functional.smooth_l1_loss(output, (batch.scores - 1) / 8)
        torch.testing.assert_close(model(batch, mode='loss')['loss'], expected)


PAIRS = {**REASONER, 'readout': 'pairs'}
PAIRWISE, VOTES = {'type': 'PairwiseHead'}, {'type': 'DistributionHead', 'bins': list(range(1, 11))}


@pytest.mark.parametrize('reasoner', [PAIRS, {'type': 'NoReference', 'reasoner': PAIRS}])
def test_a_head_of_pairs_goes_with_a_read_out_of_pairs(reasoner: dict) -> None:
    model = build(reasoner=reasoner, head=PAIRWISE)
    assert model(graph(LOW, torch.zeros(3))).shape == (3,)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'head': PAIRWISE}, r"head PairwiseHead takes pairs, model\.reasoner\.readout is 'query'"),
        ({'reasoner': PAIRS}, r"head ScoreHead takes one vector a graph, model\.reasoner\.readout is 'pairs'"),
        ({'reasoner': PAIRS, 'head': PAIRWISE, 'reference_scores': 'residual'}, "'residual', but PairwiseHead"),
        ({'head': VOTES, 'reference_scores': 'residual'}, "'residual', but DistributionHead"),
        ({'augmentation': {}}, r'model\.augmentation is set, but bank features are fixed'),
        ({'encoder': ENCODER}, r'model\.in_dim is 6, but model\.encoder gives 16'),
        ({'encoder': ENCODER['backbone'], 'in_dim': 16}, r'model\.encoder: mmpretrain\.ResNet gives feature maps'),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**options)


class TestEncoder:
    @pytest.fixture
    def model(self) -> torch.nn.Module:
        return build(in_dim=16, encoder=ENCODER, augmentation={'flip': 0.25})

    @pytest.fixture
    def batch(self) -> ReferenceGraph:
        images = torch.randn(3, 5, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        return dataclasses.replace(graph(LOW, torch.tensor([2.0, 5.0, 8.0])), images=images)

    def test_nodes_are_the_encoders_vectors_of_the_pictures(
        self, model: torch.nn.Module, batch: ReferenceGraph
    ) -> None:
        nodes = torch.stack([model.encoder(pictures) for pictures in batch.images])  # [3, 5, 16]
        bank = build(in_dim=16)
        bank.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith('encoder.')})
        expected = bank(dataclasses.replace(batch, nodes=nodes, images=None))
        torch.testing.assert_close(model(batch), expected)

    def test_it_declares_what_it_reads(self, model: torch.nn.Module) -> None:
        assert model.image_input.references and model.image_input.augmentation.flip == 0.25
        assert model.image_input.preprocess is model.encoder.preprocess
        assert build().image_input is None

    def test_the_rest_starts_as_it_does_without(self, model: torch.nn.Module) -> None:
        other = build(in_dim=16).state_dict()
        assert all(torch.equal(v, model.state_dict()[k]) for k, v in other.items())

    def test_gradients_reach_every_stage_that_is_used_and_no_other(
        self, model: torch.nn.Module, batch: ReferenceGraph
    ) -> None:
        model.train()(batch, mode='loss')['loss'].backward()
        for name, parameter in model.encoder.backbone.named_parameters():
            used = not name.startswith(('layer3', 'layer4'))
            assert parameter.requires_grad is used and (parameter.grad is not None) is used, name

    def test_frozen_stages_stay_frozen(self) -> None:
        backbone = {**ENCODER['backbone'], 'frozen_stages': 1}
        model = build(in_dim=16, encoder={**ENCODER, 'backbone': backbone})
        learning = {n.split('.')[0] for n, p in model.encoder.backbone.named_parameters() if p.requires_grad}
        assert learning == {'layer2'}

    @pytest.mark.parametrize('norm_eval', [True, False])
    def test_training_sets_its_batch_norms_as_told_and_never_the_reasoners(self, norm_eval: bool) -> None:
        model = build(in_dim=16, encoder=ENCODER, norm_eval=norm_eval).train()
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        inside = [m for m in norms if m in set(model.encoder.modules())]
        assert inside and len(norms) > len(inside)
        assert all(m.training is not norm_eval for m in inside)
        assert all(m.training for m in norms if m not in inside)
        assert not any(m.training for m in model.eval().modules())

    def test_a_batch_without_pictures_is_an_error(self, model: torch.nn.Module) -> None:
        with pytest.raises(DataError, match='its batch holds none'):
            model(graph(LOW, torch.zeros(3)))
