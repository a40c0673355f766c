"""Schemas of the document that refer to each other, made when somebody asks for the document and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from splice.examples import inlined
from splice.grammar import Names
from splice.plan import MAX_EXPAND_DEPTH, MAX_EXPANDED
from splice.readable import MAX_OFFSET, Readable
from splice.schemas import doc_of
from splice.terms import COUNTS
from splice.vocabulary import (
    Schema,
    document_filters,
    expandable,
    names_schema,
    order_schema,
    rows_of,
    shown_fields,
)

__all__ = ["Component", "Refer", "documented", "item", "page", "query"]

Refer: TypeAlias = Callable[["Component"], Schema]
"""Gives the reference to another component, which is then in the document too."""

_CURSOR: Final = "`next` of the page before; the filter and the order have to be the same."


@dataclass(frozen=True, slots=True)
class Component:
    """A schema of the document; two of one `name` about one `subject` are one."""

    name: str
    subject: Readable
    make: Callable[[Refer], Schema]

    @property
    def reference(self) -> str:
        """What Pydantic tells definitions apart by, and names them after."""
        return f"{self.subject.description.model.__module__}.{self.name}:{id(self.subject)}"


def documented(name: str, make: Callable[[], Component | type[BaseModel]]) -> type[Any]:
    """A class that stands for a schema where FastAPI wants one: it takes anything, and costs next to nothing.

    Args:
        name: That of the class.
        make: Called with the document: what the class stands for.
    """

    def take(_source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(Annotated[Any, _Documented(make)])

    return type(name, (), {"__get_pydantic_core_schema__": staticmethod(take)})


@dataclass(frozen=True, slots=True)
class _Documented:
    """Puts a schema into the document, with all that it refers to."""

    make: Callable[[], Component | type[BaseModel]]

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        made = self.make()
        if not isinstance(made, Component):
            return handler(core_schema.definitions_schema(made.__pydantic_core_schema__, []))
        return _put(made, handler)


def _put(component: Component, handler: GetJsonSchemaHandler) -> Schema:
    waiting, known = [component], {component.reference}

    def refer(other: Component, inner: GetJsonSchemaHandler) -> Schema:
        if other.reference not in known:
            known.add(other.reference)
            waiting.append(other)
        return inner(core_schema.definition_reference_schema(other.reference))

    for each in waiting:  # which grows meanwhile
        # One that is there already is not made again.
        handler(core_schema.definitions_schema(core_schema.any_schema(), [_definition(each, refer)]))
    return handler(core_schema.definition_reference_schema(component.reference))


def _definition(
    component: Component, refer: Callable[[Component, GetJsonSchemaHandler], Schema]
) -> CoreSchema:
    def make(_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        made = component.make(lambda other: refer(other, handler))
        return {"title": component.name, **made}

    return core_schema.any_schema(ref=component.reference, metadata={"pydantic_js_functions": [make]})


# Answers.


def page(model: Readable) -> Component:
    """A page of rows."""
    return Component(f"{model.description.name}Page", model, partial(_page, model))


def _page(model: Readable, refer: Refer) -> Schema:
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": refer(item(model))},
            "next": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "description": "Cursor of the following page; null on the last one.",
            },
            "total": {
                "type": "integer",
                "minimum": 0,
                "description": "All rows that match; only with a count.",
            },
            "total_is": {
                "type": "string",
                "enum": ["exact", "at_least", "estimated"],
                "description": "What `total` is; only with a capped or estimated count.",
            },
        },
        "required": ["items", "next"],
    }


def item(model: Readable) -> Component:
    """A row with what was asked for of it."""
    return Component(f"{model.description.name}Item", model, partial(_item, model))


def _item(model: Readable, refer: Refer) -> Schema:
    said = [doc_of(model.description), _ITEM if model.expands else None]
    return {
        "type": "object",
        "description": "\n\n".join(filter(None, said)),
        "properties": {**_values(model), **_related(model, refer)},
    }


_ITEM: Final = "A row: all of its fields, unless fewer are asked for, and the relations that are asked for."


def _values(model: Readable) -> dict[str, Schema]:
    """The JSON schema of each field as it is shown."""
    types = {}
    for field in shown_fields(model):
        read = model.description.types[field.name].read
        types[field.name] = read | None if field.nullable else read
    typed_dict: Any = TypedDict  # a checker wants a literal dictionary here
    schema = TypeAdapter(typed_dict("row", types)).json_schema(mode="serialization")
    definitions = schema.get("$defs", {})
    docs = {field.name: {"description": field.doc} for field in model.fields.values() if field.doc}
    return {
        name: {**inlined(found, definitions), **docs.get(name, {})}
        for name, found in schema.get("properties", {}).items()
    }


def _related(model: Readable, refer: Refer) -> dict[str, Schema]:
    return {name: _rows_behind(model, name, refer) for name in model.links if model.expands}


def _rows_behind(model: Readable, name: str, refer: Refer) -> Schema:
    link, target = _link(model, name)
    row = refer(item(target))
    shape = {"type": "array", "items": row} if link.many else {"anyOf": [row, {"type": "null"}]}
    return {**shape, "description": link.doc or f"Only where `{name}` is asked for."}


def _link(model: Readable, name: str) -> Any:
    return model.link(name)


# Questions.


def query(model: Readable, names: Names) -> Component:
    """A list request as a document."""
    return Component(f"{model.description.name}Query", model, partial(_query, model, names))


def _query(model: Readable, names: Names, refer: Refer) -> Schema:
    shape = _shape(model, names, refer) if model.expands else {}
    return _object(
        {
            "filter": refer(_filter(model)),
            names.order_by: refer(_order(model)),
            names.limit: rows_of(model),
            **{name: schema for name, schema in _places(names) if name is not None},
            **shape,
        },
        description="Which rows, in which order, and what of them.",
    )


def _places(names: Names) -> Iterator[tuple[str | None, Schema]]:
    yield names.offset, {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET}
    yield names.cursor, {"type": "string", "minLength": 1, "description": _CURSOR}
    yield names.page, {"type": "integer", "minimum": 1}
    yield names.count, {"type": "string", "enum": list(COUNTS)}


def _shape(model: Readable, names: Names, refer: Refer, depth: int = 0) -> dict[str, Schema]:
    """What is shown of each row; behind the last relation that is taken, none is offered."""
    fields = {names.fields: refer(_fields(model))}
    ways = expandable(model, MAX_EXPAND_DEPTH - depth)
    if not ways:
        return fields
    either = {"anyOf": [names_schema(ways), refer(_expand(model, names, depth + 1))]}
    return {**fields, names.expand: either}


def _fields(model: Readable) -> Component:
    def make(_: Refer) -> Schema:
        return names_schema(field.name for field in shown_fields(model))

    return Component(f"{model.description.name}Fields", model, make)


def _order(model: Readable) -> Component:
    return Component(f"{model.description.name}Order", model, lambda _: order_schema(model))


def _expand(model: Readable, names: Names, depth: int) -> Component:
    return _at(depth, "Expand", model, partial(_expanded, model, names, depth))


def _expanded(model: Readable, names: Names, depth: int, refer: Refer) -> Schema:
    return _object(
        {name: _selection(model, name, names, refer, depth) for name in model.links},
        description=f"Relations to show, each with what is shown of it; {MAX_EXPANDED} in all at most.",
    )


def _selection(model: Readable, name: str, names: Names, refer: Refer, depth: int) -> Schema:
    link, target = _link(model, name)
    return refer((_many if link.many else _one)(target, names, depth))


def _many(model: Readable, names: Names, depth: int) -> Component:
    return _at(depth, "Rows", model, partial(_rows, model, names, depth))


def _rows(model: Readable, names: Names, depth: int, refer: Refer) -> Schema:
    return _object(
        {
            "filter": refer(_filter(model)),
            names.order_by: refer(_order(model)),
            names.limit: {"type": "integer", "minimum": 1, "maximum": model.max_limit},
            **_shape(model, names, refer, depth),
        },
        description="Which of the related rows, for each row of the page, and what of them.",
    )


def _one(model: Readable, names: Names, depth: int) -> Component:
    def make(refer: Refer) -> Schema:
        return _object(_shape(model, names, refer, depth), description="What is shown of the related row.")

    return _at(depth, "Row", model, make)


def _at(depth: int, kind: str, model: Readable, make: Callable[[Refer], Schema]) -> Component:
    """A component a level: a schema that held itself could not say how deep relations are shown."""
    level = "" if depth == 1 else str(depth)
    return Component(f"{model.description.name}{kind}{level}", model, make)


def _filter(model: Readable) -> Component:
    return Component(f"{model.description.name}Filter", model, partial(_tree, model))


def _tree(model: Readable, refer: Refer) -> Schema:
    own = refer(_filter(model))
    several = {"type": "array", "items": own, "minItems": 1}
    related = {
        name: {
            **refer(_conditions(_link(model, name)[1])),
            "description": f"There is a row behind `{name}` for which all of it holds.",
        }
        for name in model.links
    }
    return _object(
        {
            **document_filters(model),
            **related,
            "and": {**several, "description": "All of them hold."},
            "or": {**several, "description": "At least one of them holds."},
            "not": {**own, "description": "It does not hold."},
        },
        description="Conditions that all hold. Names joined by `__` lead through relations, as in a query string.",
    )


def _conditions(model: Readable) -> Component:
    """Of a related row; what it may hold besides is left to words, or programs that try a schema would never end."""

    def make(_: Refer) -> Schema:
        said = "Conditions on one related row. It takes relations of its own, `and`, `or` and `not`, too."
        return _object(document_filters(model), description=said)

    return Component(f"{model.description.name}Conditions", model, make)


def _object(properties: dict[str, Schema], *, description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }
