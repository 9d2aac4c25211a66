"""What a user should know after servers were asked for what not every server gives: schemas and probabilities."""

from collections.abc import Iterator, Mapping, Sequence

_OF_REFUSALS = ("--max-failures", "response_format", "schema", "logprob")
"""Words by which the reason of a run's end tells that a server may have refused what it was asked for."""


def asked_in_words(judges: Sequence[str]) -> Iterator[str]:
    """Name judges that were to give objects and are asked in words, because nothing is known of their servers."""
    if judges:
        yield (
            f"Not known to take a JSON schema, and so asked in words: {', '.join(judges)}. If the server takes one "
            '(`prefpipe models check` tells), write response_format = "json_schema" into the model\'s table of '
            "prefpipe.toml."
        )


def without_probabilities(votes: Mapping[str, int]) -> Iterator[str]:
    """Say how many valid votes of each judge carry no probabilities."""
    for judge, count in votes.items():
        yield (
            f"{count:,} valid votes by {judge} carry no probabilities, which its server did not give, or which leave "
            "the verdict open: their scores are null. They are ranked as usual."
        )


def remedies(schemas: Sequence[str], probabilities: Sequence[str]) -> str | None:
    """Return what to do if servers refuse what was asked of them; nothing where nothing special was.

    Args:
        schemas: The judges that were sent a schema.
        probabilities: The judges that were asked for probabilities.
    """
    found = []
    if schemas:
        found.append(
            f"If the server of {', '.join(schemas)} refuses the JSON schema, leave out --verdicts json, or write "
            'response_format = "none" into the model\'s table of prefpipe.toml.'
        )
    if probabilities:
        found.append(f"If the server of {', '.join(probabilities)} refuses to give logprobs, leave out --logprobs.")
    return " ".join(found) or None


def may_be_refused(reason: str) -> bool:
    """Tell whether a run ended because a server may have refused what it was asked for."""
    return any(word in reason.lower() for word in _OF_REFUSALS)
