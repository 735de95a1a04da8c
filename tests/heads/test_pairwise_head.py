"""The pairwise head: labels of the references plus predicted differences."""

from __future__ import annotations

import pytest
import torch

from ssmr.heads.pairwise import PairwiseHead


@pytest.fixture
def head() -> PairwiseHead:
    torch.manual_seed(0)
    head = PairwiseHead(6)
    head.fit_targets(torch.tensor([1.0, 2.0, 9.0]))
    return head


@pytest.fixture
def pairs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors [5, 4, 6], labels [5, 4], and a mask that leaves the last query alone."""
    torch.manual_seed(1)
    mask = torch.rand(5, 4) < 0.6
    mask[0], mask[-1] = True, False
    return torch.randn(5, 4, 6), torch.rand(5, 4), mask


def test_output_is_a_loop_over_the_references(head: PairwiseHead, pairs: tuple) -> None:
    vectors, labels, mask = pairs
    weight, bias = head.linear.weight[0], head.linear.bias[0]
    for use in (None, mask):
        expected = []
        for b in range(5):
            guesses = [
                labels[b, r] + sum(weight[i] * max(vectors[b, r, i], torch.tensor(0.0)) for i in range(6)) + bias
                for r in range(4)
                if use is None or use[b, r]
            ]
            expected.append(sum(guesses) / len(guesses) if guesses else head.targets.mean)
        torch.testing.assert_close(head(vectors, labels, use), torch.stack(expected))


def test_without_weights_it_is_the_mean_label(head: PairwiseHead, pairs: tuple) -> None:
    vectors, labels, mask = pairs
    torch.nn.init.zeros_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    assert torch.equal(head(vectors, labels), labels.mean(dim=1))
    assert torch.equal(head(vectors, labels, torch.ones(5, 4, dtype=torch.bool)), labels.mean(dim=1))
    for b in range(4):
        torch.testing.assert_close(head(vectors, labels, mask)[b], labels[b][mask[b]].mean())


def test_a_query_without_references_gets_the_mean_of_the_targets(head: PairwiseHead, pairs: tuple) -> None:
    vectors, labels, mask = pairs
    output = head(vectors, labels, mask)
    assert head.predict(output)[-1].item() == pytest.approx(4.0)  # the mean of 1, 2 and 9
    head.loss(output, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))['loss'].backward()
    assert head.linear.weight.grad.isfinite().all()


@pytest.mark.parametrize('rubbish', [1e6, float('nan'), float('inf')])
def test_masked_references_change_nothing(head: PairwiseHead, pairs: tuple, rubbish: float) -> None:
    vectors, labels, mask = pairs
    spoilt = torch.where(mask[..., None], vectors, rubbish).requires_grad_()
    output = head(spoilt, torch.where(mask, labels, rubbish), mask)
    assert torch.equal(output, head(vectors, labels, mask))
    output.sum().backward()
    assert not spoilt.grad[~mask].any() and spoilt.grad[mask].any()


def test_the_order_of_the_references_does_not_matter(head: PairwiseHead, pairs: tuple) -> None:
    vectors, labels, mask = pairs
    order = torch.tensor([2, 0, 3, 1])
    shuffled = head(vectors[:, order], labels[:, order], mask[:, order])
    torch.testing.assert_close(shuffled, head(vectors, labels, mask))
