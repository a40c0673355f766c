"""What splice offers is what it lists, in the package and in each of its modules."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import FunctionType

import pytest

import splice

PACKAGE = Path(splice.__file__).parent
# Without packages, which offer what their parts define, and without what runs when it is imported.
OTHERS = {*PACKAGE.rglob("__init__.py"), *PACKAGE.rglob("__main__.py"), *PACKAGE.rglob("env.py")}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - OTHERS)
# Shrinks only: names of modules that have yet to be listed, or to take an underscore.
PUBLIC = {
    "Database",
    "Page",
    "Paging",
    "Query",
    "Resource",
    "errors",
    "install",
    "private",
    "read_only",
    "write_once",
    "write_only",
}


def dotted(path: Path) -> str:
    """The name by which a file of the package is imported."""
    return ".".join(["splice", *path.relative_to(PACKAGE).with_suffix("").parts])


def test_the_public_names_are_these():
    """The surface stays small: a new public name is a decision, taken here."""
    assert set(splice.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_can_be_imported(name):
    """Every listed name is there."""
    assert hasattr(splice, name)


def test_the_package_has_no_unlisted_name():
    """What can be imported from splice and is neither private nor a module is listed."""
    modules = {dotted(path).split(".")[1] for path in MODULES}

    unlisted = {name for name in vars(splice) if not name.startswith("_")} - modules - {"annotations"}

    assert unlisted <= PUBLIC


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_lists_what_it_defines(path):
    """`__all__` of a module is what the module defines for others: no name less, and none more."""
    module = importlib.import_module(dotted(path))

    public = {name for name in defined(path) if not name.startswith("_")}
    assert set(module.__all__) == public


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_says_what_its_functions_do(path):
    """What a module offers has a docstring; an alias or a constant may speak for itself."""
    module = importlib.import_module(dotted(path))
    offered = [vars(module)[name] for name in module.__all__]

    silent = [made.__name__ for made in offered if isinstance(made, type | FunctionType) and not made.__doc__]
    assert silent == []


def defined(path: Path) -> set[str]:
    """The names that a module makes at its top level, whatever it imports."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names |= bound(node)
    return names


def bound(node: ast.stmt) -> set[str]:
    """The names that one statement makes."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()
