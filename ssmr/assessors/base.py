"""What an assessor is: a whole model, and the modes in which mmengine's loops call it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from mmengine.model import BaseModel
from torch import Tensor

from ssmr.datasets.image_batches import ImageInput
from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.heads.base import Head


class Assessor(BaseModel):
    """From a batch of reference graphs to losses or scores.

    Attributes:
        label: Its name in tables of results.
        head: From the read-out to the score.
        image_input: What batches hold of the works' pictures; None where bank features are all.
    """

    label: ClassVar[str] = 'ssmr'
    head: Head
    image_input: ImageInput | None = None

    @abstractmethod
    def assess(self, graph: ReferenceGraph) -> Tensor:
        """Compute the head's outputs [B, ...]."""

    def forward(self, graph: ReferenceGraph, mode: str = 'tensor') -> Any:
        """Run the model.

        Args:
            graph: A batch of B queries.
            mode: 'tensor' for the raw outputs [B, ...], 'loss' for a dict of losses, 'predict' for a list of B dicts
                ``row, score, prediction``.
        """
        output = self.assess(graph)
        if mode == 'loss':
            return self.head.loss(output, graph.scores, graph.distributions)
        if mode == 'predict':
            columns = (graph.rows.tolist(), graph.scores.tolist(), self.head.predict(output).tolist())
            return [{'row': r, 'score': s, 'prediction': p} for r, s, p in zip(*columns, strict=True)]
        return output
