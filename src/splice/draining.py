"""The time between the signal that ends a service and its end: it says that it is not ready, and goes on serving."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeAlias

__all__ = ["Drain"]

_Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_LOGGER: Final = logging.getLogger("splice")


class Drain:
    """Keeps the signal that ends a service from its server for some seconds; a second one is passed on at once.

    Balancers take a service out of rotation when it is not ready, and need a moment to notice. A server that stops to
    listen at the signal refuses whatever they send meanwhile.

    Args:
        seconds: How long the service goes on; 0 passes each signal on at once.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds: float = seconds
        self.has_begun: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Stand before the server's own handler of SIGTERM until the end of the block.

        Only the main thread may do so, and only where there is a handler to pass the signal on to.
        """
        ends = signal.getsignal(signal.SIGTERM)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not self.seconds or not in_main_thread or not callable(ends):
            yield
            return
        handler = self._drain(asyncio.get_running_loop(), ends)
        signal.signal(signal.SIGTERM, handler)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGTERM) is handler:
                signal.signal(signal.SIGTERM, ends)

    def _drain(self, loop: asyncio.AbstractEventLoop, end: _Handler) -> _Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            if self.has_begun:
                end(number, frame)
                return
            self.has_begun = True
            # Not from here: a handler may interrupt anything, the loop included.
            loop.call_soon_threadsafe(self._end_later, loop, lambda: end(number, None))

        return handle

    def _end_later(self, loop: asyncio.AbstractEventLoop, end: Callable[[], Any]) -> None:
        _LOGGER.warning("not ready from now on; shutting down in %g seconds", self.seconds)
        loop.call_later(self.seconds, end)
