"""SSMR's model: a graph reasoner over the query and its references, and a head that reads the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from ssmr.datasets.reference_graph import ReferenceGraph
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
    """

    def __init__(
        self,
        in_dim: int,
        reasoner: Mapping[str, Any],
        head: Mapping[str, Any],
        num_references: int,
        data_preprocessor: BaseDataPreprocessor | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.reasoner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        self.head = HEADS.build({**head, 'in_dim': self.reasoner.out_dim})

    def forward(self, graph: ReferenceGraph, mode: str = 'tensor') -> Any:
        """Run the model.

        Args:
            graph: A batch of B queries.
            mode: 'tensor' for the raw outputs [B], 'loss' for a dict of losses, 'predict' for a list of B dicts
                ``row, score, prediction``.
        """
        output: Tensor = self.head(self.reasoner(graph.nodes, graph.similarities, graph.mask))
        if mode == 'loss':
            return self.head.loss(output, graph.scores)
        if mode == 'predict':
            columns = (graph.rows.tolist(), graph.scores.tolist(), self.head.predict(output).tolist())
            return [{'row': r, 'score': s, 'prediction': p} for r, s, p in zip(*columns, strict=True)]
        return output
