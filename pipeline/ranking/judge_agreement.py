"""How far judges agree on the same questions: which of two models, shown in this order on this prompt, is better."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .agreement import Agreement, agreement_table, cohen_kappa, nominal_alpha
from .codes import Codes
from .prompt_groups import Comparisons
from .tally import Floats

MOST_COMPARISONS = 1 << 20
"""The most comparisons that are used; if there are more, prompts are sampled."""

MOST_JUDGES = 30
"""The most judges that are compared pairwise."""

VERDICTS = 3


@dataclass(frozen=True)
class JudgeAgreement:
    """How far several judges agree.

    Attributes:
        alpha: Krippendorff's alpha over all judges.
        pairs: Cohen's kappa of each pair of judges that answered the same questions; empty if there are very many
            judges.
    """

    alpha: Agreement
    pairs: dict[tuple[int, int], Agreement]

    def kappas(self, judges: int) -> Floats:
        """Return (J,): each judge's mean kappa, weighted by the questions that it shares; NaN without any."""
        total, units = np.zeros(judges), np.zeros(judges)
        for pair, found in self.pairs.items():
            if found.value is not None:
                total[list(pair)] += found.value * found.units
                units[list(pair)] += found.units
        mean: Floats = np.divide(total, units, out=np.full(judges, np.nan), where=units > 0)
        return mean


def judge_agreement(comparisons: Comparisons, *, seed: int) -> JudgeAgreement | None:
    """Return how far judges agree beyond chance; None if there is only one.

    A verdict is a win of the earlier slot, a win of the later slot, or a tie. Judges are compared if both were shown
    the same two models on a prompt in the same order, so a position bias that they share counts as agreement. If a
    judge answered a question several times, its verdict is the majority. With more than about a million comparisons,
    only a sample of the prompts is used.

    Args:
        comparisons: The comparisons, with their judges.
        seed: Decides which prompts are sampled.
    """
    sample = _sample(comparisons, seed)
    if sample.judge is None:
        return None
    question, judge, verdict = _verdicts(sample, sample.judge)
    questions = int(question.max(initial=-1)) + 1
    counts = np.bincount(question * VERDICTS + verdict, minlength=questions * VERDICTS)
    alpha = nominal_alpha(counts.reshape(-1, VERDICTS).astype(np.float64))
    judges = np.unique(judge).tolist()
    pairs: dict[tuple[int, int], Agreement] = {}
    if len(judges) <= MOST_JUDGES:
        said = np.full((len(judges), questions), -1, np.int8)
        said[np.searchsorted(judges, judge), question] = verdict
        for (row, one), (other_row, other) in combinations(enumerate(judges), 2):
            table = agreement_table(said[row], said[other_row], VERDICTS)
            if table.any():
                pairs[one, other] = cohen_kappa(table)
    return JudgeAgreement(alpha, pairs)


def _sample(comparisons: Comparisons, seed: int) -> Comparisons:
    size = len(comparisons.prompt)
    if size <= MOST_COMPARISONS:
        return comparisons
    prompts = int(comparisons.prompt.max()) + 1
    drawn = np.random.default_rng(seed).random(prompts) < MOST_COMPARISONS / size
    return comparisons.where(drawn[comparisons.prompt])


def _verdicts(comparisons: Comparisons, judge: Codes) -> tuple[Codes, Codes, Codes]:
    """Return question, judge and verdict (0 the first slot won, 1 a tie, 2 the second) of each judge and question."""
    n, cell = comparisons.models, comparisons.cell.astype(np.int64)
    kind, one, other = cell // (n * n), cell // n % n, cell % n
    first, second = np.where(kind == 1, other, one), np.where(kind == 1, one, other)
    judges = int(judge.max()) + 1
    keys = ((comparisons.prompt.astype(np.int64) * n + first) * n + second) * judges + judge
    distinct, codes = np.unique(keys, return_inverse=True)
    lead = np.bincount(codes, np.array([1.0, -1.0, 0.0])[kind], len(distinct))
    _, question = np.unique(distinct // judges, return_inverse=True)
    return question, distinct % judges, (1 - np.sign(lead)).astype(np.int64)
