"""The checklist of docs/explanation/security.md is whole, and the tests that it names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.runner import ROOT

PAGE = ROOT / "docs" / "explanation" / "security.md"
OWASP = ROOT / "tests" / "http" / "test_owasp.py"
ITEMS = range(1, 11)
NAMED = re.compile(r"`(?:([\w/]+\.py)::)?(test_\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")


def row(item: int) -> list[str]:
    """The cells of the row of an item: its name, what is done, which tests hold it."""
    (line,) = re.findall(rf"^\| \*\*API{item}\*\* .*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def named(item: int) -> list[tuple[str, str]]:
    """The file and the name of each test in the row of an item."""
    return [(file or OWASP.name, name) for file, name in NAMED.findall(row(item)[2])]


def defined_in(path: Path) -> set[str]:
    """The tests that a file defines, in classes too."""
    tree = ast.parse(path.read_text("utf-8"))
    defined = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in defined if node.name.startswith("test_")}


def anchors(path: Path) -> set[str]:
    """What a page's headings are called in addresses."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_is_held_by_tests_that_are_there(item):
    """Each item of the list has its row, and each test that the row names is defined in the file that it says."""
    files = {file: next((ROOT / "tests").rglob(file)) for file, _ in named(item)}

    assert named(item) != []
    assert [(file, name) for file, name in named(item) if name not in defined_in(files[file])] == []


def test_no_test_is_left_out():
    """Every test against the list stands in a row, so that the page says all that is held."""
    told = {name for item in ITEMS for _, name in named(item)}

    assert defined_in(OWASP) - told == set()


@pytest.mark.parametrize("item", ITEMS)
def test_what_fails_as_known_is_told(item):
    """A test that is expected to fail is marked so in its row, and no other one."""
    (*_, cell) = row(item)
    failing = set(re.findall(r"`(test_\w+)` \([^)]*fails as known\)", cell))

    assert failing == {name for name in known_to_fail() if f"`{name}`" in cell}


def known_to_fail() -> set[str]:
    """The tests of the list some of whose cases are expected to fail."""
    source = OWASP.read_text("utf-8")
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return {
        node.name
        for node in found
        for mark in node.decorator_list
        if "xfail" in (ast.get_source_segment(source, mark) or "")
    }


@pytest.mark.parametrize("page", [ROOT / "SECURITY.md", PAGE], ids=lambda page: page.name)
def test_links_lead_to_a_place(page):
    """Each link leads to a file, and to a heading of it where it names one."""
    targets = [
        (page.parent / file if file else page, anchor)
        for file, anchor in LINK.findall(page.read_text("utf-8"))
    ]

    assert [str(path) for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in anchors(path)] == []
