"""Hooks of our own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from ssmr.engine.hooks import FreshOptimizerHook


@pytest.mark.parametrize('interval', [1, 3])
def test_adam_made_afresh_equals_a_new_adam_and_differs_from_one_that_remembers(interval: int) -> None:
    def weights(forget: str, epochs: int = 7) -> torch.Tensor:
        parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        runner = SimpleNamespace(optim_wrapper=OptimWrapper(torch.optim.Adam([parameter], lr=0.1)), epoch=0)
        hook = FreshOptimizerHook(interval)
        for epoch in range(epochs):
            runner.epoch = epoch
            runner.optim_wrapper.optimizer.zero_grad()
            ((parameter - epoch) ** 2).sum().backward()
            runner.optim_wrapper.optimizer.step()
            if forget == 'hook':
                hook.after_train_epoch(runner)
            elif forget == 'new' and (epoch + 1) % interval == 0:
                runner.optim_wrapper = OptimWrapper(torch.optim.Adam([parameter], lr=0.1))
        return parameter.detach()

    torch.testing.assert_close(weights('hook'), weights('new'))
    assert not torch.allclose(weights('hook'), weights('never'))
