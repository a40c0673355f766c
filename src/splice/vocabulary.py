"""What may be asked of a model, as JSON Schema: filters, sort terms, fields and relations, with examples."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic import JsonValue, TypeAdapter
from typing_extensions import TypedDict

from splice.description import Field
from splice.examples import examples_of, inlined
from splice.grammar import LISTS, Names, operator_of
from splice.operators import LIKE, is_comparable, operators_of
from splice.plan import MAX_ORDER, MAX_PATTERN, MAX_VALUES
from splice.readable import Adapters, Readable
from splice.terms import Operator

__all__ = [
    "Schema",
    "custom_schemas",
    "document_filters",
    "example_filters",
    "example_queries",
    "expandable",
    "names_schema",
    "order_schema",
    "rows_of",
    "shown_fields",
    "text_filters",
    "value_schemas",
]

Schema: TypeAlias = dict[str, Any]
_Form: TypeAlias = Callable[[Operator, Schema], Schema | None]

_CONNECTIVES: Final = ("and", "or", "not")
_NO_NUL: Final = r"^[^\x00]*$"
_MOST_WAYS: Final = 40
"""Relations that are listed; those behind them are reached all the same."""
_PIECE: Final[Mapping[str, Any]] = MappingProxyType(
    {"type": "string", "maxLength": MAX_PATTERN, "pattern": _NO_NUL}
)
_DAY: Final = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_HOUR: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "date": _DAY,
        "date-time": f"{_DAY}T{_HOUR}Z",
        "time": f"{_HOUR}Z",
        "duration": "PT[0-9]{1,4}[HMS]",
        "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    }
)


# Filters.


def text_filters(model: Readable) -> dict[str, Schema]:
    """The filters of a query string; several values of one are a text with commas."""
    return _filters(model, value_schemas(model.adapters), _as_text, model.parameters)


def document_filters(model: Readable) -> dict[str, Schema]:
    """The filters of a document on the fields of the model itself; several values of one are an array."""
    return _filters(model, value_schemas(model.strict_adapters), _as_json, _CONNECTIVES)


def _filters(
    model: Readable, values: Mapping[str, Schema], form: _Form, reserved: Sequence[str]
) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for field in model.fields.values():
        for operator in operators_of(field):
            schema = form(operator, values[field.name])
            if schema is not None:
                said = {"description": field.doc} if operator == "eq" and field.doc else {}
                found[_spelt(field.name, operator, reserved)] = {**schema, **said}
    for name in model.links:
        found[f"{name}__isnull"] = {
            "type": "boolean",
            "description": f"Whether there is no row behind `{name}`.",
        }
    return found | custom_schemas(model)


def _spelt(name: str, operator: Operator, reserved: Sequence[str]) -> str:
    plain = operator == "eq" and name not in reserved and operator_of(name) == (name, "eq")
    return name if plain else f"{name}__{operator}"


def custom_schemas(model: Readable) -> dict[str, Schema]:
    """The filters of the user's own."""
    found = {}
    for name, custom in model.filters.items():
        schema = custom.adapter.json_schema()
        said = {"description": custom.doc} if custom.doc else {}
        found[name] = {**inlined(_without(schema, "$defs"), schema.get("$defs", {})), **said}
    return found


def _as_json(operator: Operator, value: Schema) -> Schema | None:
    if operator == "between":
        return {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
    if operator in LISTS:
        return {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_VALUES}
    return _single(operator, value)


def _as_text(operator: Operator, value: Schema) -> Schema | None:
    if operator not in LISTS:
        return _single(operator, value)
    item = _item_pattern(value)
    if item is None:
        return None
    count = "" if operator == "between" else "*"
    said = "Two values" if operator == "between" else "Values"
    return {
        "type": "string",
        "pattern": f"^({item})(,({item})){count}$",
        "description": f"{said}, with commas between.",
    }


def _single(operator: Operator, value: Schema) -> Schema:
    if operator == "isnull":
        return {"type": "boolean"}
    return dict(_PIECE) if operator in LIKE else value


def _item_pattern(schema: Schema) -> str | None:
    """A regular expression of values that hold no comma; None where none is known."""
    if "anyOf" in schema:
        return next(filter(None, map(_item_pattern, schema["anyOf"])), None)
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None:
        return "|".join(_literally(text) for text in map(str, choices) if text and "," not in text) or None
    kind = str(schema.get("type"))
    return _PATTERNS[kind](schema) if kind in _PATTERNS else None


def _integer_pattern(schema: Schema) -> str:
    """As many digits as the range holds in any case."""
    digits = len(str(int(schema.get("maximum", 10**9)))) - 1
    sign = "" if schema.get("minimum", -1) >= 0 else "-?"
    return f"{sign}[0-9]{{1,{max(digits, 1)}}}"


def _string_pattern(schema: Schema) -> str | None:
    stated = schema.get("pattern", _NO_NUL)
    if "format" in schema:
        return _FORMATS.get(schema["format"])
    return r"[^,\x00]*" if stated == _NO_NUL else stated.removeprefix("^").removesuffix("$")


_PATTERNS: Final[Mapping[str, Callable[[Schema], str | None]]] = MappingProxyType(
    {
        "integer": _integer_pattern,
        "number": lambda _: r"-?[0-9]{1,9}(\.[0-9]{1,6})?",
        "boolean": lambda _: "true|false",
        "string": _string_pattern,
    }
)


def _literally(text: str) -> str:
    # Python's own escapes more than the regular expressions of JSON Schema take.
    return re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", text)


def value_schemas(adapters: Adapters) -> dict[str, Schema]:
    """The JSON schema of each field's values, all made in one go."""
    typed_dict: Any = TypedDict  # a checker wants a literal dictionary here
    schema = TypeAdapter(typed_dict("values", dict(adapters.types))).json_schema()
    definitions = schema.get("$defs", {})
    return {
        name: _without_examples(inlined(found, definitions))
        for name, found in schema.get("properties", {}).items()
    }


def _without_examples(schema: Schema) -> Schema:
    said = _without(schema, "examples")
    return {**said, "anyOf": [_without_examples(part) for part in said["anyOf"]]} if "anyOf" in said else said


def _without(schema: Schema, name: str) -> Schema:
    return {key: value for key, value in schema.items() if key != name}


# Order, fields and relations.


def order_schema(model: Readable) -> Schema:
    """Sort terms of the model itself, and of rows that relations to one lead to."""
    names = [*_sortable(model), *_sortable_behind(model)]
    terms = [spelt for name in names for spelt in (name, f"-{name}")]
    return _several(terms) | {"maxItems": MAX_ORDER}


def _sortable(model: Readable) -> Iterator[str]:
    yield from (name for name, field in model.fields.items() if is_comparable(field))
    yield from model.sorts


def _sortable_behind(model: Readable) -> Iterator[str]:
    for name in model.links:
        link, target = model.link(name) or (None, model)
        if link is not None and link.joins:
            yield from (f"{name}__{inner}" for inner in _sortable(target))


def names_schema(names: Iterable[str]) -> Schema:
    """A list of names."""
    return _several(list(names))


def _several(names: list[str]) -> Schema:
    return {"type": "array", "items": {"type": "string", "enum": names}}


def rows_of(model: Readable) -> Schema:
    """How many rows a page may have."""
    return {"type": "integer", "minimum": 1, "maximum": model.max_limit, "default": model.default_limit}


def shown_fields(model: Readable) -> tuple[Field, ...]:
    """What may be shown of a row that is reached through a relation."""
    return tuple(field for name, field in model.fields.items() if model.shown is None or name in model.shown)


def expandable(model: Readable, depth: int = 2) -> list[str]:
    """Relations that can be shown: those of the model, and the ones behind them that do not lead back to it.

    `depth` is how many of them may follow each other.
    """
    near = list(_targets(model)) if depth > 0 else []
    far = [
        f"{name}.{inner}"
        for name, target in (near if depth > 1 else ())
        for inner, behind in _targets(target)
        if behind.description.model is not model.description.model
    ]
    return [*(name for name, _ in near), *far][:_MOST_WAYS]


def _targets(model: Readable) -> Iterator[tuple[str, Readable]]:
    for name in model.links if model.expands else ():
        _, target = model.link(name) or (None, model)
        yield name, target


# Examples.


def example_queries(model: Readable, names: Names) -> dict[str, Schema]:
    """Documents that ask for lists, as OpenAPI names its examples."""
    filters, order = example_filters(model, _CONNECTIVES), _example_order(model)
    found = {
        "filtered": _example(
            "Filtered and sorted", {"filter": filters, names.order_by: order, names.limit: 20}
        )
    }
    if len(filters) > 1:
        either: list[JsonValue] = [{name: value} for name, value in filters.items()]
        found["either"] = _example("One or the other", {"filter": {"or": either}, names.limit: 20})
    related = _example_expand(model, names)
    if related:
        found["related"] = _example("With related rows", {names.limit: 20, names.expand: related})
    return found


def _example(summary: str, value: dict[str, JsonValue]) -> Schema:
    return {"summary": summary, "value": {name: part for name, part in value.items() if part}}


def example_filters(model: Readable, reserved: Sequence[str]) -> dict[str, JsonValue]:
    """Conditions on two fields, by different operators where there are such."""
    known = examples_of(model.description)
    found: dict[Operator, Field] = {}
    for field in model.fields.values():
        if field.name in known and field not in model.description.key:
            found.setdefault(_telling(field), field)
    return {
        _spelt(field.name, operator, reserved): _asked(operator, known[field.name])
        for operator, field in list(found.items())[:2]
    }


def _telling(field: Field) -> Operator:
    """The operator that one would ask a field by."""
    allowed = operators_of(field)
    return next((one for one in ("icontains", "gte", "eq") if one in allowed), "isnull")


def _asked(operator: Operator, value: JsonValue) -> JsonValue:
    if operator == "isnull":
        return False
    return value.split()[0] if operator == "icontains" and isinstance(value, str) else value


def _example_order(model: Readable) -> list[JsonValue]:
    """By the last field, which is often a time, and then by the first behind the key."""
    key = {field.name for field in model.description.key}
    names = [name for name, field in model.fields.items() if is_comparable(field) and name not in key]
    return [f"-{names[-1]}", *names[: len(names) - 1][:1]] if names else []


def _example_expand(model: Readable, names: Names) -> dict[str, JsonValue]:
    """Up to one relation of each kind: few rows of many, and one."""
    found: dict[bool, dict[str, JsonValue]] = {}
    for name, _ in _targets(model):
        many = model.description.links[name].many
        found.setdefault(many, {name: {names.limit: 3} if many else {}})
    return {name: inner for each in found.values() for name, inner in each.items()}
