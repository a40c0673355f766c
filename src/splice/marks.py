"""Marks say what clients may do with a column: `mapped_column(..., info=private | {"unit": "EUR"})`.

A mark is an ordinary `info` dictionary that cannot be changed, so one object can stand on many columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn, Self, TypeAlias

__all__ = ["MARK_KEY", "Access", "Mark", "private", "read_only", "write_once", "write_only"]

Access: TypeAlias = Literal["private", "read_only", "write_only", "write_once"]

MARK_KEY: Final = "splice"


class Mark(dict[str, Any]):
    """An immutable `info` dictionary; `|` joins it with another mark or with any mapping, the right side wins."""

    def __or__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]  # dict promises a plain dict
        return type(self)({**self, **other})

    def __ror__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]  # dict promises a plain dict
        return type(self)({**other, **self})

    def __setitem__(self, *_: object) -> NoReturn:
        _refuse()

    def __delitem__(self, *_: object) -> NoReturn:
        _refuse()

    def __ior__(self, *_: object) -> NoReturn:
        _refuse()

    def clear(self) -> NoReturn:
        _refuse()

    def pop(self, *_: object) -> NoReturn:
        _refuse()

    def popitem(self) -> NoReturn:
        _refuse()

    def setdefault(self, *_: object) -> NoReturn:
        _refuse()

    def update(self, *_: object, **__: object) -> NoReturn:
        _refuse()

    def __hash__(self) -> int:  # type: ignore[override]  # frozen, so hashable
        return hash(tuple(sorted(self)))

    def copy(self) -> Self:
        return type(self)(self)

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


def _refuse() -> NoReturn:
    raise TypeError("a mark cannot be changed; join it with another by `|`")


private: Final = Mark({MARK_KEY: "private"})
"""Never out, never in, never filtered or sorted by."""

read_only: Final = Mark({MARK_KEY: "read_only"})
"""Out, never in: POST and PATCH refuse it, PUT ignores it."""

write_only: Final = Mark({MARK_KEY: "write_only"})
"""In, never out, never filtered or sorted by."""

write_once: Final = Mark({MARK_KEY: "write_once"})
"""Out; in on create only: PATCH refuses it, PUT refuses another value than the stored one."""
