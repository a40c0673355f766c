"""A whole unit of work, run again where that is safe and may help."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from splice.drivers import classify
from splice.errors import CommitUnknown, Problem
from splice.faults import attempts_at

__all__ = ["repeated", "repeated_blocking"]

_T = TypeVar("_T")

_SECONDS: Final = 5.0
"""No unit is begun again after this time."""
_LONGEST_PAUSE_SECONDS: Final = 0.5


async def repeated(unit: Callable[[], Awaitable[_T]], until: float | None = None) -> _T:
    """Run a whole unit of work, and again after a pause of random length while that may help.

    Args:
        unit: Begins a transaction and ends it; one that has failed has left nothing behind.
        until: When it is too late to begin again, by `time.monotonic`; after five seconds in any case.

    Raises:
        CommitUnknown: It may be stored, so it was not run again.
        Problem: What the last run has met.
    """
    tries = _Tries(until)
    while True:
        try:
            return await unit()
        except Exception as error:
            pause = tries.pause_after(error)
            if pause is None:
                raise
        await anyio.sleep(pause)


def repeated_blocking(unit: Callable[[], _T]) -> _T:
    """The same, where there is no event loop."""
    tries = _Tries()
    while True:
        try:
            return unit()
        except Exception as error:
            pause = tries.pause_after(error)
            if pause is None:
                raise
        time.sleep(pause)


class _Tries:
    """How often a unit has been run, and whether it is to be run again."""

    def __init__(self, until: float | None = None) -> None:
        self._number = 0
        self._until = min(time.monotonic() + _SECONDS, until or float("inf"))

    def pause_after(self, error: Exception) -> float | None:
        """Seconds to wait before the next run; None where there shall be none."""
        self._number += 1
        pause = random.uniform(0, min(0.02 * 2**self._number, _LONGEST_PAUSE_SECONDS))  # noqa: S311  # spreads load
        is_last = self._number >= _attempts_at(error) or time.monotonic() + pause > self._until
        return None if is_last else pause


def _attempts_at(error: Exception) -> int:
    if isinstance(error, CommitUnknown):
        return 1
    cause = error.__cause__ if isinstance(error, Problem) else error
    fault = None if cause is None else classify(cause)
    return 1 if fault is None else attempts_at(fault)
