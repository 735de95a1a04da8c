"""The plainest reasoner: the mean of the references (Deep Sets; Zaheer et al., NeurIPS 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmr.reasoners.base import ProjectedReasoner
from ssmr.registry import REASONERS


@REASONERS.register_module()
class MeanPool(ProjectedReasoner):
    """An MLP on every node by itself; then the query's node is a linear map of it beside the mean of the references.

    The mean of no references is zero. The retrieval similarities are not used. What a graph network gains over this
    comes from more than having references at all.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers (linear, ReLU) of the MLP behind the projection.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`.

    Raises:
        ConfigError: An unknown read-out, or a number out of range.
    """

    def __init__(
        self,
        in_dim: int,
        num_references: int,
        dim: int = 256,
        depth: int = 1,
        readout: str = 'query',
        dropout: float = 0.0,
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout)
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))
        self.combine = nn.Linear(2 * dim, dim)

    def relate(self, projected: Tensor, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.ProjectedReasoner.relate`."""
        for layer in self.layers:
            projected = torch.relu(layer(projected))
        query, references = projected[:, 0], projected[:, 1:]
        exists = torch.ones_like(references[..., :1]) if mask is None else mask[:, 1:, None].to(references.dtype)
        mean = (references * exists).sum(dim=1) / exists.sum(dim=1).clamp(min=1)
        combined = self.combine(torch.cat([query, mean], dim=-1))
        return torch.cat([combined[:, None], references], dim=1)
