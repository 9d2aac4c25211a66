"""demo: the whole chain on bundled prompts with simulated models, and what it found beside what is true.

The simulator knows how good each answer really is and how its judge is biased; the pipeline does not. This is the one
stage that looks at both.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import combinations
from pathlib import Path
from statistics import fmean

from .export import export
from .filter import filter  # noqa: A004 - the verb of the command
from .formats.responses import read_candidates
from .generate import generate
from .judge import judge
from .llm.meter import Meter
from .llm.simulator import pairwise_probabilities, parse_model, quality
from .rank import rank
from .reading import read
from .summary import Summary
from .tables import RANKINGS

GENERATORS = ("sim:strong", "sim:good", "sim:fair", "sim:weak")
JUDGE = "sim:biased-judge"
REPEATS = 3
KEEP_TOP = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that the pipeline measured, beside the truth."""

    name: str
    found: str
    true: str


Progress = Callable[[str], AbstractContextManager[Meter]]
