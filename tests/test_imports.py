"""Imports point down the layers of the design, and nowhere else."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import splice

PACKAGE = Path(splice.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# The lowest layer first. A module imports from lower layers only, never from its own.
LAYERS = (
    {"terms", "errors", "marks", "english", "python_source"},
    {
        "grammar",
        "values",
        "drivers",
        "issues",
        "locks",
        "conventions",
        "names",
        "types",
        "settings",
        "loading",
        "signatures",
        "cursors",
        "draining",
        "hosts",
        "limits",
        "surroundings",
        "preferences",
    },
    {"parser", "documents", "spelling", "description", "loads"},
    {"reads", "operators"},
    {"keyset"},
    {"fingerprints", "readable", "conditions", "serializers", "exports", "examples"},
    {"suggestions", "schemas", "layouts", "paging"},
    {"plan"},
    {"statements", "faults", "engines", "creation", "hooks", "reflection", "vocabulary", "unreachable"},
    {
        "reading",
        "counts",
        "binds",
        "migrations",
        "sources",
        "programs",
        "components",
        "parameters",
        "repeats",
    },
    {"shapes", "bridge"},
    {"probes"},
    {"operations", "problems", "database"},
    {"routes", "downloads", "checks", "answers", "reports", "services"},
    {"transactions"},
    {"handlers"},
    {"openapi", "guard", "pages"},
    {"admin", "application", "router", "testing"},
    {"explain"},
    {"cli"},
    {"__init__", "__main__"},
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}


def room(path: Path) -> str:
    """The module of the design that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def height(name: str) -> int:
    """How high a module lies; one without a layer lies above all."""
    return HEIGHT.get(name, len(LAYERS))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, with the line: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(node, path)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """Where a from-import points, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = ["splice", *path.relative_to(PACKAGE).parent.parts]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def target(name: str) -> str:
    """The module of the design that a dotted name inside splice points to."""
    parts = name.split(".")
    modules = {room(path) for path in MODULES}
    return parts[1] if len(parts) > 1 and parts[1] in modules else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=room)
def test_imports_point_down(path):
    """A module imports from splice only what lies in a lower layer."""
    here = room(path)

    upward = [
        f"line {line}: {here} imports {name}"
        for line, name in imported(path)
        if name.split(".")[0] == "splice" and target(name) != here and height(target(name)) >= height(here)
    ]

    assert upward == []


@pytest.mark.parametrize("path", MODULES, ids=room)
def test_every_module_has_a_layer(path):
    """A new module takes its place in the layers before it is used."""
    assert room(path) in HEIGHT


@pytest.mark.parametrize("name", sorted(LAYERS[0]))
def test_the_lowest_layer_needs_only_the_standard_library(name):
    """The terms of a query and the errors could be used by a program without any web framework."""
    foreign = {module.split(".")[0] for _, module in imported(PACKAGE / f"{name}.py")} - {"splice"}

    assert foreign <= sys.stdlib_module_names
