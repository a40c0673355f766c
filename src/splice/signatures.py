"""The signatures of functions, as FastAPI reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

__all__ = ["read_once"]

_F = TypeVar("_F", bound=Callable[..., Any])


def read_once(function: _F) -> _F:
    """Turn the text of a function's annotations into types; FastAPI would evaluate it anew for every route."""
    function.__annotations__ = get_type_hints(function)
    return function
