"""The app: every command under its name."""

from importlib.metadata import version
from typing import Annotated

import typer

from . import batch, cache, models
from .apps import Command, new_app
from .demo import demo
from .export import export
from .filter import filter_
from .generate import generate
from .inspect import inspect
from .judge import judge
from .leaderboard import leaderboard
from .rank import rank
from .repeats import repeats
from .run import run
from .simulate import simulate

COMMANDS: dict[str, Command] = {
    "generate": generate,
    "judge": judge,
    "rank": rank,
    "filter": filter_,
    "export": export,
    "leaderboard": leaderboard,
    "repeats": repeats,
    "run": run,
    "inspect": inspect,
    "demo": demo,
    "simulate": simulate,
}

EXAMPLES = {
    "generate": "prefpipe generate prompts.jsonl -o responses.parquet --model gpt-4o-mini --model sim:weak -n 2",
    "judge": "prefpipe judge responses.parquet -o votes.parquet --judge gpt-4o --protocol listwise --repeats 5",
    "rank": "prefpipe rank votes.parquet -o rankings.parquet --responses responses.parquet",
    "filter": "prefpipe filter rankings.parquet -o kept.parquet --dropped dropped.parquet --keep-top 0.5",
    "export": "prefpipe export kept.parquet --responses responses.parquet -o preferences.parquet --format dpo",
    "leaderboard": "prefpipe leaderboard votes.parquet --responses responses.parquet --scale elo",
    "repeats": "prefpipe repeats votes.parquet --reliability 0.9",
    "run": "prefpipe run recipe.toml -o out/",
    "inspect": "prefpipe inspect votes.parquet --rows 2",
    "demo": "prefpipe demo -o demo/",
    "simulate": "prefpipe simulate --port 8089",
}

GROUPS = {"models": models.app, "cache": cache.app, "batch": batch.app}

app = new_app(
    "prefpipe", {name: (command, EXAMPLES[name]) for name, command in COMMANDS.items()}, example="prefpipe demo"
)

for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prefpipe {version('prefpipe')}")
        raise typer.Exit


@app.callback()
def prefpipe(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Turn prompts into preference datasets that can be trusted.

    Stages read and write tables: prompts → generate → judge → rank → filter → export → preferences.
    """


def main() -> None:
    """Run the command that the arguments name."""
    app()
