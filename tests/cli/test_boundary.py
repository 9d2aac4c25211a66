import pytest
import typer

from prefpipe.cli.boundary import guarded
from prefpipe.pipeline.errors import RunError, UsageError, WaitingError


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (UsageError("There is no file a.", "Check it."), 2, "error: There is no file a.\nhint:  Check it.\n"),
        (RunError("The server is gone."), 1, "error: The server is gone.\n"),
        (WaitingError("1 batch is under way.", "Wait."), 75, "waiting: 1 batch is under way.\nhint:  Wait.\n"),
    ],
)
def test_an_error_that_a_user_can_act_on_becomes_a_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, shown: str
) -> None:
    @guarded
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == code
    assert capsys.readouterr() == ("", shown)


def test_ctrl_c_becomes_130_and_says_that_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    @guarded
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == 130
    assert "run the same command again" in capsys.readouterr().err


def test_an_option_that_is_quoted_does_not_steer_the_terminal() -> None:
    @guarded
    def command() -> None:
        raise typer.BadParameter("'\x1b[31mred\n' is no number")

    with pytest.raises(typer.BadParameter) as error:
        command()
    assert error.value.message == "'�[31mred ' is no number"


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    @guarded
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()


def test_a_guarded_command_keeps_its_name_and_its_options() -> None:
    @guarded
    def command(name: str, size: int = 3) -> None:
        """Do it."""
        assert (name, size) == ("a", 3)

    assert (command.__name__, command.__doc__) == ("command", "Do it.")
    command("a")
