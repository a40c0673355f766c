"""The table at the end of a run: each case of `tests/faults` on each database, how it ended, and its figures.

A case gives its figures by the fixture `figures`: `figures(acknowledged=310, recovered_seconds=0.8)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["Case", "figures", "table"]

Figures = Callable[..., None]

_FIGURES = "figures"


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Give numbers to the table at the end of the run; units stand in their names."""

    def note(**numbers: float) -> None:
        # As properties of the test they reach the table from the processes of pytest-xdist too.
        request.node.user_properties.append((_FIGURES, {k: round(v, 2) for k, v in numbers.items()}))

    return note


@dataclass
class Case:
    """One test of the folder on one database, as its reports tell it."""

    nodeid: str
    result: str = "passed"
    seconds: float = 0
    database: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """Take in what a phase of the test says."""
        self.seconds += report.duration
        if report.outcome != "passed":
            self.result = "failed as known" if hasattr(report, "wasxfail") else report.outcome
        if report.when == "teardown":
            properties = dict(report.user_properties)
            self.database = str(properties.get("driver", ""))
            self.figures = {
                name: value
                for key, each in report.user_properties
                if key == _FIGURES
                for name, value in each.items()
            }

    @property
    def cells(self) -> tuple[str, ...]:
        path, _, name = self.nodeid.partition("::")
        test, _, parameters = name.partition("[")
        others = [part for part in self.others(parameters.rstrip("]")) if part]
        case = f"{Path(path).stem.removeprefix('test_')}: {test.removeprefix('test_').replace('_', ' ')}"
        shown = " ".join(f"{name}={value:g}" for name, value in self.figures.items())
        return (
            f"{case} {' '.join(others)}".strip(),
            self.database,
            self.result,
            f"{self.seconds:.1f}",
            shown,
        )

    def others(self, parameters: str) -> list[str]:
        """The parameters of a test but for its database, which has a column of its own."""
        return parameters.replace(self.database, "").split("-") if self.database else parameters.split("-")


class Table:
    """Collects the reports of a run; with pytest-xdist they all come to its controller."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid.startswith("tests/faults/"):
            self.cases.setdefault(report.nodeid, Case(report.nodeid)).add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in table(self.cases.values()):
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Table(), "splice-faults")


def table(cases: Iterable[Case]) -> list[str]:
    """Aligned lines: a head, then one for each case."""
    rows = sorted(case.cells for case in cases if case.database or case.result != "passed")
    if not rows:
        return []
    head = ("case", "database", "result", "seconds", "figures")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))]
