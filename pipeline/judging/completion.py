"""Where in a judge's completion the verdict stands: in double brackets, the last one counts."""

import re
from dataclasses import dataclass

_BRACKETED = re.compile(r"\[\[([^\[\]\n]*)\]\]")


@dataclass(frozen=True)
class VerdictText:
    """The double-bracketed texts on the last line that has any, or the reason why there are none.

    Attributes:
        choices: The texts.
        reason: Why there are none.
        tail: What was said from the brackets of the last one to the end, by which its tokens are found.
    """

    choices: tuple[str, ...] = ()
    reason: str | None = None
    tail: str = ""


def verdict_text(completion: str) -> VerdictText:
    """Return the verdict's text.

    Earlier lines are the judge's reasons: what they say is superseded. Two different verdicts on the last line
    contradict each other; that is for the protocol to refuse. What the judge thought before it spoke was taken off when
    its answer was read: a tag of thinking is a quotation.
    """
    if not completion.strip():
        return VerdictText(reason="the answer is empty")
    for line in reversed(completion.splitlines()):
        if choices := _BRACKETED.findall(line):
            return VerdictText(tuple(choices), tail=completion[completion.rindex(f"[[{choices[-1]}]]") :])
    return VerdictText(reason="no verdict in double brackets")
