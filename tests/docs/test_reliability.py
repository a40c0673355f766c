"""The promises of docs/explanation/reliability.md have their tests, and the fault suite stands in it."""

from __future__ import annotations

import re

import pytest

from tests.docs.runner import ROOT
from tests.docs.test_security import defined_in

PAGE = (ROOT / "docs" / "explanation" / "reliability.md").read_text("utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and "---" not in line and "held by" not in line
]


def test_each_promise_names_a_test():
    """One that nothing holds is none."""
    assert [row for row in ROWS if not re.search(r"`test_\w+`", row.rsplit(" | ", 1)[1])] == []


def test_the_tests_are_there():
    """Each name on the page is one of a test."""
    there = {name for path in (ROOT / "tests").rglob("test_*.py") for name in defined_in(path)}

    assert set(re.findall(r"`(test_\w+)`", PAGE)) - there == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "faults").glob("test_*.py")), ids=lambda path: path.stem
)
def test_the_fault_suite_is_told(path):
    """Each file of cases holds something that is promised."""
    assert any(f"`{name}`" in PAGE for name in defined_in(path))
