"""The eigenvector method: an item is as strong as the items that it won against, weighted by its wins over them."""

from dataclasses import dataclass

import numpy as np

from .tally import Floats, Tally

MOST_SQUARINGS = 60
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Eigenvector:
    """What the eigenvector says.

    Attributes:
        scores: (P, n), positive, higher is better; each prompt's sum is 1.
        pseudo_wins: The wins that were added to either side of every compared pair.
        link: The wins that were added to either side of every pair, as a share of the wins of a mean item.
    """

    scores: Floats
    pseudo_wins: float
    link: float


def eigenvector(tally: Tally, *, pseudo_wins: float = 0.5, link: float = 1e-6) -> Eigenvector:
    """Return strengths in proportion to the sum of the strengths of those whom an item beat, once for each win.

    That is the leading eigenvector of the matrix of points. A win over a strong item counts for more than one over a
    weak item, whereas a loss costs nothing but the win that it could have been. So, as with a sum of points, items that
    were compared more often stand higher, and a missing pair is held against both: take it where every pair has equally
    many votes. A tie is half a win for each, conflicting votes are a win for each.

    Two regularisations make the eigenvector positive and unique. `pseudo_wins` are added to either side of every pair
    that was compared, without which items that beat only those who beat nobody would have no strength; 0 is the plain
    method. `link` joins parts that never met: nearly all strength is then with the part that has the largest
    eigenvalue, and the others' scores mean little. All-tied items that were compared equally, and those of an empty
    prompt, have 1 / n. Found by squaring the matrix until all its columns are alike.

    Source: Wei (1952) and Kendall (1955), Biometrics 11; Keener (1993), SIAM Review 35, for the pseudo-wins. evalica's
    `eigen` is this of the losses, where the largest score is that of the weakest item.

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
    power[:, np.arange(n), np.arange(n)] += mean[:, None]  # so that strengths do not swing to and fro
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
