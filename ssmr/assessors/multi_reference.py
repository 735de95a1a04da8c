"""SSMR's model: a graph reasoner over the query and its references, and a head that reads the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from ssmr.assessors.reference_scores import REFERENCE_SCORES, ScoreEmbedding, label_mean
from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.heads.base import Head
from ssmr.reasoners.base import Reasoner
from ssmr.registry import HEADS, MODELS, REASONERS


@MODELS.register_module()
class MultiReferenceAssessor(BaseModel):
    """Predicts mean scores from reference graphs over bank features.

    Args:
        in_dim: D of the node view; must be what ``graph.view``'s encoder gives.
        reasoner: A part of REASONERS; in_dim and num_references are filled in.
        head: A part of HEADS; in_dim is filled in.
        num_references: K, filled in from ``graph.num_references``.
        data_preprocessor: Gathers the graphs (:class:`ssmr.datasets.reference_graph.GraphGather`).
        reference_scores: What the graph is told of the references' labels. 'none', as published; 'embed': each
            reference's node also carries its label, and the query carries a learned vector in its place, never its own
            label; 'residual': so too, and the head predicts the difference from the references' mean label.

    Raises:
        ConfigError: An unknown ``reference_scores``, or a head that cannot go with the read-out or with 'residual'.
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
        if reference_scores not in REFERENCE_SCORES:
            raise ConfigError(
                f'model.reference_scores is {reference_scores!r}', f'use one of {", ".join(REFERENCE_SCORES)}'
            )
        self.reasoner: Reasoner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        self.head: Head = HEADS.build({**head, 'in_dim': self.reasoner.out_dim})
        self.residual = reference_scores == 'residual'
        self._check(head['type'])
        self.score_embedding = None if reference_scores == 'none' else ScoreEmbedding(in_dim)

    def _check(self, head: str) -> None:
        wants, has = self.head.readout, self.reasoner.readout
        if (wants or has) != has or (has == 'pairs' and wants != 'pairs'):
            raise ConfigError(
                f'model.head {head} takes {wants or "one vector a graph"}, model.reasoner.readout is {has!r}',
                f'set model.reasoner.readout={wants or "flatten, query, mean or attention"}',
            )
        if self.residual and not self.head.takes_offset:
            raise ConfigError(
                f"model.reference_scores is 'residual', but {head} does not predict a number that can be added to",
                "use 'none' or 'embed', or a ScoreHead",
            )

    def forward(self, graph: ReferenceGraph, mode: str = 'tensor') -> Any:
        """Run the model.

        Args:
            graph: A batch of B queries.
            mode: 'tensor' for the raw outputs [B, ...], 'loss' for a dict of losses, 'predict' for a list of B dicts
                ``row, score, prediction``.
        """
        output = self._assess(graph)
        if mode == 'loss':
            return self.head.loss(output, graph.scores, graph.distributions)
        if mode == 'predict':
            columns = (graph.rows.tolist(), graph.scores.tolist(), self.head.predict(output).tolist())
            return [{'row': r, 'score': s, 'prediction': p} for r, s, p in zip(*columns, strict=True)]
        return output

    def _assess(self, graph: ReferenceGraph) -> Tensor:
        mean = self.head.targets.mean
        labels = self.head.targets.encode(graph.reference_scores)  # [B, K]
        if not self.reasoner.sees_references:
            labels = mean.expand_as(labels)
        mask = None if graph.mask is None else graph.mask[:, 1:]
        nodes = graph.nodes
        if self.score_embedding is not None:
            nodes = nodes + self.score_embedding(labels)
        output: Tensor = self.head(self.reasoner(nodes, graph.similarities, graph.mask), labels, mask)
        return output + label_mean(labels, mask, mean) if self.residual else output
