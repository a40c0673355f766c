"""Query → query string or document: what `parser` and `documents` read, written."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from splice.grammar import LISTS, NAMES, Names, Role, is_way, operator_of, order_of
from splice.terms import (
    COUNTS,
    All,
    AnyOf,
    Condition,
    Filter,
    Not,
    Operator,
    Order,
    Place,
    Query,
    Related,
    Scalar,
)

__all__ = ["as_document", "as_parameters"]

_FILTER: Final = "filter"
_COMBINED: Final = frozenset({"and", "or", "not"})
_ROWS: Final = ("limit", "offset", "page")
_MAX_ROWS: Final = 10**9
_MAX_INTEGER: Final = 10**400
"""Both as far as the parsers read."""


def as_parameters(query: Query, names: Names = NAMES) -> list[tuple[str, str]]:
    """The parameters of a query string that asks for a query: `parse` reads the same query from them.

    Values are text there: a number comes back as the text of it. Equal to any of several values is spelt as a repeated
    field, to any of one as `field__in`.

    Args:
        query: Conditions that all hold; whatever else it says.
        names: How the settings are spelt.

    Raises:
        ValueError: No query string says it: conditions that are combined otherwise, two that have one name, a comma in
            a list that commas separate, a relation with a comma in its name, a name with a dot, a setting that has no
            name here.

    >>> as_parameters(Query(filter=All((Condition("year", "gte", (1992,)),)), limit=3))
    [('year__gte', '1992'), ('limit', '3')]
    """
    settings = {role: name for name, role in names.roles.items()}
    # Relations come before all that belongs to them, so that they keep their order.
    shown = ",".join(_dotted(way, apart=",") for way in _ways(query))
    return [*([(settings["expand"], shown)] if shown else []), *_parameters(query, (), settings)]


def as_document(query: Query, names: Names = NAMES) -> dict[str, Any]:
    """The document that asks for a query: `parse_document` reads the same query from its JSON.

    Some queries that mean the same are written alike, and the canonical one of them is read: parts of the whole filter
    that cannot be members of one object, as two `Not` cannot, are read as one `All` within it; a float that is whole,
    up to 2**53, is read as an integer. How deep the filter is, is not looked at.

    Args:
        query: Any query.
        names: How the members are spelt.

    Raises:
        ValueError: No document says it: a number that JSON has not, a relation called `and`, an `AnyOf` of nothing, a
            name with a dot, a setting that has no name here.

    >>> as_document(Query(filter=All((Not(Condition("year", "in", (1992, 1993))),)), limit=3))
    {'filter': {'not': {'year__in': [1992, 1993]}}, 'limit': 3}
    """
    settings = {role: name for name, role in names.roles.items()}
    said: dict[str, Any] = {_FILTER: _together(query.filter.parts)} if query.filter.parts else {}
    said |= {_setting(role, settings): value for role, value in _plain_settings(query)}
    if query.order:
        said[settings["order"]] = [_term(term) for term in query.order]
    if query.fields is not None:
        said[settings["fields"]] = [_one_name(name) for name in _distinct(query.fields)]
    if query.expand:
        relations = _distinct([expand.relation for expand in query.expand])
        inner = [as_document(expand.query, names) for expand in query.expand]
        said[settings["expand"]] = dict(zip(map(_one_name, relations), inner, strict=True))
    return said


# A query string.


def _ways(query: Query, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to all relations that are shown, each before those behind it."""
    _distinct([expand.relation for expand in query.expand])
    for expand in query.expand:
        here = (*way, expand.relation)
        yield here
        yield from _ways(expand.query, here)


def _parameters(
    query: Query, way: tuple[str, ...], settings: Mapping[Role, str]
) -> Iterator[tuple[str, str]]:
    parts = [_flat(part) for part in query.filter.parts]
    reserved = frozenset(settings.values())
    names = _distinct_names([_parameter_names(part, reserved) for part in parts])
    if names is None:
        raise ValueError("a query string has no names that are left for all of these conditions")
    for name, part in zip(names, parts, strict=True):
        yield from ((_parameter(way, name), value) for value in _texts(part, name))
    for role, text in _settings(query):
        yield _parameter(way, _setting(role, settings)), text
    for expand in query.expand:
        yield from _parameters(expand.query, (*way, expand.relation), settings)


def _flat(part: Filter) -> Condition:
    if isinstance(part, Condition):
        return part
    raise ValueError("a query string has no conditions but those that all hold")


def _parameter_names(condition: Condition, reserved: Collection[str]) -> list[str]:
    """The names by which a condition can be asked for, the shortest first; a repeated field is read as `in`."""
    repeated = condition.operator == "in" and len(condition.values) > 1
    found = _names_of(condition.path, "eq") if repeated else []
    if not (repeated and any("," in _as_text(value) for value in condition.values)):
        found += _names_of(condition.path, condition.operator)
    return [name for name in found if name not in reserved and "." not in name]


def _texts(condition: Condition, name: str) -> list[str]:
    """Each value that the parameter of this name is given."""
    texts = [_as_text(value) for value in _values(condition)]
    separated = operator_of(name)[1] in LISTS
    return [_separated(texts)] if separated else texts


def _settings(query: Query) -> Iterator[tuple[Role, str]]:
    for role, value in _plain_settings(query):
        yield role, str(value)
    if query.order:
        yield "order", _separated([_term(term) for term in query.order])
    if query.fields is not None:
        own: list[tuple[str, ...]] = [(name,) for name in _distinct(query.fields)]
        ways = own or [_first_field(query)]
        yield "fields", ",".join(_dotted(way, apart=",") for way in ways)


def _first_field(query: Query) -> tuple[str, ...]:
    """The way to a field of a relation; to show no field of one's own, one of those has to be named."""
    for expand in query.expand:
        if expand.query.fields:
            return (expand.relation, expand.query.fields[0])
        if expand.query.fields is not None:
            return (expand.relation, *_first_field(expand.query))
    raise ValueError("a query string cannot ask for no field at all")


def _parameter(way: tuple[str, ...], name: str) -> str:
    return _dotted((*way, name)) if way else _text(name)


def _as_text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _separated(texts: Sequence[str]) -> str:
    if any("," in text for text in texts):
        raise ValueError("a comma separates values in a query string, and cannot be part of one")
    return ",".join(texts)


# A document.


def _together(parts: Sequence[Filter]) -> dict[str, Any]:
    """An object of which all parts are members, or where they cannot be, its only member `and`."""
    names = _distinct_names([_member_names(part) for part in parts])
    if names is None:
        return {"and": [_object(one) for one in parts]}
    return {name: _member(part) for name, part in zip(names, parts, strict=True)}


def _object(part: Filter) -> dict[str, Any]:
    return _together(part.parts if isinstance(part, All) and len(part.parts) != 1 else (part,))


def _member_names(part: Filter) -> Sequence[str]:
    """What a part can be called as a member, the best name first; one that is always true has none."""
    match part:
        case Condition():
            return _member_names_of(part)
        case All(parts):
            return ("and",) if parts else ()
        case AnyOf():
            return ("or",)
        case Not():
            return ("not",)
        case Related(path):
            if path in _COMBINED:
                raise ValueError(f"a document cannot name a relation {path!r}")
            return (_text(path),)


def _member_names_of(condition: Condition) -> Sequence[str]:
    names = [name for name in _names_of(condition.path, condition.operator) if name not in _COMBINED]
    if not names:
        raise ValueError(f"a document has no name for {condition.path!r} with {condition.operator}")
    return names


def _member(part: Filter) -> Any:
    match part:
        case Condition():
            values = _values(part)
            return list(values) if part.operator in LISTS else values[0]
        case All(parts) | AnyOf(parts):
            if not parts:
                raise ValueError("any of no parts is nothing that a document says")
            return [_object(one) for one in parts]
        case Not(inner) | Related(_, inner):
            return _object(inner)


# Both.


def _names_of(path: str, operator: Operator) -> list[str]:
    """The names that are read as this path and operator, the shortest first."""
    names = [*([path] if operator == "eq" else []), f"{path}__{operator}"]
    return [_text(name) for name in names if operator_of(name) == (path, operator)]


def _distinct_names(choices: Sequence[Sequence[str]]) -> list[str] | None:
    """One name of each choice, no two alike; None where there are too few."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    # Those with the fewest names choose first: the others have theirs, and more.
    for number in sorted(range(len(choices)), key=lambda number: len(choices[number])):
        name = next((name for name in choices[number] if name not in taken), None)
        if name is None:
            return None
        found[number] = name
        taken.add(name)
    return [found[number] for number in range(len(choices))]


def _values(condition: Condition) -> tuple[Scalar, ...]:
    if not condition.values or (condition.operator not in LISTS and len(condition.values) > 1):
        raise ValueError(f"{condition.operator} does not have {len(condition.values)} values")
    for value in condition.values:
        _check_scalar(value)
    return condition.values


def _check_scalar(value: Scalar) -> None:
    if isinstance(value, str):
        _text(value)
    elif not math.isfinite(value) if isinstance(value, float) else abs(value) >= _MAX_INTEGER:
        raise ValueError("a number is beyond those that are read")


def _plain_settings(query: Query) -> Iterator[tuple[Role, str | int]]:
    """The settings that are one value."""
    for role in _ROWS:
        rows = getattr(query, role)
        if rows is not None and not 0 <= rows < _MAX_ROWS:
            raise ValueError(f"{role} is beyond the numbers that are read")
        if rows is not None:
            yield role, rows
    if query.cursor is not None:
        if not query.cursor:
            raise ValueError("a cursor is never empty")
        yield "cursor", _text(query.cursor)
    if query.count is not None:
        if query.count not in COUNTS:
            raise ValueError("there is no such way to count")
        yield "count", query.count


def _setting(role: Role, settings: Mapping[Role, str]) -> str:
    if role not in settings:
        raise ValueError(f"{role} has no name here")
    return settings[role]


def _term(term: Order) -> str:
    text = f"-{term.path}" if term.descending else term.path
    if not term.path or order_of([(text, Place())]) != [term]:
        raise ValueError(f"a sort term cannot name {term.path!r}")
    return _text(text)


def _dotted(way: Sequence[str], *, apart: str = ".") -> str:
    """Names joined by dots; none of them has one, nor the letter that sets several ways apart."""
    if not is_way(way) or any("." in name or apart in name for name in way):
        raise ValueError(f"there is no way to spell {'.'.join(way)!r}")
    return _text(".".join(way))


def _one_name(name: str) -> str:
    return _dotted([name])


def _distinct(names: Sequence[str]) -> Sequence[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name is there twice")
    return names


def _text(text: str) -> str:
    """Text as it is; half of a surrogate pair is none, and raises an error that is a ValueError."""
    text.encode()
    return text
