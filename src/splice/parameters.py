"""The query language as OpenAPI parameters: one for all filters, and one for each setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from pydantic import JsonValue

from splice.grammar import NAMES, Names
from splice.operators import operators_of
from splice.readable import MAX_OFFSET, Readable
from splice.terms import COUNTS, Operator
from splice.vocabulary import (
    Schema,
    example_filters,
    expandable,
    names_schema,
    order_schema,
    rows_of,
    text_filters,
)

__all__ = ["list_parameters", "row_parameters"]

_Parameter: TypeAlias = dict[str, Any]

_REFERENCE: Final = "filters"
"""Never sent: an exploded object is sent as its members."""


def list_parameters(model: Readable, names: Names = NAMES) -> list[_Parameter]:
    """The query language of a list request."""
    return [
        _filters(model),
        _list(
            names.order_by,
            "Sort terms; `-` sorts descending. NULLs come last; ties follow the key, as the last term goes.",
            order_schema(model),
        ),
        *_page(model, names),
        *row_parameters(model, names),
    ]


def row_parameters(model: Readable, names: Names = NAMES) -> Iterator[_Parameter]:
    """What may be said of the shape of a row; nothing where a model of the user's own decides it."""
    if not model.expands:
        return
    yield _list(names.fields, _about_fields(model), names_schema(model.fields))
    ways = expandable(model)
    if ways:
        yield _list(
            names.expand,
            "Related rows to show. A dot before a parameter makes it theirs: " + _about_expand(model, names),
            names_schema(ways),
        )


def _page(model: Readable, names: Names) -> Iterator[_Parameter]:
    yield _single(names.limit, "Rows in the page.", rows_of(model))
    if names.cursor is not None:
        yield _single(
            names.cursor,
            "The page that `next` of another leads to; same filters, same order.",
            {"type": "string", "minLength": 1},
        )
    if names.offset is not None:
        yield _single(names.offset, "Rows to skip.", _whole(0, MAX_OFFSET))
    if names.page is not None:
        yield _single(names.page, "Number of the page.", _whole(1, MAX_OFFSET // model.default_limit + 1))
    if names.count is not None:
        yield _single(names.count, _COUNT, {"type": "string", "enum": list(COUNTS)})


_COUNT: Final = (
    "Adds `total`, the number of all rows that match: `exact`, `capped` at 10,000, or `estimated` beyond."
)


def _about_fields(model: Readable) -> str:
    inner = _inner(model)
    said = "Fields to show, in place of all."
    return said if inner is None else f"{said} `{inner}` shows one of a related row."


def _inner(model: Readable) -> str | None:
    for name in model.links:
        found = model.link(name)
        if found is not None:
            key = {field.name for field in found[1].description.key}
            fields = sorted(found[1].fields, key=lambda field: field in key)
            return f"{name}.{fields[0]}"
    return None


def _about_expand(model: Readable, names: Names) -> str:
    many = next((link for link in (model.description.links[name] for name in model.links) if link.many), None)
    name = next(iter(model.links)) if many is None else many.name
    examples = [names.fields] if many is None else [names.limit, names.order_by, names.fields]
    return ", ".join(f"`{name}.{each}`" for each in examples) + "."


def _filters(model: Readable) -> _Parameter:
    name = _REFERENCE
    while name in model.parameters:
        name += "_"
    example = example_filters(model, model.parameters)
    examples = {"all": {"summary": "All rows", "value": {}}}
    some = {"some": {"summary": "Some rows", "value": example}} if example else {}
    return {
        "name": name,
        "in": "query",
        "description": "\n\n".join(_about_filters(model, example)),
        "style": "form",
        "explode": True,
        "schema": {"type": "object", "properties": text_filters(model), "additionalProperties": False},
        "examples": examples | some,
    }


def _about_filters(model: Readable, example: Mapping[str, JsonValue]) -> Iterator[str]:
    """Fields by what they can be asked by: a line for each of them would hide the rest of the page."""
    as_in = (
        f", as in `?{urlencode({name: _text(value) for name, value in example.items()})}`" if example else ""
    )
    yield f"Each member is a parameter of its own{as_in}. All of them have to hold."
    yield "\n".join(["| fields | asked by |", "|---|---|", *_rows(model)])
    relation = _inner(model)
    if relation is not None:
        path = relation.replace(".", "__")
        yield f"Names joined by `__` lead through relations, to the same operators: `{path}=…`, `{path}__in=…,…`."


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(model: Readable) -> Iterator[str]:
    """Lines of a table: fields of one kind, and their operators."""
    kinds: dict[tuple[Operator, ...], list[str]] = {}
    for field in model.fields.values():
        kinds.setdefault(operators_of(field), []).append(f"`{field.name}`")
    for operators, names in kinds.items():
        spelt = " ".join("=" if operator == "eq" else f"__{operator}" for operator in operators)
        yield f"| {' '.join(names)} | `{spelt}` |"
    for name, custom in model.filters.items():
        yield f"| `{name}` | {_first_line(custom.doc)} |"


def _first_line(doc: str | None) -> str:
    return (doc or "").partition("\n")[0].replace("|", "\\|")


def _list(name: str, description: str, schema: Schema) -> _Parameter:
    """A parameter whose values are separated by commas; one without any would be there and say nothing."""
    return {**_single(name, description, {**schema, "minItems": 1}), "style": "form", "explode": False}


def _single(name: str, description: str, schema: Schema) -> _Parameter:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(least: int, most: int) -> Schema:
    # Without a default: pages that send what they show would send it beside a cursor, which takes no other start.
    return {"type": "integer", "minimum": least, "maximum": most}
