"""What every protocol can tell: which questions to ask, what to send, what the answer says. Each is a module."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from . import listwise, pairwise
from .material import Conversation
from .questions import Question, Verdict


class JudgingProtocol(Protocol):
    """A way to ask judges about the candidates of a prompt."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """What it is called in tables, options and templates."""

    @property
    def HAS_ORDERS(self) -> bool:  # noqa: N802
        """Whether the same candidates may be asked about in both orders, or in one."""

    @property
    def MOST_CANDIDATES(self) -> int | None:  # noqa: N802
        """The most candidates that a prompt may have; None where any number will do."""

    @property
    def MENU(self) -> tuple[str, ...]:  # noqa: N802
        """The verdicts to choose from, where each is one word that has a probability; else nothing."""

    def questions(self, candidates: int, repeats: int, orders: str, /, *stream: object) -> Iterator[Question]:
        """Yield the questions about so many candidates; what chance decides depends on the stream alone."""

    def count(self, candidates: int, orders: str, /) -> int:
        """Return how many questions so many candidates give at each repeat."""

    def messages(
        self, question: Question, conversation: Conversation, texts: list[str], *, in_json: bool
    ) -> list[dict[str, str]]:
        """Return what is sent, given the texts of all candidates."""

    def schema(self, slots: int, /) -> dict[str, Any]:
        """Return the JSON schema of an answer that is to be an object."""

    def verdict(self, completion: str, slots: int, /) -> Verdict:
        """Return what a completion says of its slots."""

    def verdict_in_json(self, completion: str, slots: int, /) -> Verdict:
        """Return what a completion says that was to be an object."""


PROTOCOLS: Mapping[str, JudgingProtocol] = {pairwise.NAME: pairwise, listwise.NAME: listwise}
