"""SSMR's model: a graph reasoner over the query and its references, and a head that reads the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn

from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.registry import HEADS, MODELS, REASONERS


class ScoreEmbedding(nn.Module):
    """Reference labels as node features, after TabR (Gorishniy et al., ICLR 2024): what a reference knows is its label.

    Args:
        dim: D, length of a node feature.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reference = nn.Linear(1, dim)
        self.query = nn.Parameter(torch.zeros(dim))

    def forward(self, scores: Tensor) -> Tensor:
        """Labels [B, K], 0 to 1 over the training scores, to additions [B, 1 + K, D], the query's first."""
        references: Tensor = self.reference(2 * scores[..., None] - 1)
        return torch.cat([self.query.expand(len(scores), 1, -1), references], dim=1)


@MODELS.register_module()
class MultiReferenceAssessor(BaseModel):
    """Predicts mean scores from reference graphs over bank features.

    Args:
        in_dim: D of the node view; must be what ``graph.view``'s encoder gives.
        reasoner: A part of REASONERS; in_dim and num_references are filled in.
        head: A part of HEADS; in_dim is filled in.
        num_references: K, filled in from ``graph.num_references``.
        data_preprocessor: Gathers the graphs (:class:`ssmr.datasets.reference_graph.GraphGather`).
        reference_scores: 'none' (as published: the graph never sees a label) or 'embed' (each reference's node also
            carries its label; the query carries a learned vector in its place, never its own label).

    Raises:
        ConfigError: An unknown ``reference_scores``.
    """

    def __init__(
        self,
        in_dim: int,
        reasoner: Mapping[str, Any],
        head: Mapping[str, Any],
        num_references: int,
        data_preprocessor: BaseDataPreprocessor | None = None,
        reference_scores: str = 'none',
    ) -> None:
        super().__init__(data_preprocessor)
        if reference_scores not in ('none', 'embed'):
            raise ConfigError(f'model.reference_scores is {reference_scores!r}', 'use none or embed')
        self.reasoner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        self.head = HEADS.build({**head, 'in_dim': self.reasoner.out_dim})
        self.score_embedding = ScoreEmbedding(in_dim) if reference_scores == 'embed' else None

    def forward(self, graph: ReferenceGraph, mode: str = 'tensor') -> Any:
        """Run the model.

        Args:
            graph: A batch of B queries.
            mode: 'tensor' for the raw outputs [B], 'loss' for a dict of losses, 'predict' for a list of B dicts
                ``row, score, prediction``.
        """
        nodes = graph.nodes
        if self.score_embedding is not None:
            low, high = self.head.target_range
            nodes = nodes + self.score_embedding((graph.reference_scores - low) / (high - low))
        output: Tensor = self.head(self.reasoner(nodes, graph.similarities, graph.mask))
        if mode == 'loss':
            return self.head.loss(output, graph.scores)
        if mode == 'predict':
            columns = (graph.rows.tolist(), graph.scores.tolist(), self.head.predict(output).tolist())
            return [{'row': r, 'score': s, 'prediction': p} for r, s, p in zip(*columns, strict=True)]
        return output
