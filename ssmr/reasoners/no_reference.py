"""The control without references: any reasoner, with exactly its parameters, that sees the query alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ssmr.errors import ConfigError
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

    Raises:
        ConfigError: ``reasoner`` names no part.
    """

    sees_references: ClassVar[bool] = False

    def __init__(self, in_dim: int, num_references: int, reasoner: Mapping[str, Any]) -> None:
        if not isinstance(reasoner, Mapping) or 'type' not in reasoner:
            raise ConfigError(f'reasoner.reasoner is {reasoner!r}', "write dict(type='RelationGCN', ...)")
        inner: Reasoner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        super().__init__(in_dim, num_references, 1, 'query')  # its own read-out is never used: it has no parameters
        self.reasoner, self.readout, self.out_dim = inner, inner.readout, inner.out_dim

    def reason(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.Reasoner.reason`."""
        return self.reasoner.reason(nodes[:, :1].expand_as(nodes), torch.ones_like(similarities), mask)

    def forward(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.Reasoner.forward`."""
        read: Tensor = self.reasoner(nodes[:, :1].expand_as(nodes), torch.ones_like(similarities), mask)
        return read
