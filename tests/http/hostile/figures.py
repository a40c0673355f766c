"""The line at the end of a run that says how many hostile requests were sent, and of which kind.

A test says what it sends by the fixture `sends`: `sends("cursors", 956)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pytest

__all__ = ["Sends", "sends"]

Sends: TypeAlias = Callable[[str, int], None]

_SENT = "hostile requests"


@pytest.fixture
def sends(request: pytest.FixtureRequest) -> Sends:
    """Count requests of a kind."""

    def count(kind: str, number: int) -> None:
        # As properties of the test they come from the processes of pytest-xdist, too.
        request.node.user_properties.append((_SENT, (kind, number)))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = sent(terminalreporter)
    if counts:
        parts = ", ".join(f"{kind} {number}" for kind, number in counts.items())
        terminalreporter.write_line(f"hostile requests: {counts.total()} ({parts})")


def sent(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many requests of each kind were sent, on all databases together."""
    counts: Counter[str] = Counter()
    reports = [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]
    for report in reports:
        for kind, number in (value for key, value in report.user_properties if key == _SENT):
            counts[kind] += number if report.when == "call" else 0
    return counts
