"""A whole unit of work, run again where that is safe and may help."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from splice.drivers import classify
from splice.errors import CommitUnknown, Problem
from splice.faults import attempts_at

__all__ = ["repeated"]

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
    deadline = min(time.monotonic() + _SECONDS, until or float("inf"))
    for attempt in itertools.count(1):
        try:
            return await unit()
        except Exception as error:
            pause = random.uniform(0, min(0.02 * 2**attempt, _LONGEST_PAUSE_SECONDS))  # noqa: S311  # spreads load
            if attempt >= _attempts_at(error) or time.monotonic() + pause > deadline:
                raise
        await anyio.sleep(pause)
    raise AssertionError  # the count does not end


def _attempts_at(error: Exception) -> int:
    if isinstance(error, CommitUnknown):
        return 1
    cause = error.__cause__ if isinstance(error, Problem) else error
    fault = None if cause is None else classify(cause)
    return 1 if fault is None else attempts_at(fault)
