"""What a client may have meant by a name that nobody knows here.

A relation without a resource, and a hidden field, are as unknown as what is not there.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from splice.description import Field
from splice.errors import Issue, UnknownField
from splice.grammar import MAX_SHOWN, issue
from splice.operators import is_comparable, operators_of
from splice.readable import MAX_HOPS, Readable, ways
from splice.terms import Condition, Order, Place

__all__ = ["comparable_names", "unknown_condition", "unknown_relation", "unknown_shown", "unknown_sort"]


def unknown_condition(condition: Condition, model: Readable) -> Issue:
    """A condition whose path leads to nothing: the operator, the parameter or the field that is nearest."""
    path = f"{condition.path}__{condition.operator}"
    if path in model.fields:
        detail = f"{condition.operator!r} is an operator here"
        return issue(condition.at, detail, UnknownField.code, f"write {path}__eq for the field of this name")
    operator = _misspelt_operator(condition, model)
    if operator is not None:
        return operator
    # A member of a document is no parameter, however near its name is.
    also = model.parameters if condition.at.pointer is None else ()
    return _unknown_field(condition.path, condition.at, model, _filterable, also)


def _misspelt_operator(condition: Condition, model: Readable) -> Issue | None:
    """A field with something behind it that is no operator, such as `title__like`."""
    path, _, last = condition.path.rpartition("__")
    way = (
        next((way for way in ways(path, model, MAX_HOPS) if way.rest in way.end.fields), None)
        if path
        else None
    )
    if way is None or way.rest is None:
        return None
    allowed = operators_of(way.end.fields[way.rest])
    near = difflib.get_close_matches(last[:MAX_SHOWN], allowed, n=1, cutoff=0.75)
    hint = f"did you mean {path[:MAX_SHOWN]}__{near[0]}?" if near else f"there are {', '.join(allowed)}"
    return issue(condition.at, f"{last[:MAX_SHOWN]!r} is no operator", UnknownField.code, hint)


def unknown_sort(order: Order, model: Readable) -> Issue:
    """A sort term that is none: another spelling of the direction, or the nearest name."""
    name, _, direction = order.path.rpartition(" ")
    if direction.lower() in {"asc", "desc"}:
        hint = f"write {'-' if direction.lower() == 'desc' else ''}{name[:MAX_SHOWN]}"
        return issue(order.at, "A sort term is a name, with a minus for descending", UnknownField.code, hint)
    plain = model.fields.get(order.path)
    if plain is not None:
        detail = f"{model.description.name}.{plain.name} holds JSON or a list, which have no order"
        return issue(order.at, detail, UnknownField.code, _near("", _sortable(model)))
    return _unknown_field(order.path, order.at, model, _sortable)


def _unknown_field(
    path: str,
    at: Place,
    model: Readable,
    names: Callable[[Readable], Sequence[str]],
    also: Sequence[str] = (),
) -> Issue:
    way = max(ways(path, model, MAX_HOPS), key=lambda way: len(way.links))
    rest = way.rest or ""
    before = path[: len(path) - len(rest)]
    return issue(
        at,
        f"{way.end.description.name} has no field {rest[:MAX_SHOWN]!r} to filter or sort by",
        UnknownField.code,
        _near(rest, names(way.end), before, () if way.links else also),
    )


def unknown_relation(path: str, at: Place, model: Readable) -> Issue:
    """A path that should lead through relations alone, and does not."""
    if path in model.fields:
        detail = f"{model.description.name}.{path} is a field, not a relation"
        return issue(at, detail, UnknownField.code, f"show it by fields, compare it as in {path}__gte")
    detail = f"{model.description.name} has no relation {path[:MAX_SHOWN]!r}"
    return issue(at, detail, UnknownField.code, _near(path, model.links))


def unknown_shown(name: str, at: Place, model: Readable, shown: Mapping[str, Field]) -> Issue:
    """A name that should be shown, and is no field."""
    detail = f"{model.description.name} has no field {name[:MAX_SHOWN]!r} to show"
    hint = "it is a relation: expand it" if name in model.links else _near(name, tuple(shown))
    return issue(at, detail, UnknownField.code, hint)


def _near(name: str, known: Sequence[str], before: str = "", also: Sequence[str] = ()) -> str:
    # The name is what the client sent, and the search is slow where it is long.
    near = difflib.get_close_matches(name[:MAX_SHOWN], [*known, *also], n=1)
    if near:
        return f"did you mean {before + near[0]!r}?"
    return f"known: {', '.join(known)}" if known else "there is none"


def comparable_names(model: Readable) -> tuple[str, ...]:
    """The fields that can be compared and sorted by."""
    return tuple(name for name, part in model.fields.items() if is_comparable(part))


def _filterable(model: Readable) -> tuple[str, ...]:
    return (*comparable_names(model), *model.filters, *model.links)


def _sortable(model: Readable) -> tuple[str, ...]:
    return (*comparable_names(model), *model.sorts)
