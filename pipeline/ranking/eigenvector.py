"""The eigenvector method: an item's strength is the sum of its wins, each weighted by the loser's strength."""

from dataclasses import dataclass

import numpy as np

from .tally import Floats, Tally

MOST_SQUARINGS = 60
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Eigenvector:
    """The result of the eigenvector method.

    Attributes:
        scores: (P, n), positive, higher is better, summing to 1 in each prompt.
        pseudo_wins: The wins that were added to each side of every compared pair.
        link: The wins that were added to each side of every pair, as a share of an average item's wins.
    """

    scores: Floats
    pseudo_wins: float
    link: float


def eigenvector(tally: Tally, *, pseudo_wins: float = 0.5, link: float = 1e-6) -> Eigenvector:
    """Return strengths proportional to the sum of the strengths of the items beaten, counted once for each win.

    That is the leading eigenvector of the matrix of points. A win over a strong item counts for more than one over a
    weak item, whereas a loss costs nothing but the win that it could have been. So, as with a sum of points, items that
    were compared more often score higher, and a missing pair counts against both: use this method if every pair has
    equally many votes. A tie is half a win for each, conflicting votes are a win for each.

    Two regularisations make the eigenvector positive and unique. `pseudo_wins` are added to each side of every pair
    that was compared; without them, items that beat only items without wins would have no strength. 0 is the plain
    method. `link` joins groups that never met: nearly all strength then goes to the group with the largest eigenvalue,
    and the scores of the others mean little. All-tied items that were compared equally often, and those of an empty
    prompt, have 1 / n. The matrix is squared until its columns are proportional.

    Source: Wei (1952) and Kendall (1955), Biometrics 11; Keener (1993), SIAM Review 35, for the pseudo-wins. evalica's
    `eigen` is this method applied to losses, so its largest score is that of the weakest item.

    Raises:
        ValueError: if `pseudo_wins` is negative, or `link` not positive.
    """
    if pseudo_wins < 0:
        raise ValueError(f"pseudo_wins must not be negative, not {pseudo_wins}")
    if not link > 0:
        raise ValueError(f"link must be positive, not {link}")
    points = tally.points
    prompts, n, _ = points.shape
    won = np.where(points + points.transpose(0, 2, 1) > 0, points + pseudo_wins, 0.0)
    mean = won.sum(axis=(1, 2)) / max(n, 1)
    mean[mean == 0] = 1.0
    power = won + (link * mean / max(n, 1))[:, None, None]
    power[:, np.arange(n), np.arange(n)] += mean[:, None]  # so that strengths do not oscillate
    scores = np.full((prompts, n), 1 / max(n, 1))
    open_prompts = np.arange(prompts if n else 0)
    for _ in range(MOST_SQUARINGS):
        if not len(open_prompts):
            break
        power = power / power.max(axis=(1, 2), keepdims=True)
        power = power @ power
        columns = power / power.sum(axis=1, keepdims=True)
        scores[open_prompts] = columns.mean(axis=2)
        left = np.asarray(np.ptp(columns, axis=2).max(axis=1) > TOLERANCE)
        open_prompts, power = open_prompts[left], power[left]
    return Eigenvector(scores, pseudo_wins, link)
