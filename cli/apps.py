"""What the program and its groups of commands have in common."""

from collections.abc import Callable, Mapping

import typer

from .boundary import guarded

Command = Callable[..., None]


def new_app(
    name: str, commands: Mapping[str, tuple[Command, str]], *, about: str | None = None, example: str
) -> typer.Typer:
    """Return an app of commands.

    Args:
        name: What the app is called.
        commands: Each command by name, with an example for its help.
        about: The sentence at the top of the app's help; None where its callback says it.
        example: The example at its end.
    """
    app = typer.Typer(
        name=name,
        help=about,
        epilog=f"Example: {example}",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for word, (command, its_example) in commands.items():
        app.command(word, epilog=f"Example: {its_example}")(guarded(command))
    return app
