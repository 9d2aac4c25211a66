"""The tokens of an answer and their probabilities, as chat completions give them under `logprobs`."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

_Octet = Annotated[int, Meta(ge=0, le=255)]
_Logprob = Annotated[float, Meta(le=0.01)]  # 0 but for rounding: nothing is more probable than certain


class _Listed(msgspec.Struct):
    token: str
    logprob: _Logprob
    octets: list[_Octet] | None = msgspec.field(default=None, name="bytes")

    @property
    def text(self) -> bytes:
        """What the token stands for: as bytes, since a character may be spread over several tokens."""
        return self.token.encode("utf-8", "surrogatepass") if self.octets is None else bytes(self.octets)


class Token(_Listed):
    """A token of an answer.

    Attributes:
        token: As the server writes it.
        logprob: The natural logarithm of its probability.
        octets: What it stands for, where the server says so.
        top_logprobs: The likeliest tokens in its place, where the server lists them.
    """

    top_logprobs: list[_Listed] | None = None

    @property
    def likeliest(self) -> list[tuple[bytes, float]]:
        """The likeliest tokens in its place with the logarithms of their probabilities; itself may be among them."""
        return [(listed.text, listed.logprob) for listed in self.top_logprobs or ()]


class _Logprobs(msgspec.Struct):
    content: list[Token] | None = None


_decode = msgspec.json.Decoder(_Logprobs).decode


def read_tokens(raw: bytes | None) -> Sequence[Token]:
    """Return the tokens of an answer, given its `logprobs`; none where the server gives none that can be read.

    Joined, they are the answer's content; some servers add the reasoning before it and the token that ends it.
    """
    if raw is None:
        return ()
    try:
        return _decode(raw).content or ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()
