"""splice keeps no state of its own: nothing at module level can change."""

from __future__ import annotations

import ast
import dataclasses
import datetime as dt
import importlib
import logging
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, MappingProxyType, ModuleType, UnionType
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined
from typing_extensions import TypeAliasType

import splice
from splice.marks import Mark

PACKAGE = Path(splice.__file__).parent
# The library; the command line and the plugin of pytest are programs, whose state is that of one run.
MODULES = sorted(path for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "__main__"})
# Shrinks only: what other libraries want as plain dictionaries, and what has yet to be frozen.
# Read-only proxies are looked into; a logger is Python's own registry, and a compiled pattern cannot be changed.
VALUES = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    dt.date,
    dt.time,
    dt.timedelta,
    re.Pattern,
    logging.Logger,
    TypeAdapter,  # compiled once, and as it is from then on
)
NAMES_OF_TYPES = (
    type,
    GenericAlias,
    UnionType,
    TypeAliasType,
    typing.TypeVar,
    type(typing.Any),
    type(list[int]),
)
# What stands in a frozen dataclass of Pydantic's for an argument that was not given.
SENTINELS = (type(PydanticUndefined),)
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)


def changeable(module: ModuleType, code: str) -> list[str]:
    """What a module keeps that can change, each by its name or line."""
    tree = ast.parse(code)
    kept = [name for name in assigned(tree) if can_change(getattr(module, name))]
    moved = [f"line {node.lineno}: global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
    own = {name: value for name, value in vars(module).items() if is_of(module, value)}
    cached = [name for name, value in own.items() if hasattr(value, "cache_clear")]
    return kept + moved + cached


def is_of(module: ModuleType, value: Any) -> bool:
    """Whether a function was made in this module, not imported."""
    return getattr(value, "__module__", None) == module.__name__


def assigned(tree: ast.Module) -> Iterator[str]:
    """The names that a module gives to values; tools read `__all__` as a list."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            leaves = (leaf for target in targets for leaf in ast.walk(target))
            yield from (leaf.id for leaf in leaves if isinstance(leaf, ast.Name) and leaf.id != "__all__")


def can_change(value: Any) -> bool:
    """False only for what is known to stay as it is, down to its parts."""
    if isinstance(value, tuple | frozenset):
        return any(map(can_change, value))
    if isinstance(value, MappingProxyType | Mark):
        return any(map(can_change, value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, field.name) for field in dataclasses.fields(value))
        return not value.__dataclass_params__.frozen or any(map(can_change, parts))
    is_alias = type(value).__module__ in {"typing", "collections.abc"}
    return not (is_alias or isinstance(value, VALUES + NAMES_OF_TYPES + FUNCTIONS + SENTINELS))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_keeps_nothing_that_can_change(path):
    """Two apps in one process share nothing through splice."""
    module = importlib.import_module(f"splice.{path.stem}")

    found = changeable(module, path.read_text(encoding="utf-8"))

    assert found == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("seen = {}", ["seen"]),
        ("seen: dict[str, int] = dict()", ["seen"]),
        ("cache: Final = {}", ["cache"]),
        ("names: Final = [1]", ["names"]),
        ("made: Final = collections.defaultdict(list)", ["made"]),
        ("table: Final = MappingProxyType({'a': []})", ["table"]),
        ("pairs: Final = (1, {})", ["pairs"]),
        ("thing: Final = object()", ["thing"]),
        ("def f():\n    global seen", ["line 2: global"]),
        ("@functools.cache\ndef f(): ...", ["f"]),
        ("names = MappingProxyType({'a': (1, frozenset({'b'}))})", []),
        ("pattern: Final = re.compile('x')", []),
        ("log: Final = logging.getLogger('splice')", []),
        ("Row: TypeAlias = Mapping[str, Any]", []),
        ("Kind: TypeAlias = Literal['a'] | None", []),
        ("handlers: Final = MappingProxyType({'a': len})", []),
        ("__all__ = ['f']", []),
    ],
)
def test_what_counts_as_changeable(code, found):
    """Whatever can change is found, however it is annotated; what is frozen in all its parts is let through."""
    module = ModuleType("probe")
    exec(PREAMBLE + code, vars(module))  # a module as Python makes it

    assert changeable(module, code) == found


PREAMBLE = """
import collections, functools, logging, re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
"""
