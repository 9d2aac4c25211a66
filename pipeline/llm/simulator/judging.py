"""Judging: how a simulated model compares candidates, with probabilities that are known exactly."""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from random import Random

from .cases import Case
from .draft import Draft, Menu, refusal
from .models import SimulatedModel
from .quality import author, quality

TIE = "tie"

_DECIDED = (
    "Response {best} answers the question more directly and gives the better reasons.",
    "Response {best} is the more accurate one, and it is easier to follow.",
    "All in all, Response {best} is more complete and makes fewer mistakes.",
    "What sets Response {best} apart is that it keeps to what was asked.",
)
_UNDECIDED = (
    "The responses are equally helpful, and neither has a clear advantage.",
    "I see the same strengths and the same gaps in the best of them.",
)
_EVASIVE = (
    "There is much to like here, and which one is better depends on what the reader needs.",
    "I would rather not single one out: each has merits that the others lack.",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge thinks of a case: groups of equals, best first, its reason and its chance for each verdict."""

    groups: tuple[tuple[str, ...], ...]
    rationale: str
    probabilities: dict[str, float] | None = None

    @property
    def verdict(self) -> str:
        """The label of the best candidate, or `tie`."""
        return self.groups[0][0] if len(self.groups[0]) == 1 else TIE

    @property
    def ranking(self) -> list[str]:
        """All labels, best first."""
        return [label for group in self.groups for label in group]


def pairwise_probabilities(model: SimulatedModel, text_a: str, text_b: str) -> tuple[float, float, float]:
    """Return the probabilities that a judge prefers the first text, the second, or calls a tie.

    With Δ the difference of what it sees in the two, plus its position bias, and τ its tie zone, they are
    σ(Δ - τ), σ(-Δ - τ) and the rest: Rao and Kupper (1967), with the order effect of Davidson and Beaver (1977).
    """
    difference = _appeal(model, text_a) - _appeal(model, text_b) + model.position_bias
    first, second = _sigmoid(difference - model.tie_zone), _sigmoid(-difference - model.tie_zone)
    return first, second, max(0.0, 1.0 - first - second)


def decide(model: SimulatedModel, case: Case, chance: Random, *, may_tie: bool = True) -> Judgement:
    """Return the judgement of a case; a judge that may not call a tie tosses a coin instead."""
    probabilities = None
    if case.listwise:
        groups = _rank(model, case, chance)
    else:
        label_a, label_b = case.labels
        p_a, p_b, p_tie = pairwise_probabilities(model, *case.texts)
        probabilities = {label_a: p_a, label_b: p_b, TIE: p_tie}
        if not may_tie:
            probabilities = {label_a: p_a + p_tie / 2, label_b: p_b + p_tie / 2}
        groups = _draw(case.labels, probabilities, chance)
    best = groups[0]
    reasons = _DECIDED if len(best) == 1 else _UNDECIDED
    rationale = reasons[int(chance.random() * len(reasons))].format(best=best[0])
    return Judgement(groups, rationale, probabilities)


def in_prose(judgement: Judgement) -> Draft:
    """Return a judgement as judges write it: a short reason, and the verdict in double brackets on the last line."""
    start = len(judgement.rationale) + len("\n\n[[")
    if judgement.probabilities is None:
        verdict = " > ".join(" = ".join(group) for group in judgement.groups)
        return Draft(f"{judgement.rationale}\n\n[[{verdict}]]")
    verdict = judgement.verdict
    menu = Menu(start, start + len(verdict), judgement.probabilities)
    return Draft(f"{judgement.rationale}\n\n[[{verdict}]]", menu=menu)


def spoil(model: SimulatedModel, draft: Draft, chance: Random) -> Draft:
    """Return the draft, or what a failing judge says in its place: a refusal, its beginning, or no verdict."""
    fate = chance.random()
    if fate < model.refuse:
        return refusal()
    if fate < model.refuse + model.truncate:
        third = len(draft.text) // 3  # of prose, always short of the verdict
        return draft.cut_at(min(third, draft.menu.start) if draft.menu else third)
    if fate < model.refuse + model.truncate + model.invalid:
        return Draft(_EVASIVE[int(chance.random() * len(_EVASIVE))])
    return draft


def _appeal(model: SimulatedModel, text: str) -> float:
    """What a judge sees in a text, in logits; lengths are characters as shown."""
    appeal = model.sharpness * quality(text)
    if model.length_bias:
        appeal += model.length_bias * log(max(1, len(text)))
    if model.self_preference and (name := author(text)) and name.partition("?")[0] == model.family:
        appeal += model.self_preference
    return appeal


def _draw(labels: tuple[str, ...], probabilities: dict[str, float], chance: Random) -> tuple[tuple[str, ...], ...]:
    label_a, label_b = labels
    draw = chance.random()
    if draw < probabilities[label_a]:
        return (label_a,), (label_b,)
    if draw < probabilities[label_a] + probabilities[label_b] or TIE not in probabilities:
        return (label_b,), (label_a,)
    return (labels,)


def _rank(model: SimulatedModel, case: Case, chance: Random) -> tuple[tuple[str, ...], ...]:
    """Rank by appeal plus Gumbel noise: Plackett and Luce's model, whose marginals of pairs are Bradley and Terry's."""
    last = len(case.labels) - 1
    utilities = [
        _appeal(model, text) + model.position_bias * (0.5 - slot / last) - log(-log(chance.random() or 5e-324))
        for slot, text in enumerate(case.texts)
    ]
    order = sorted(range(last + 1), key=lambda slot: -utilities[slot])
    groups = [[case.labels[order[0]]]]
    for better, worse in pairwise(order):
        if utilities[better] - utilities[worse] < model.tie_zone:
            groups[-1].append(case.labels[worse])
        else:
            groups.append([case.labels[worse]])
    return tuple(tuple(group) for group in groups)


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
