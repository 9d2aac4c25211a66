"""What a judge is shown, made safe: no text can close or open a block of the template it stands in."""

import re
from dataclasses import dataclass
from typing import Any

_BLOCK = re.compile(r"<(?=\s*/?\s*(?:conversation|turn|reference|response_))", re.IGNORECASE)


@dataclass(frozen=True)
class Conversation:
    """The conversation whose last turn was answered, and the known good answer where there is one."""

    messages: list[dict[str, Any]]
    reference: str | None = None

    def places(self) -> dict[str, str]:
        """Return the values of the places `conversation` and `reference` of a template."""
        reference = f"\n<reference>\n{neutral(self.reference)}\n</reference>\n" if self.reference else ""
        return {"conversation": self.as_text(), "reference": reference}

    def as_text(self) -> str:
        """Return all turns as text, each in a block of its own that its text cannot forge; a lone turn needs none."""
        if len(self.messages) == 1:
            return neutral(self.messages[0]["content"])
        return "\n".join(
            f'<turn role="{message["role"]}">\n{neutral(message["content"])}\n</turn>' for message in self.messages
        )


def neutral(text: str) -> str:
    """Return text in which nothing looks like a tag of the templates: their `<` is written `&lt;`."""
    return _BLOCK.sub("&lt;", text)
