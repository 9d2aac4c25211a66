"""prefpipe models: those of prefpipe.toml, and what each of them can do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import guarded
from .progress import progress
from .terminal import console, show

if TYPE_CHECKING:
    from ..pipeline.llm.probe import Probe
    from ..pipeline.llm.probe_questions import Heed
    from ..pipeline.models import Check, Listed

Json = Annotated[bool, typer.Option("--json", help="Print all of it as JSON on standard output.")]

app = typer.Typer(
    name="models",
    help="Show the models of prefpipe.toml, and check what they can do.",
    epilog="Example: prefpipe models check",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def listed(json: Json = False) -> None:
    """Show the models of prefpipe.toml: servers, keys, prices and limits. Nothing is asked."""
    from ..pipeline.models import show as look

    models = look()
    if json:
        _print_json(models)
    elif models:
        show("\n".join(_aligned(_LISTED, [_cells(model) for model in models])))
    else:
        show("prefpipe.toml names no model. One that stands elsewhere can be used by its name or name@address.")


def check(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Any models; all of prefpipe.toml if none is named.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each question may take.")] = 60.0,
    json: Json = False,
) -> None:
    """Ask models a few tiny questions: whether they answer, and what they can be sent. Nothing is kept."""
    from ..pipeline.models import check as ask

    console.print("Asking each model a few questions of a few tokens; nothing is kept.")
    with progress("models check") as meter:
        found = ask(models or (), timeout=timeout, meter=meter)
    if json:
        _print_json(found)
    else:
        show("\n".join(_report(found)))
    console.print(_bill(found.probes), markup=False)
    if any(probe.problem for probe in found.probes):
        raise typer.Exit(1)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "show": (listed, "prefpipe models show"),
    "check": (check, "prefpipe models check sim:strong llama-3@http://localhost:8000/v1"),
}

for name, (command, example) in COMMANDS.items():
    app.command(name, epilog=f"Example: {example}")(guarded(command))

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


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


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
    yield from _aligned(_PROBED, [_row(probe) for probe in found.probes])
    for probe in found.probes:
        yield from ("", *_notes(probe))
    if found.advice:
        yield "\nFor prefpipe.toml:"
        for lines in found.advice.values():
            yield f"\n{lines}"


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
    money = f"${known:,.{2 if known >= 1 or not known else 6}f}"
    left_out = f" and {unknown:,} answers of unknown price" if unknown else ""
    return f"{sum(probe.calls for probe in probes):,} answers, {tokens:,} tokens, {money}{left_out}"


def _aligned(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
