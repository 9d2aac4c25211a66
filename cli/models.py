"""prefpipe models: the models of prefpipe.toml, and what each of them can do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .apps import Command, new_app
from .options import ResultJson
from .progress import progress
from .terminal import say, show, show_json
from .text import aligned, money

if TYPE_CHECKING:
    from ..pipeline.llm.probe import Probe
    from ..pipeline.llm.probe_questions import Heed
    from ..pipeline.models import Check, Listed

TIMEOUT_SECONDS = 60.0


def listed(json: ResultJson = False) -> None:
    """Show the models of prefpipe.toml: servers, keys, prices and limits. Nothing is sent."""
    from ..pipeline import models as stage

    models = stage.show()
    if json:
        show_json(models)
    elif models:
        show(aligned([_LISTED, *map(_cells, models)]))
    else:
        show("prefpipe.toml names no model. Any other can be used by its name, or as name@address.")


def check(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Models to check; all those of prefpipe.toml if none is named."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Maximum seconds for each question.")] = TIMEOUT_SECONDS,
    json: ResultJson = False,
) -> None:
    """Ask models a few tiny questions to see whether they answer and what they accept. Nothing is stored."""
    from ..pipeline import models as stage

    say("Asking each model a few questions of a few tokens; nothing is stored.")
    with progress("models check") as meter:
        found = stage.check(models or (), timeout=timeout, meter=meter)
    if json:
        show_json(found)
    else:
        show(_report(found))
    say(_bill(found.probes))
    if any(probe.problem for probe in found.probes):
        raise typer.Exit(1)


COMMANDS: dict[str, tuple[Command, str]] = {
    "show": (listed, "prefpipe models show"),
    "check": (check, "prefpipe models check sim:strong llama-3@http://localhost:8000/v1"),
}

app = new_app(
    "models",
    COMMANDS,
    about="Show the models of prefpipe.toml, and check what they can do.",
    example="prefpipe models check",
)

_LISTED = (
    "model",
    "asked as",
    "server",
    "key",
    "prompt price",
    "completion price",
    "calls/min",
    "tokens/min",
    "in flight",
)
_PROBED = ("model", "server", "answers", "seconds", "usage", "limit", "temperature", "seed", "logprobs", "schema")


def _cells(model: "Listed") -> tuple[str, ...]:
    price = model.price
    amounts = [price and price.prompt, price and price.completion, model.requests_per_minute, model.tokens_per_minute]
    return (
        model.model,
        model.sent_name,
        " ".join(model.servers),
        f"{model.key_variable}{'' if model.key_is_set else ' (not set)'}",
        *(("?" if place < 2 else "") if amount is None else f"{amount:,g}" for place, amount in enumerate(amounts)),
        str(model.concurrency or ""),
    )


def _report(found: "Check") -> Iterator[str]:
    yield from aligned([_PROBED, *map(_row, found.probes)])
    for probe in found.probes:
        yield from ("", *_notes(probe))
    if found.advice:
        yield from ("", "For prefpipe.toml:")
        for lines in found.advice.values():
            yield from ("", *lines.split("\n"))


def _row(probe: "Probe") -> tuple[str, ...]:
    if probe.problem is not None:
        return (probe.model, probe.server, "no", *[""] * (len(_PROBED) - 3))
    heeds = probe.heeds
    return (
        probe.model,
        probe.server,
        "yes",
        f"{probe.seconds:.2f}",
        "yes" if probe.usage else "no",
        _limit(heeds),
        *(heeds[name] for name in ("temperature", "seed", "logprobs", "json_schema")),
    )


def _limit(heeds: "Mapping[str, Heed]") -> str:
    """Return the names by which the server knows the limit of an answer."""
    names = ("max_tokens", "max_completion_tokens")
    heeded = [name for name in names if heeds[name] == "yes"]
    if len(heeded) == 2:
        return "both names"
    return heeded[0] if heeded else "unclear" if "unclear" in {heeds[name] for name in names} else "none"


def _notes(probe: "Probe") -> Iterator[str]:
    """Yield what has no room in the table."""
    if probe.problem is not None:
        yield f"{probe.model} cannot be used: {probe.problem.removesuffix('.')}."
        if probe.hint:
            yield f"  {probe.hint}"
        return
    yield f"{probe.model} answers as {probe.snapshot or 'a model without a name'}; price: {probe.price or 'not known'}"
    if probe.reasoning:
        yield "  answers show what the model thought"
    if probe.rate_limits:
        yield "  " + " · ".join(f"{name} {value}" for name, value in sorted(probe.rate_limits.items()))
    for name, reason in probe.refusals.items():
        yield f"  {name} refused: {reason}"


def _bill(probes: Sequence["Probe"]) -> str:
    tokens = sum(probe.prompt_tokens + probe.completion_tokens for probe in probes)
    known, unknown = sum(probe.spent.known for probe in probes), sum(probe.spent.unknown for probe in probes)
    left_out = f" and {unknown:,} answers of unknown price" if unknown else ""
    return f"{sum(probe.calls for probe in probes):,} answers, {tokens:,} tokens, {money(known)}{left_out}"
