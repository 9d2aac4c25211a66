"""Simulated models: what is true about each, by name, and how a name such as `judge?position_bias=1` is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any

from ...errors import UsageError, did_you_mean
from ...ids import content_id

PREFIX = "sim:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """All traits of one simulated model; any model can both answer and judge.

    Raises:
        UsageError: a trait has a value that means nothing, such as a rate above 1.
    """

    name: str
    """The name it was asked for by, without `sim:`; it signs its answers with it."""

    ability: float = 0.0
    """Mean true quality of its answers."""
    spread: float = 0.6
    """Standard deviation of the quality over its answers."""
    verbosity: float = 1.0
    """Length of its answers, relative to the others'."""

    sharpness: float = 2.0
    """Logits for one unit of quality: how strongly it perceives differences as a judge."""
    position_bias: float = 0.0
    """Logit in favour of the first slot against the last one; the slots between lie evenly between."""
    length_bias: float = 0.0
    """Logit in favour of a text that is e times as long."""
    self_preference: float = 0.0
    """Logit in favour of answers of the same family (the name before `?`)."""
    tie_zone: float = 0.2
    """Half-width, in logits, of the differences that it calls a tie (Rao and Kupper's ln θ)."""

    invalid: float = 0.0
    """Share of its judgements that are prose without a verdict."""
    refuse: float = 0.0
    """Share of requests that it refuses."""
    truncate: float = 0.0
    """Share of texts that end too early, a judgement before its verdict."""

    error_429: float = 0.0
    """Share of attempts answered with 429, too many requests."""
    error_500: float = 0.0
    """Share of attempts answered with 500, a server's error."""
    drop: float = 0.0
    """Share of attempts whose connection is closed without an answer."""
    garbage: float = 0.0
    """Share of attempts answered with 200 and a body that is not JSON."""
    failures_in_a_row: int = 3
    """Most attempts of one request that fail before one succeeds."""
    retry_after: float = 0.05
    """Seconds that a 429 asks to wait."""
    latency: float = 0.0
    """Mean seconds to an answer."""
    latency_spread: float = 0.0
    """Standard deviation of the logarithm of the latency."""
    context: int = 131_072
    """Most tokens that prompt and answer may have together."""

    expire: float = 0.0
    """Share of attempts in a batch that its window ends before."""
    batch_looks: int = 1
    """Looks at a batch that find it in progress: each finds as many more requests answered."""
    batch_seconds: float = 0.0
    """Seconds until a batch is answered; above 0 they count instead of looks."""

    seed: int = 0
    """The root of all its chance: another seed is another model with the same traits."""

    voice: str = field(init=False, repr=False, compare=False)
    """The id of what shapes its words; failures and latency do not, so a retried run says the same."""

    def __post_init__(self) -> None:
        """Refuse values without meaning, and derive the voice."""
        for trait in TRAITS:
            _check(trait, getattr(self, trait))
        for group in (("invalid", "refuse", "truncate"), BATCH_FAILURES):
            if sum(getattr(self, trait) for trait in group) > 1:
                raise UsageError(f"The rates {', '.join(group)} of '{self.name}' sum to more than 1.")
        object.__setattr__(self, "voice", content_id(self.family, [getattr(self, trait) for trait in _VOICE]))

    @property
    def family(self) -> str:
        """The preset that the model varies: its name before `?`."""
        return self.name.partition("?")[0]


TRANSPORT_FAILURES = ("error_429", "error_500", "drop", "garbage")
BATCH_FAILURES = (*TRANSPORT_FAILURES, "expire")

TRAITS: dict[str, type[float]] = {
    f.name: int if f.type is int else float for f in fields(SimulatedModel) if f.name not in {"name", "voice"}
}
"""The type of every trait, `float` or `int`, by its name."""

_RATES = {"invalid", "refuse", "truncate", *BATCH_FAILURES}
_NOT_NEGATIVE = {
    *("spread", "tie_zone", "retry_after", "latency", "latency_spread", "failures_in_a_row"),
    *("batch_looks", "batch_seconds"),
}
_VOICE = (
    *("ability", "spread", "verbosity", "seed"),
    *("sharpness", "position_bias", "length_bias", "self_preference", "tie_zone"),
)


def _check(trait: str, value: float) -> None:
    if not isfinite(value):
        raise UsageError(f"The trait {trait} must be finite, not {value}.")
    if trait in _RATES and not 0 <= value <= 1:
        raise UsageError(f"The trait {trait} is a rate: it must lie between 0 and 1, not be {value}.")
    if trait in _NOT_NEGATIVE and value < 0:
        raise UsageError(f"The trait {trait} cannot be negative: {value}.")
    if trait == "verbosity" and not 0 < value <= 100:
        raise UsageError(f"The trait verbosity must lie above 0 and at most at 100, not be {value}.")
    if trait == "context" and value < 1:
        raise UsageError(f"The trait context must be at least 1, not {value}.")


PRESETS: dict[str, SimulatedModel] = {
    "strong": SimulatedModel(name="strong", ability=1.2),
    "good": SimulatedModel(name="good", ability=0.4, verbosity=1.4),
    "fair": SimulatedModel(name="fair", ability=-0.4, verbosity=0.8),
    "weak": SimulatedModel(name="weak", ability=-1.2),
    "judge": SimulatedModel(name="judge", sharpness=3.0, tie_zone=0.3),
    "biased-judge": SimulatedModel(name="biased-judge", sharpness=3.0, position_bias=0.8, tie_zone=0.1, invalid=0.01),
    "noisy-judge": SimulatedModel(name="noisy-judge", sharpness=0.7, tie_zone=0.3),
    "coin-judge": SimulatedModel(name="coin-judge", sharpness=0.0, tie_zone=0.0),
}
"""The models known by name: four writers of clearly different ability, and four judges."""


def parse_model(name: str, defaults: Mapping[str, float] | None = None) -> SimulatedModel:
    """Return the model that a name stands for: a preset, with traits changed after `?`.

    >>> parse_model("judge?position_bias=1&seed=7").position_bias
    1.0

    Args:
        name: `NAME` or `NAME?trait=value&trait=value`, with or without `sim:`.
        defaults: Traits that every model has unless its name says otherwise; they go before the preset's.

    Raises:
        UsageError: the name, a trait or a value is not known.
    """
    spec = name.removeprefix(PREFIX)
    family, asks, query = spec.partition("?")
    if family not in PRESETS:
        raise UsageError(f"There is no simulated model '{family}'.", did_you_mean(family, PRESETS))
    traits: dict[str, Any] = {}
    for trait, value in (defaults or {}).items():
        _check_known(trait, PREFIX)
        traits[trait] = value
    explicit: dict[str, float] = {}
    for setting in query.split("&") if asks else []:
        trait, _, value_text = setting.partition("=")
        _check_known(trait, spec)
        if trait in explicit:
            raise UsageError(f"'{spec}' sets the trait {trait} twice.", "Keep one of the two.")
        explicit[trait] = _read(trait, value_text, spec)
    return replace(PRESETS[family], name=spec, **(traits | explicit))


def _check_known(trait: str, where: str) -> None:
    if trait not in TRAITS:
        message = f"'{trait}' in '{where}' is not a trait of a simulated model."
        raise UsageError(message, did_you_mean(trait, TRAITS))


def _read(trait: str, text: str, where: str) -> float:
    kind = TRAITS[trait]
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise UsageError(f"'{text}' in '{where}' is not {wanted}, which {trait} must be.") from None
