"""What splice offers is documented: names, parameters, problems and modules have a place, and links lead to one."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import splice
from splice import Database, Resource, errors, install
from splice.problems import document, explain, problem_classes
from tests.docs.runner import ROOT
from tests.test_imports import LAYERS, MODULES, room

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
# Only those of splice itself: other tests make problem types of their own.
PROBLEMS = [found for found in problem_classes() if found.__module__ == errors.__name__]
# Where something is documented, the first cell of a row of a table, or a heading, says its name.
ROW = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rows(page: str) -> set[str]:
    """The names that the tables of a page explain."""
    return {name for cell in ROW.findall(text(REFERENCE / page)) for name in re.findall(r"`(\w+)`", cell)}


def links(page: Path) -> list[str]:
    """Where a page leads, code left out."""
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", text(page), flags=re.MULTILINE | re.DOTALL)
    return LINK.findall(prose)


def headings(path: Path) -> list[str]:
    return HEADING.findall(text(path))


def own_members(cls: type) -> set[str]:
    """The public attributes that a class or its instances have of themselves."""
    assigned = set(re.findall(r"self\.([A-Za-z]\w*)(?:: [^=\n]+)? =", inspect.getsource(cls)))
    return assigned | {name for name in vars(cls) if not name.startswith("_")}


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self"}  # type: ignore[arg-type]  # a callable


@pytest.mark.parametrize("name", sorted(splice.__all__))
def test_a_public_name_has_a_heading(name):
    """Whoever looks a name up finds a heading of the reference."""
    found = [heading for path in REFERENCE.glob("*.md") for heading in headings(path)]

    assert any(f"`{name}`" in heading for heading in found)


@pytest.mark.parametrize(
    ("function", "page"),
    [
        (Resource, "resource.md"),
        (Database.__init__, "database.md"),
        (install, "install.md"),
        (errors.Problem, "errors.md"),
    ],
    ids=["Resource", "Database", "install", "Problem"],
)
def test_parameters_have_a_row(function, page):
    """Every parameter stands in the table of its page."""
    assert parameters(function) - rows(page) == set()


@pytest.mark.parametrize(("cls", "page"), [(Resource, "resource.md"), (Database, "database.md")])
def test_members_have_a_row(cls, page):
    """Every public attribute and method stands in a table, or in the text where APIRouter has it too."""
    unlisted = own_members(cls) - rows(page)

    assert {name for name in unlisted if f"`{name}`" not in text(REFERENCE / page)} == set()


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_an_error_class_is_named(name):
    """Every class that a user can raise or catch stands on the page of problems."""
    assert f"`{name}`" in text(REFERENCE / "errors.md")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_a_problem_has_its_section(problem):
    """The section of a code names its status, its class and its title."""
    section = text(REFERENCE / "errors.md").split(f"\n## {problem.code}\n")[1].split("\n## ")[0]

    words = " ".join(section.split())
    assert words.startswith(f"Status {problem.status}, `{problem.__name__}`")
    assert f"*{problem.title}.*" in words


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_a_problem_type_leads_to_its_page(problem):
    """The `type` of a document ends in the code under which the service explains it."""
    written = document(problem(), {"headers": []})

    explained = explain(written["type"].removeprefix("/problems/"))

    assert explained is not None
    assert (explained["code"], explained["status"]) == (problem.code, written["status"])


def test_no_problem_is_made_up():
    """Every section of the page belongs to a class."""
    sections = re.findall(r"^## ([\w-]+)$", text(REFERENCE / "errors.md"), re.MULTILINE)

    assert set(sections) == {problem.code for problem in PROBLEMS}


@pytest.mark.parametrize("module", sorted({room(path) for path in MODULES} - {"__init__"}))
def test_a_module_is_on_the_map(module):
    """The map of the code has a paragraph for every module."""
    assert f"\n**`{module}`**: " in text(DOCS / "explanation" / "code-map.md")


def test_the_map_draws_the_layers():
    """The drawing is that of the test which holds the modules to it, the highest layer first."""
    drawing = text(DOCS / "explanation" / "code-map.md").split("```text\n")[1].split("```")[0]
    modules = {room(path) for path in MODULES} - {"__init__"}

    drawn = [set(line.split("  #")[0].split()) for line in drawing.splitlines()]

    assert drawn == [layer & modules for layer in reversed(LAYERS) if layer & modules]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page):
    """Every link between pages and files is there."""
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_stands_in_the_index(page):
    """The index leads to every page."""
    indexed = {(DOCS / link).resolve() for link in links(DOCS / "README.md")}

    assert page == DOCS / "README.md" or page.resolve() in indexed
