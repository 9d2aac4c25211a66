"""Why a run ends before its time, and what to do: everything that was answered is kept."""

from ..errors import RunError
from .failures import CallError
from .models import Model

GO_ON = "Answers so far are kept; run the same command again to continue."


def bound_reached(why: str) -> RunError:
    """Return the end of a run that the user bounded."""
    return RunError(f"The run stopped: {why}.", GO_ON)


def refused(model: Model, error: CallError) -> RunError:
    """Return the end of a run because of a wrong key, an unknown model, or an account without money."""
    message = f"{' and '.join(model.base_urls)} does not serve {model.name}: {error.reason}"
    return RunError(
        message if message.endswith(".") else f"{message}.",
        f"Check the model's name, its address and the key in {model.key_variable}. {GO_ON}",
    )


def unreachable(model: Model, error: CallError) -> RunError:
    """Return the end of a run because no server of a model was ever reached."""
    return RunError(
        f"The server of {model.name} cannot be reached: {error.reason}.",
        "Check the address, and that the server is running.",
    )


def silent(model: Model, seconds: float, error: CallError) -> RunError:
    """Return the end of a run because all calls to a model have gone wrong for so long."""
    return RunError(f"No call to {model.name} succeeded for {seconds / 60:.0f} min: {error.reason}.", GO_ON)


def asks_to_wait(model: Model, seconds: float) -> RunError:
    """Return the end of a run because a server asks for so much patience."""
    return RunError(
        f"The server of {model.name} takes no more calls for {seconds / 3600:.1f} h: a limit is used up.", GO_ON
    )
