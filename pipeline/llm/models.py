"""Model specs as users type them: `gpt-4o-mini`, `llama-3@http://host:8000/v1`, `sim:strong`."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError

OPENAI_URL = "https://api.openai.com/v1"
SIMULATOR_URL = "http://simulator.invalid/v1"

_WITH_URL = re.compile(r"(?P<name>.+)@(?P<url>https?://\S+)")


@dataclass(frozen=True)
class Model:
    """A model and where to reach it.

    Attributes:
        name: As it stands in tables.
        sent_name: As its server knows it.
        base_url: Where its server is; without a slash at the end.
        key_variable: The environment variable that holds the key; the key itself is read only when a call is sent.
        simulated: Whether it is embedded, so that no network is needed.
    """

    name: str
    sent_name: str
    base_url: str
    key_variable: str
    simulated: bool = False

    @property
    def api_key(self) -> str:
        """The key to send; servers that want none get a placeholder."""
        return os.environ.get(self.key_variable) or "none"


def parse_model(spec: str) -> Model:
    """Return the model that a spec names.

    A bare name is asked at `OPENAI_BASE_URL` (or OpenAI itself) with `OPENAI_API_KEY`. A name with `@base_url` is
    asked there, with `PREFPIPE_API_KEY` if that is set: the OpenAI key never goes to another host. `sim:` names are
    answered by the embedded simulator.

    Raises:
        UsageError: The spec is malformed, an unknown simulated model, or lacks its key.
    """
    if spec.startswith("sim:"):
        from .simulator import parse_model as parse_simulated

        parse_simulated(spec)
        return Model(spec, spec, SIMULATOR_URL, "PREFPIPE_SIMULATOR_KEY", simulated=True)
    if match := _WITH_URL.fullmatch(spec):
        return Model(match["name"], match["name"], match["url"].rstrip("/"), "PREFPIPE_API_KEY")
    if not spec or "@" in spec or spec != spec.strip():
        raise UsageError(
            f"'{spec}' is no model.", "Write a name (gpt-4o-mini), name@http://host:port/v1, or sim:strong."
        )
    url = os.environ.get("OPENAI_BASE_URL", OPENAI_URL).rstrip("/")
    if url == OPENAI_URL and not os.environ.get("OPENAI_API_KEY"):
        raise UsageError(
            f"The model {spec} is to be asked at OpenAI, but OPENAI_API_KEY is not set.",
            f"Set it, or name another server: {spec}@http://host:port/v1.",
        )
    return Model(spec, spec, url, "OPENAI_API_KEY")


def parse_models(specs: Sequence[str]) -> list[Model]:
    """Return the models that specs name, each under a name of its own.

    Raises:
        UsageError: Two specs would stand under the same name in a table.
    """
    models = [parse_model(spec) for spec in specs]
    name, count = Counter(model.name for model in models).most_common(1)[0]
    if count > 1:
        raise UsageError(f"The model {name} is named {count} times.", "Name each model once; use -n for more samples.")
    return models
