"""Judges that are models themselves, recognised by their names."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError, listed
from .codes import Codes
from .model_comparisons import Counts

MOST_NAMED = 5


def contestants(judges: Sequence[str], models: Sequence[str]) -> Codes:
    """Return the model (J,) that each judge is, by its name; -1 for a judge that is not a model.

    Raises:
        UsageError: Fewer than two judges are among the models.
    """
    code = {name: number for number, name in enumerate(models)}
    found = np.array([code.get(name, -1) for name in judges], np.int64)
    if (competing := int((found >= 0).sum())) < 2:
        raise UsageError(
            f"peer-rank weighs judges by how they rank as models, and {competing} of the judges "
            f"({listed(judges, MOST_NAMED)}) {'is a model' if competing else 'are models'} "
            f"({listed(models, MOST_NAMED)}).",
            "Judge with the models themselves, under the same names, or use bradley-terry.",
        )
    return found


def of_others(contestant: Codes) -> Counts:
    """Return which comparisons count if judges compete: a judge's comparisons of its own answers do not."""

    def counts(judge: Codes, first: Codes, second: Codes) -> NDArray[np.bool_]:
        own = contestant[judge]
        others: NDArray[np.bool_] = (own != first) & (own != second)
        return others

    return counts
