"""Query string → Query. Knows the grammar, and has never heard of a model.

parameters = *( setting / condition ); a dot leads into an expanded relation: `comments.limit=3`
setting    = "limit=" rows / "offset=" rows / "cursor=" text / "count=" ( "exact" / "capped" / "estimated" )
           / "order_by=" ["-"] path *( "," ["-"] path ) / "fields=" name *( "," name ) / "expand=" way *( "," way )
condition  = path "=" value / path "__" operator "=" ( value / value *( "," value ) )
path       = name *( "__" name )
way        = name *( "." name )
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from splice.errors import Invalid, Issue
from splice.grammar import (
    LISTS,
    MAX_WAY,
    NAMES,
    Draft,
    Names,
    Role,
    count_of,
    is_way,
    issue,
    operator_of,
    order_of,
    shown_name,
)
from splice.terms import COUNTS, Condition, Place, Query

__all__ = ["PARAMETERS", "parse"]

PARAMETERS: Final = tuple(NAMES.roles)
"""Names with a meaning of their own; a field of such a name is asked for as `limit__eq=3`."""

_ROWS: Final = re.compile(r"\d{1,9}", re.ASCII)


def parse(parameters: Iterable[tuple[str, str]], names: Names = NAMES) -> Query:
    """Read the parameters of a request.

    Args:
        parameters: Names and values, in the order sent.
        names: How the settings are spelt.

    Raises:
        Invalid: A setting is malformed or given twice; every fault is listed.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    root, issues = Draft(), list[Issue]()
    for name, values in given.items():
        _read(name, values, root, names.roles, issues)
    if issues:
        raise Invalid("The query string is not valid", issues=issues)
    return root.query()


def _read(
    name: str, values: Sequence[str], root: Draft, roles: Mapping[str, Role], issues: list[Issue]
) -> None:
    at = Place(parameter=name)
    *way, last = name.split(".")
    if way and not is_way((*way, last)):
        issues.append(_no_way(at, "comments.author.fields"))
        return
    draft, role = root.relation(way, at), roles.get(last)
    if role is None:
        _condition(last, values, at, draft, issues)
    elif len(values) > 1:
        detail = f"{shown_name(name)} is given {len(values)} times"
        issues.append(issue(at, detail, "repeated-parameter", "give it once"))
    else:
        _SETTINGS[role](values[0], at, role, draft, issues)


def _condition(name: str, values: Sequence[str], at: Place, draft: Draft, issues: list[Issue]) -> None:
    path, operator = operator_of(name)
    if operator == "eq" and len(values) > 1:
        draft.filters.append(Condition(path, "in", tuple(values), at))
    elif len(values) > 1:
        detail = f"{shown_name(name)} is given {len(values)} times, which says neither all nor any"
        hint = "give it once; a document can ask for all of them, or for any"
        issues.append(issue(at, detail, "repeated-parameter", hint))
    else:
        parts = tuple(values[0].split(",")) if operator in LISTS else (values[0],)
        draft.filters.append(Condition(path, operator, parts, at))


def _rows(text: str, at: Place, role: Role, draft: Draft, issues: list[Issue]) -> None:
    if _ROWS.fullmatch(text):
        draft.set(role, int(text), at)
    else:
        what = "the number of a page" if role == "page" else "a whole number of rows"
        issues.append(issue(at, f"{at.parameter} should be {what}", "invalid-number"))


def _cursor(text: str, at: Place, role: Role, draft: Draft, issues: list[Issue]) -> None:
    if text:
        draft.set(role, text, at)
    else:
        issues.append(issue(at, f"{at.parameter} is empty", "invalid-cursor", "take it from the page before"))


def _count(text: str, at: Place, role: Role, draft: Draft, issues: list[Issue]) -> None:
    if count_of(text) is None:
        hint = f"write {at.parameter}={' or '.join(COUNTS)}"
        issues.append(issue(at, f"{at.parameter} is not known", "invalid-count", hint))
    else:
        draft.set(role, text, at)


def _order(text: str, at: Place, _role: Role, draft: Draft, issues: list[Issue]) -> None:
    terms = order_of([(term, at) for term in text.split(",")])
    if all(term.path for term in terms):
        draft.order.extend(terms)
    else:
        hint = f"write {at.parameter}=-created_at,name"
        issues.append(issue(at, f"{at.parameter} has an empty term", "invalid-order", hint))


def _fields(text: str, at: Place, _role: Role, draft: Draft, issues: list[Issue]) -> None:
    names = text.split(",")
    if all(is_way(name.split(".")) for name in names):
        draft.show(names, at)
    else:
        issues.append(_no_way(at, f"{at.parameter}=id,title,author.name"))


def _expand(text: str, at: Place, _role: Role, draft: Draft, issues: list[Issue]) -> None:
    ways = [way.split(".") for way in text.split(",")]
    if not all(map(is_way, ways)):
        issues.append(_no_way(at, f"{at.parameter}=author,comments.author"))
        return
    for way in ways:
        draft.relation(way, at)


def _no_way(at: Place, example: str) -> Issue:
    detail = f"Names joined by dots are none of them empty, and at most {MAX_WAY}"
    return issue(at, detail, "invalid-path", f"as in {shown_name(example)}")


_SETTINGS: Final[Mapping[Role, Callable[[str, Place, Role, Draft, list[Issue]], None]]] = MappingProxyType(
    {
        "limit": _rows,
        "offset": _rows,
        "page": _rows,
        "cursor": _cursor,
        "count": _count,
        "order": _order,
        "fields": _fields,
        "expand": _expand,
    }
)
