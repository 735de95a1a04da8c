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

    def fit_targets(self, train_scores: Tensor) -> None:
        """Fit the scale that is learned to the training labels [n]."""
        self.head.fit_targets(train_scores)

    def losses(self, graph: ReferenceGraph) -> dict[str, Tensor]:
        """The losses of a batch, by name."""
        return self.head.loss(self.assess(graph), graph.scores, graph.distributions)

    def scores(self, graph: ReferenceGraph) -> Tensor:
        """The predicted scores [B] on the data set's scale."""
        return self.head.predict(self.assess(graph))

    def forward(self, graph: ReferenceGraph, mode: str = 'tensor') -> Any:
        """Run the model.

        Args:
            graph: A batch of B queries.
            mode: 'tensor' for the raw outputs [B, ...], 'loss' for a dict of losses, 'predict' for a list of B dicts
                ``row, score, prediction``.
        """
        if mode == 'loss':
            return self.losses(graph)
        if mode == 'predict':
            columns = (graph.rows.tolist(), graph.scores.tolist(), self.scores(graph).tolist())
            return [{'row': r, 'score': s, 'prediction': p} for r, s, p in zip(*columns, strict=True)]
        return self.assess(graph)
