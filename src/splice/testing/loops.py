"""Async fixtures for either plugin that runs async tests: anyio's, or pytest-asyncio's where it is installed."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from types import FunctionType
from typing import Any, TypeAlias

import pytest

__all__ = ["for_any_loop"]

_AsyncFixture: TypeAlias = Callable[..., AsyncIterator[Any]]


def for_any_loop(function: _AsyncFixture) -> Any:
    """Make an async generator a fixture of whichever plugin runs the test that asks for it.

    Each plugin runs async fixtures of its own in the loop of its tests, and neither runs those of the other. So there
    is one for each, and one under the function's name that takes the right one.
    """
    module: Any = sys.modules[function.__module__]
    name = function.__name__
    setattr(module, f"_{name}_on_anyio", pytest.fixture(name=f"_{name}_on_anyio")(function))
    if _has_asyncio():
        # By its name: it is there only where a user has chosen it.
        fixture = importlib.import_module("pytest_asyncio").fixture
        setattr(module, f"_{name}_on_asyncio", fixture(name=f"_{name}_on_asyncio")(_twin(function)))

    @pytest.fixture(name=name)
    def chosen(request: pytest.FixtureRequest) -> Any:
        return request.getfixturevalue(f"_{name}_on_{_runner(name, request)}")

    chosen.__doc__ = function.__doc__
    return chosen


def _has_asyncio() -> bool:
    return importlib.util.find_spec("pytest_asyncio") is not None


def _twin(function: Any) -> Any:
    """The same function as another object: pytest-asyncio marks the one it is given as its own."""
    twin = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    return functools.update_wrapper(twin, function)


def _runner(name: str, request: pytest.FixtureRequest) -> str:
    """The plugin that runs a test: anyio asks for its backend in whatever it runs."""
    if "anyio_backend" in request.fixturenames:
        return "anyio"
    if not _is_async(request.node):
        plain = name.removeprefix("async_")
        pytest.fail(
            f"splice: {name} is for `async def` tests; this one is a `def` test: {plain}", pytrace=False
        )
    if not _has_asyncio():
        pytest.fail(
            "splice: no plugin runs this `async def` test; say anyio_mode = auto in the configuration of pytest, or "
            "mark it by @pytest.mark.anyio",
            pytrace=False,
        )
    return "asyncio"


def _is_async(item: pytest.Item) -> bool:
    # A test of hypothesis is a plain function around the async one; the mark tells.
    marked = item.get_closest_marker("asyncio") is not None
    return marked or inspect.iscoroutinefunction(getattr(item, "obj", None))
