"""The control without references: any reasoner, with exactly its parameters, that sees the query alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ssmr.reasoners.base import Reasoner
from ssmr.registry import REASONERS


@REASONERS.register_module()
class NoReference(Reasoner):
    """Puts the query in the place of each of its references.

    The network, its parameters and its arithmetic stay what they are with references; only what the references would
    tell is gone. A gain over this control is a gain from references and not from a larger network.

    Args:
        in_dim: D of the node view.
        num_references: K.
        reasoner: The reasoner to be controlled.
    """

    def __init__(self, in_dim: int, num_references: int, reasoner: Mapping[str, Any]) -> None:
        inner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        super().__init__(in_dim, num_references, 1, inner.readout)
        self.reasoner = inner
        self.out_dim = inner.out_dim

    def reason(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.Reasoner.reason`."""
        alone = nodes[:, :1].expand_as(nodes)
        return self.reasoner.reason(alone, torch.ones_like(similarities), mask)
