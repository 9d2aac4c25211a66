"""The templates that prefpipe sends, one readable file each, and the bundled demonstration prompts.

A template file starts with a comment that gives the why of its wording, then has a section `## system` and a section
`## user`. `{{name}}` marks a place to fill.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_SECTIONS = re.compile(r"\A<!--.*?-->\s*## system\n(?P<system>.*?)\n## user\n(?P<user>.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Template:
    """A system and a user message with places to fill."""

    name: str
    system: str
    user: str

    def render(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """Return both messages with every place filled, in one pass: a value that looks like a place stays as it is.

        Raises:
            KeyError: A place has no value.
        """
        return [
            {"role": "system", "content": _PLACE.sub(lambda place: values[place[1]], self.system)},
            {"role": "user", "content": _PLACE.sub(lambda place: values[place[1]], self.user)},
        ]


@cache
def load(name: str) -> Template:
    """Return the template of that name, such as "pairwise"."""
    text = files(__package__).joinpath(f"{name}.md").read_text("utf-8")
    if not (sections := _SECTIONS.match(text)):
        raise ValueError(f"The template {name}.md lacks its comment, '## system' or '## user'.")
    return Template(name, sections["system"].strip(), sections["user"].strip())
