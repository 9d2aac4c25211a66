"""prefpipe simulate."""

from typing import Annotated

import typer

from .terminal import say


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 8089,
    host: Annotated[
        str, typer.Option(help="The address to listen on; only this machine can reach the default.")
    ] = "127.0.0.1",
    api_key: Annotated[
        str | None, typer.Option(envvar="PREFPIPE_SIMULATOR_KEY", help="Refuse calls without this key.")
    ] = None,
    trait: Annotated[
        list[str] | None,
        typer.Option(
            help="A trait of all models, such as error_429=0.1, error_500=0.05, latency=0.5; repeat for more."
        ),
    ] = None,
) -> None:
    """Serve simulated models on a port, as an OpenAI-compatible server."""
    from ..pipeline.llm.simulator import Simulator, run

    run(
        Simulator(api_key, _traits(trait or [])),
        host,
        port,
        on_ready=lambda url: say(f"Serving {url} until Ctrl-C"),
    )


def _traits(settings: list[str]) -> dict[str, float]:
    traits = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            traits[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"'{setting}' is not a name and a number, such as latency=0.5") from None
    return traits
