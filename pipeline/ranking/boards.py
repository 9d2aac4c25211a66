"""Leaderboards from all comparisons, one for each group of models that were compared with each other."""

from dataclasses import dataclass, replace

import numpy as np

from . import leaderboards
from .codes import Codes
from .elo_limit import SCALE
from .head_to_head import HeadToHead, head_to_head, parts_of
from .leaderboards import IN_LOGITS, RESOLUTION, WITH_OTHERS_BEATEN, Estimate, estimate
from .peer_rank import Peers, estimate_by_peers
from .places import places
from .prompt_bootstrap import draw_prompts
from .prompt_groups import Comparisons, Grouped
from .standings import Standings, standings

PEER_RANK = "peer-rank"
METHODS = (*leaderboards.METHODS, PEER_RANK)

ELO_ZERO = 1000.0
"""The Elo rating of the mean of the models, or of the anchor."""


@dataclass(frozen=True)
class Settings:
    """How leaderboards are made.

    Attributes:
        method: One of `METHODS`.
        position: The position effect if it is known; None estimates it.
        elo: Whether scores are Elo points instead of logits.
        anchor: The model whose score is fixed, if it is on the board.
        draws: The number of bootstrap draws of the prompts.
        seed: The seed of the draws.
        contestant: (J,) the model that each judge is, -1 for a judge who is not a model; only for "peer-rank".
    """

    method: str
    position: float | None
    elo: bool
    anchor: int | None
    draws: int
    seed: int
    contestant: Codes | None = None


@dataclass(frozen=True)
class Board:
    """One leaderboard of n models.

    Attributes:
        members: (n,) the models' codes, best first.
        ranks: (n,) 1, 2, 2, 4.
        estimate: Their scores, in the same order as `members`.
        standings: How certain these are.
        prompts: The number of prompts on which they were compared.
        groups: The number of groups into which those were put.
        peers: The weight of each judge, if judges are weighted.
    """

    members: Codes
    ranks: Codes
    estimate: Estimate
    standings: Standings
    prompts: int
    groups: int
    peers: Peers | None


def boards_of(comparisons: Comparisons, settings: Settings) -> tuple[HeadToHead, list[Board], Codes]:
    """Rank models; those never compared with each other, not even through others, are ranked apart.

    Returns:
        All counts; the boards, the one with the most models first; and the models that were compared with none.
    """
    counted = head_to_head(comparisons)
    parts = parts_of(counted.met)
    sizes = np.bincount(parts)
    members = [np.flatnonzero(parts == part) for part in np.flatnonzero(sizes > 1)]
    boards = [_board(comparisons.among(some), some, settings) for some in members]
    return counted, boards, np.flatnonzero(sizes[parts] == 1)


def _board(comparisons: Comparisons, members: Codes, settings: Settings) -> Board:
    grouped = Grouped.of(comparisons, settings.seed)
    found, peers = _estimated(grouped, members, settings)
    anchors = np.flatnonzero(members == settings.anchor) if settings.anchor is not None else members[:0]
    if len(anchors):
        found = found.against(int(anchors[0]))
    if settings.elo:
        found = found.scaled(SCALE, ELO_ZERO)
    order, ranks = (part[0] for part in places(found.scores[None]))
    found = found.reordered(order)
    resolution = RESOLUTION.get(settings.method, 0.0)
    sure = standings(found.scores, found.drawn, groups=grouped.groups, resolution=resolution)
    if settings.method not in IN_LOGITS:
        highest = len(members) - 1 if settings.method in WITH_OTHERS_BEATEN else 1
        sure = replace(sure, low=np.clip(sure.low, 0, highest), high=np.clip(sure.high, 0, highest))
    return Board(members[order], ranks, found, sure, grouped.prompts, grouped.groups, peers)


def _estimated(grouped: Grouped, members: Codes, settings: Settings) -> tuple[Estimate, Peers | None]:
    if settings.contestant is None:
        draws = draw_prompts(grouped, draws=settings.draws, seed=settings.seed)
        return estimate(settings.method, grouped, draws, position=settings.position), None
    place = {int(code): index for index, code in enumerate(members)}
    contestant = np.array([place.get(int(code), -1) for code in settings.contestant], np.int64)
    return estimate_by_peers(grouped, contestant, draws=settings.draws, seed=settings.seed)
