from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import pytest

from prefpipe.pipeline.ranking import judge_agreement as module
from prefpipe.pipeline.ranking.judge_agreement import JudgeAgreement, judge_agreement
from prefpipe.pipeline.ranking.prompt_groups import Comparisons

Vote = tuple[int, int, int, int, int]
"""Prompt, judge, earlier model, later model, and 1 where the earlier won, -1 where the later did, 0 for a tie."""


def compared(votes: list[Vote]) -> Comparisons:
    prompt, judge, first, second, outcome = np.array(votes).T
    kind = np.array([2, 0, 1])[outcome]
    winner, loser = np.where(kind == 1, second, first), np.where(kind == 1, first, second)
    return Comparisons(3, prompt, (kind * 3 + winner) * 3 + loser, judge=judge)


def found(votes: list[Vote]) -> JudgeAgreement:
    told = judge_agreement(compared(votes), seed=0)
    assert told is not None
    return told


def drawn(seed: int, size: int = 400) -> list[Vote]:
    """Votes of four judges: two mostly say what is true, the third flips coins, the last says the opposite."""
    random = np.random.default_rng(seed)
    votes: list[Vote] = []
    for _ in range(size):
        prompt, judge, first = (int(random.integers(top)) for top in (12, 4, 3))
        second = int((first + random.integers(1, 3)) % 3)
        truth = 1 if (first - second) % 3 == 1 else -1
        said = int(random.choice([1, 0, -1])) if judge == 2 or random.random() < 0.2 else truth
        votes.append((prompt, judge, first, second, -said if judge == 3 else said))
    return votes


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_majorities_on_the_same_question_say(seed: int) -> None:
    votes = drawn(seed)
    leads: dict[tuple[int, int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for prompt, judge, first, second, outcome in votes:
        leads[prompt, first, second][judge] += outcome
    questions = [{judge: int(np.sign(lead)) for judge, lead in said.items()} for said in leads.values()]
    told = found(votes)
    for one, other in combinations(range(4), 2):
        pairs = [(said[one], said[other]) for said in questions if one in said and other in said]
        agreeing = sum(a == b for a, b in pairs) / len(pairs)
        mine, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
        chance = sum(mine[value] * theirs[value] for value in (1, 0, -1)) / len(pairs) ** 2
        assert told.pairs[one, other].value == pytest.approx((agreeing - chance) / (1 - chance))
        assert told.pairs[one, other].units == len(pairs)
    assert told.alpha.units == sum(len(said) > 1 for said in questions)
    kappas = {pair: kappa.value or 0 for pair, kappa in told.pairs.items()}
    assert max(kappas, key=lambda pair: kappas[pair]) == (0, 1)
    assert kappas[0, 3] < -0.2


def test_both_orders_of_a_pair_are_two_questions() -> None:
    told = found([(0, 0, 1, 2, 1), (0, 1, 2, 1, 1), (0, 0, 2, 1, -1)])
    assert (told.alpha.units, told.pairs[0, 1].units, told.pairs[0, 1].observed) == (1, 1, 1)


def test_one_judge_has_nobody_to_agree_with() -> None:
    votes = compared([(0, 0, 1, 2, 1)])
    assert judge_agreement(Comparisons(3, votes.prompt, votes.cell), seed=0) is None


def test_judges_that_never_answered_the_same_have_no_agreement() -> None:
    told = found([(0, 0, 1, 2, 1), (1, 1, 1, 2, 1)])
    assert (told.alpha.value, told.alpha.units, told.pairs) == (None, 0, {})


def test_of_very_many_votes_a_part_of_the_prompts_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    votes = [(prompt, judge, 0, 1, 1 if random.random() < 0.8 else -1) for prompt in range(2000) for judge in (0, 1)]
    whole = found(votes)
    monkeypatch.setattr(module, "MOST_COMPARISONS", 2000)
    part = found(votes)
    assert part.alpha.units == pytest.approx(1000, abs=100)
    assert part.alpha.value == pytest.approx(whole.alpha.value, abs=0.1)


def test_of_very_many_judges_there_is_alpha_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(drawn(0))
    monkeypatch.setattr(module, "MOST_JUDGES", 3)
    assert found(drawn(0)) == JudgeAgreement(whole.alpha, {})
