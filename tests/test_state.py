"""splice keeps no state of its own: nothing at module level can change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import splice

MODULES = sorted(Path(splice.__file__).parent.rglob("*.py"))
CHANGEABLE = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
MAKERS = {
    "Counter",
    "OrderedDict",
    "WeakKeyDictionary",
    "WeakSet",
    "WeakValueDictionary",
    "bytearray",
    "defaultdict",
    "deque",
    "dict",
    "list",
    "set",
}


def changeable(code: str) -> list[str]:
    """What a module keeps that can change, each with its line."""
    tree = ast.parse(code)
    kept = [f"line {node.lineno}: {name}" for node, name in assignments(tree) if can_change(node)]
    moved = [f"line {node.lineno}: global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
    return kept + moved


def assignments(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """The values that a module names; tools read `__all__` as a list, and `Final` says that a value stays."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            annotation = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
            if name != "__all__" and "Final" not in annotation:
                yield node.value, name


def can_change(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1].split("[")[0] in MAKERS
    return isinstance(value, CHANGEABLE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_keeps_nothing_that_can_change(path):
    """Two apps in one process share nothing through splice."""
    assert changeable(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("seen = {}", ["line 1: seen"]),
        ("seen: dict[str, int] = dict()", ["line 1: seen"]),
        ("seen = collections.defaultdict(list)", ["line 1: seen"]),
        ("def f():\n    global seen", ["line 2: global"]),
        ("names = MappingProxyType({'a': 1})", []),
        ("names = frozenset({'a'})", []),
        ("names: Final = {'a': 1}", []),
        ("__all__ = ['f']", []),
    ],
)
def test_what_counts_as_changeable(code, found):
    """Containers that can change are found; frozen ones and constants are let through."""
    assert changeable(code) == found
