"""The truth about texts: how good one is and who wrote it. Only tests, benches and the demo may read this.

The pipeline never does: it must find out by asking judges.
"""

import re
from statistics import NormalDist

from ...ids import seed_of

_OPENING = "[simulated by "
_MARKER = re.compile(r"\[simulated by ([^\]]+), quality ([+-]\d+\.\d{4})\]\Z")
_STANDARD_NORMAL = NormalDist()


def marker(author: str, quality: float) -> str:
    """Return the mark that ends a simulated answer.

    >>> marker("strong", 1.27)
    '[simulated by strong, quality +1.2700]'
    """
    return f"{_OPENING}{author}, quality {quality:+.4f}]"


def quality(text: str) -> float:
    """Return the true quality of a text: what its marker says, else a standard normal draw from its hash."""
    if mark := _mark(text):
        return float(mark[2])
    return _STANDARD_NORMAL.inv_cdf((seed_of(text.strip()) + 0.5) / 2**63)


def author(text: str) -> str | None:
    """Return the name of the simulated model that wrote a text; None for a foreign or a cut one."""
    mark = _mark(text)
    return mark[1] if mark else None


def _mark(text: str) -> re.Match[str] | None:
    text = text.rstrip()
    at = text.rfind(_OPENING)  # only the end counts: a marker quoted inside a text claims nothing
    return _MARKER.match(text, at) if at >= 0 else None
