"""From a mean score to plausible votes: a normal on a scale of bins whose mean is the label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Normals that are tabulated. Their means lie so close that a mixture of neighbours passes for a normal.
ROWS = 2048


class LabelShares(nn.Module):
    """Shares over bins that a normal gives, moved so that the mean of the shares is the label.

    Like HL-Gauss (Imani and White, ICML 2018) it integrates a normal over each bin, with edges half-way between the
    scores. HL-Gauss cuts the tails off and rescales, which near the ends of the scale moves the mean inwards by up to
    0.8 sigma. Here the tails stay in the outermost bins, as votes that would have been more extreme, and
    the centre of the normal moves outwards until the mean fits. The shares are tabulated over the centre; a label lies
    between two rows and gets their mixture, whose mean is the label exactly. A sigma far below the distance of the bins
    ends in shares of the two neighbouring bins alone.

    Args:
        bins: Scores, increasing.
        sigma: Standard deviation of the normal, in units of the scores.
    """

    means: Tensor
    shares: Tensor

    def __init__(self, bins: Sequence[float], sigma: float) -> None:
        super().__init__()
        scores = torch.tensor(bins, dtype=torch.float64)
        edges = (scores[1:] + scores[:-1]) / 2
        # six sigma outside, all but a billionth of the votes lies in the outermost bin: labels at the very ends fit too
        centres = torch.linspace(float(edges[0]) - 6 * sigma, float(edges[-1]) + 6 * sigma, ROWS, dtype=torch.float64)
        below = torch.special.ndtr((edges - centres[:, None]) / sigma)  # [ROWS, bins - 1]
        below = torch.nn.functional.pad(below, (1, 0), value=0.0)
        shares = torch.nn.functional.pad(below, (0, 1), value=1.0).diff(dim=1)  # [ROWS, bins]
        self.register_buffer('shares', shares.float(), persistent=False)
        self.register_buffer('means', (shares @ scores).float(), persistent=False)

    def forward(self, labels: Tensor) -> Tensor:
        """Labels [B] to shares [B, bins]; labels beyond the bins become the outermost ones."""
        labels = labels.float().clamp(self.means[0], self.means[-1])
        above = torch.searchsorted(self.means, labels).clamp(min=1)
        low, high = self.means[above - 1], self.means[above]
        weight = ((labels - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny))[:, None]
        return torch.lerp(self.shares[above - 1], self.shares[above], weight)
