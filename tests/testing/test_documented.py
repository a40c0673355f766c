"""What the kit offers has its place on the page about it."""

from __future__ import annotations

import inspect
import re

import pytest

from splice import testing
from splice.testing import Statements, assert_problem, plugin
from tests.docs.runner import ROOT
from tests.docs.test_documented import headings, own_members, rows

PAGE = ROOT / "docs" / "reference" / "testing.md"
FIXTURES = [name for name in plugin.__all__ if not name.startswith("pytest_")]


@pytest.mark.parametrize("name", testing.__all__)
def test_a_public_name_has_a_heading(name):
    """Whoever imports a name from splice.testing finds it explained."""
    assert f"## `{name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FIXTURES)
def test_a_fixture_has_a_row(name):
    """Every fixture that the plugin offers stands in a table."""
    assert name in rows("testing.md")


def test_no_fixture_is_made_up():
    """Every fixture of the table is there."""
    table = PAGE.read_text(encoding="utf-8").split("| fixture |")[1].split("\n\n")[0]

    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(FIXTURES)


@pytest.mark.parametrize("name", ["splice_app", "splice_database", "splice_tables"])
def test_a_setting_has_a_row(name, pytestconfig):
    """Every setting is known to pytest, and explained."""
    assert pytestconfig.getini(name) == ""
    assert name in rows("testing.md")


def test_the_marker_has_a_heading(pytestconfig):
    """The marker is registered, and explained."""
    assert any(line.startswith("real_commits:") for line in pytestconfig.getini("markers"))
    assert "`real_commits`" in headings(PAGE)


def test_parameters_have_a_row():
    """Every parameter of assert_problem and every member of Statements stands in a table."""
    offered = set(inspect.signature(assert_problem).parameters) | own_members(Statements)

    assert offered - rows("testing.md") == set()
