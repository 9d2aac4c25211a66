"""Where in a judge's completion the verdict stands: after any thinking, in double brackets, the last one counts."""

import re
from dataclasses import dataclass

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINKING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_END_OF_THINKING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
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

    Earlier lines are the judge's reasoning: what they say is superseded. Two different verdicts on the last line
    contradict each other; that is for the protocol to refuse.
    """
    spoken = _THINKING.sub("", completion)
    if _OPEN_THINKING.search(spoken):
        return VerdictText(reason="the thinking never ends")
    # Some servers cut the opening tag off and keep the closing one.
    spoken = _END_OF_THINKING.split(spoken)[-1]
    if not spoken.strip():
        return VerdictText(reason="the answer is empty")
    for line in reversed(spoken.splitlines()):
        if choices := _BRACKETED.findall(line):
            return VerdictText(tuple(choices), tail=spoken[spoken.rindex(f"[[{choices[-1]}]]") :])
    return VerdictText(reason="no verdict in double brackets")
