"""Reference search by mmpretrain's image retriever, fed with ready features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Ready(nn.Module):
    """An encoder whose input is its output. It has a parameter because the retriever asks one for its device."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.empty(0))

    def forward(self, features: Tensor) -> Tensor:
        """Return the features."""
        return features


def mmpretrain_search(pool: Tensor, k: int) -> Callable[[Tensor], Tensor]:
    """Build the retriever.

    Args:
        pool: [P, D].
        k: How many to find.

    Returns:
        A function from queries [Q, D] to positions in the pool [Q, k], nearest first. It passes on one query at a
        time: the retriever makes an array of Q * P * D numbers.
    """
    from ssmr.torchvision_shim import ensure_torchvision

    ensure_torchvision()  # before mmpretrain is imported
    from mmpretrain.models import ImageToImageRetriever

    retriever = ImageToImageRetriever(Ready(), pool, topk=k)

    def search(queries: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.stack([retriever.predict(query[None])[0].pred_label for query in queries])

    return search
