import asyncio
import selectors

import pytest


class _Selector(selectors.DefaultSelector):
    """Passes the time at once for which a loop would sleep."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("The loop would wait for ever.")
        if not events:
            self.now += timeout or 0.0
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next thing that is due: an hour of waiting costs nothing."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have time pass at once in all loops that are made from now on."""
    monkeypatch.setattr("asyncio.events.new_event_loop", VirtualLoop)
