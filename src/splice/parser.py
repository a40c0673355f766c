"""Query string → Query. Knows the grammar, and has never heard of a model.

parameters = *( field "=" value / field "__eq=" value / "order_by=" ["-"] field *( "," ["-"] field )
/ "limit=" rows / "offset=" rows / "count=exact" )
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from splice.errors import Invalid, Issue
from splice.terms import Condition, Order, Query

__all__ = ["PARAMETERS", "parse"]

PARAMETERS: Final = ("limit", "offset", "order_by", "count")
"""Names with a meaning of their own; a field of such a name is asked for as `limit__eq=3`."""

_EQUALS: Final = "__eq"
_ROWS: Final = re.compile(r"\d{1,9}", re.ASCII)


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters of a list request, in the order sent.

    Raises:
        Invalid: A parameter with a meaning of its own is malformed or given twice; every fault is listed.
    """
    settings, conditions = _split(parameters)
    issues: list[Issue] = [*_repeated(settings)]
    limit = _rows(settings, "limit", issues)
    offset = _rows(settings, "offset", issues)
    order = _order(settings, issues)
    counted = _count(settings, issues)
    if issues:
        raise Invalid("The query string is not valid", issues=issues)
    return Query(
        conditions=tuple(_condition(name, tuple(values)) for name, values in conditions.items()),
        order=order,
        limit=limit,
        offset=offset,
        count="exact" if counted else None,
    )


def _split(parameters: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    settings: dict[str, list[str]] = {}
    conditions: dict[str, list[str]] = {}
    for name, value in parameters:
        group = settings if name in PARAMETERS else conditions
        group.setdefault(name, []).append(value)
    return settings, conditions


def _condition(parameter: str, values: tuple[str, ...]) -> Condition:
    return Condition(parameter.removesuffix(_EQUALS), values, parameter)


def _repeated(settings: Mapping[str, list[str]]) -> Iterable[Issue]:
    for name, values in settings.items():
        if len(values) > 1:
            yield Issue(
                f"{name} is given {len(values)} times", "repeated-parameter", "give it once", parameter=name
            )


def _rows(settings: Mapping[str, list[str]], name: str, issues: list[Issue]) -> int | None:
    text = settings.get(name, [None])[0]
    if text is None:
        return None
    if not _ROWS.fullmatch(text):
        issues.append(Issue(f"{name} should be a whole number of rows", "invalid-number", parameter=name))
        return None
    return int(text)


def _order(settings: Mapping[str, list[str]], issues: list[Issue]) -> tuple[Order, ...]:
    text = settings.get("order_by", [None])[0]
    if text is None:
        return ()
    terms = tuple(Order(term.removeprefix("-"), descending=term.startswith("-")) for term in text.split(","))
    if not all(term.field for term in terms):
        hint = "write order_by=-created_at,name"
        issues.append(Issue("order_by has an empty term", "invalid-order", hint, parameter="order_by"))
    return terms


def _count(settings: Mapping[str, list[str]], issues: list[Issue]) -> bool:
    text = settings.get("count", [None])[0]
    if text not in {None, "exact"}:
        issues.append(Issue("count is not known", "invalid-count", "write count=exact", parameter="count"))
    return text == "exact"
