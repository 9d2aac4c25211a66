"""Answers that arrive in any order, given out in the order of their questions."""

from collections.abc import Callable
from typing import Generic, TypeVar

About = TypeVar("About")
Answered = TypeVar("Answered")


class InOrder(Generic[About, Answered]):
    """What was planned, and the answers of it that wait for an earlier one.

    Attributes:
        planned: How many were planned.
        emitted: How many of them were given out.
        held: The size of all answers that wait, as `size` measures them.
    """

    def __init__(self, size: Callable[[Answered], int]) -> None:
        self.planned = 0
        self.emitted = 0
        self.held = 0
        self._size = size
        self._complete = 0
        self._about: dict[int, About] = {}
        self._answers: dict[int, Answered] = {}

    @property
    def ready(self) -> int:
        """How many can be given out."""
        return self._complete - self.emitted

    def plan(self, about: About) -> int:
        """Take what will be answered, and return its place."""
        place = self.planned
        self._about[place] = about
        self.planned += 1
        return place

    def answer(self, place: int, answer: Answered) -> None:
        """Take the answer of a place."""
        self._answers[place] = answer
        self.held += self._size(answer)
        while self._complete in self._answers:
            self._complete += 1

    def take(self, most: int) -> list[tuple[About, Answered]]:
        """Give out the next answers in order, so many at most."""
        last = min(self._complete, self.emitted + most)
        batch = [(self._about.pop(place), self._answers.pop(place)) for place in range(self.emitted, last)]
        self.emitted = last
        self.held -= sum(self._size(answer) for _, answer in batch)
        return batch
