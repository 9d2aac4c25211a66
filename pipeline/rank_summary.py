"""The closing summary of a ranking: how many votes, how biased, how consistent, and what to watch out for."""

import math
from collections.abc import Iterator

import numpy as np

from .formats.votes import Votes
from .ranking.batch import FLAGS
from .ranking.counting import NEEDED, Counting
from .ranking.methods import METHODS, Method
from .ranking.pooled import Shared
from .ranking.results import Results
from .ranking.special import fair_coin_p, wilson_interval
from .summary import Figure

MARKED_BIAS = 0.05
"""How far the first slot's share may be from one half before a user of a method that ignores slots is warned."""

MOST_JUDGES_LISTED = 20


def figures(votes: Votes, results: Results, counting: Counting, shared: Shared, method: str) -> dict[str, Figure]:
    """Return the figures of a summary, by name."""
    total = {name: int(counts.sum()) for name, counts in results.counts.items()}
    flagged = {name.replace("-", "_"): int(results.flags[:, index].sum()) for index, name in enumerate(FLAGS)}
    return {
        "votes": len(votes.valid),
        "invalid": int((~votes.valid).sum()),
        "conflicts": total["conflicts"],
        "position_consistency": total["consistent"] / total["both_orders"] if total["both_orders"] else None,
        **_first_slot(total["first_won"], total["decisive"]),
        **_of_judges(votes),
        "rankings_by_repeat": total["repeats"],
        "incomplete_rankings": total["incomplete"],
        "mean_kendall_w": results.mean("kendall_w"),
        "mean_consistency": results.mean("consistency"),
        **({} if len(votes.judges) == 1 else _by_judges(results)),
        **{name: count for name, count in flagged.items() if count},
        **_of_shared(votes, counting, shared, METHODS[method]),
    }


def _by_judges(results: Results) -> dict[str, Figure]:
    means = {f"mean_{name}": results.mean(name) for name in ("repeat_consistency", "judge_consistency")}
    return {name: mean for name, mean in means.items() if mean is not None}


def _first_slot(first_won: int, decisive: int) -> dict[str, Figure]:
    if not decisive:
        return {"first_slot_share": None}
    low, high = wilson_interval(first_won, decisive)
    return {
        "first_slot_share": first_won / decisive,
        "first_slot_share_low": low,
        "first_slot_share_high": high,
        "first_slot_p_value": fair_coin_p(first_won, decisive),
    }


def _of_judges(votes: Votes) -> dict[str, Figure]:
    """Return how often each judge's decisive pairwise votes went to the first slot, where there are several judges."""
    if not 1 < len(votes.judges) <= MOST_JUDGES_LISTED:
        return {}
    pairs = np.flatnonzero(votes.valid & (votes.sizes == 2))
    first, second = votes.ranks[votes.offsets[pairs]], votes.ranks[votes.offsets[pairs] + 1]
    decided = (first > 0) & (second > 0) & (first != second)
    judge = votes.judge[pairs[decided]]
    decisive = np.bincount(judge, minlength=len(votes.judges))
    won = np.bincount(judge, first[decided] < second[decided], minlength=len(votes.judges))
    return {
        f"first_slot_share of {name}": float(won[code] / decisive[code])
        for code, name in enumerate(votes.judges)
        if decisive[code]
    }


def _of_shared(votes: Votes, counting: Counting, shared: Shared, method: Method) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    if method.corrects_position:
        found |= {"position_effect": shared.position_effect, "position_effect_error": shared.position_error}
    if shared.of_judges is not None and len(votes.judges) <= MOST_JUDGES_LISTED:
        effects = dict(zip(counting.judge.tolist(), shared.of_judges.of_source.tolist(), strict=True))
        for judge, effect in sorted(effects.items()):
            found[f"position_effect of {votes.judges[judge]}"] = shared.of_judges.effects[effect]
    if method.has_prior:
        found["prior_sd"] = shared.prior_sd
    if method.ties is not None:
        found["tie_parameter"] = shared.tie if math.isfinite(shared.tie) else None
    return found


def warnings(votes: Votes, results: Results, counting: Counting, method: str) -> Iterator[str]:
    """Yield sentences on what a reader of the rankings should watch out for."""
    silent = int((~results.voted).sum())
    if silent:
        yield f"{silent:,} of {len(results.voted):,} prompts have no valid vote: their ranks and scores are null."
    first_won, decisive = (int(results.counts[name].sum()) for name in ("first_won", "decisive"))
    low, high = wilson_interval(first_won, decisive) if decisive else (0.5, 0.5)
    if not METHODS[method].corrects_position and max(low - 0.5, 0.5 - high) > MARKED_BIAS:
        yield (
            f"The first slot won {first_won / decisive:.0%} of the decisive votes, and {method} does not correct "
            "for that. Judge in both orders, or rank with bradley-terry."
        )
    unscored = int((results.voted & ~results.scored).sum())
    if unscored:
        yield f"{unscored:,} prompts have votes, but none that {method} can score: their scores are null."
    unrated = int((votes.valid & (votes.sizes == 1) & np.isnan(votes.ratings)).sum())
    if unrated:
        votes_show = "vote shows" if unrated == 1 else "votes show"
        yield f"{unrated:,} {votes_show} one candidate without giving a score, and so compare nothing."
    yield from _gaps(votes, counting)


def _gaps(votes: Votes, counting: Counting) -> Iterator[str]:
    """Yield warnings about votes that lack what an option needs."""
    if not counting.evidence:
        return
    begins = votes.offsets[:-1]
    pairs = np.flatnonzero(votes.valid & (votes.sizes == 2))
    decided = pairs[votes.ranks[begins[pairs]] != votes.ranks[begins[pairs] + 1]]
    for option, evidence in counting.evidence.items():
        asked = decided if option == "strength" else pairs
        lacking = int(np.isnan(evidence[asked].reshape(len(asked), -1)[:, 0]).sum())
        if lacking:
            yield (
                f"{lacking:,} of {len(asked):,} votes on two candidates have no '{NEEDED[option]}', so they count as "
                f"without {option}."
            )
