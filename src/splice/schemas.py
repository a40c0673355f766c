"""Description → Pydantic models, with every limit of the columns.

Four models, since four rules differ: what is shown, what POST takes, what PATCH takes (all absent or valid, never null
by accident) and what PUT takes (visible read-only fields are accepted and ignored: clients send back what they got).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from pydantic import MISSING, BaseModel, ConfigDict, JsonValue, TypeAdapter, create_model
from pydantic import Field as Described

from splice import examples
from splice.description import Description, Field
from splice.values import ValueType

__all__ = [
    "Page",
    "Schemas",
    "changes",
    "column_limits",
    "doc_of",
    "new_values",
]

_T = TypeVar("_T")
_Definition: TypeAlias = tuple[Any, Any]
_Fields: TypeAlias = Callable[[Description], dict[str, _Definition]]


class Page(BaseModel, Generic[_T]):
    """A page of rows.

    `next` is the cursor of the following page; `total` counts all rows that match, and is there only when it was asked
    for; `total_is` tells what it is, where it was not asked to be exact.
    """

    items: list[_T]
    next: str | None = Described(
        default=None, description="Cursor of the following page; null on the last one."
    )
    total: int | MISSING = Described(
        default=MISSING, ge=0, description="All rows that match; only with a count."
    )
    total_is: Literal["exact", "at_least", "estimated"] | MISSING = Described(
        default=MISSING, description="What `total` is; only with a capped or estimated count."
    )


class Schemas:
    """The models of one resource, each made when it is first asked for; the user's own come first.

    `Read` is for answers, `Create` for POST, `Update` for PATCH, `Replace` for PUT. A service of many tables that only
    reads makes one of the four.
    """

    def __init__(
        self,
        description: Description,
        *,
        read: type[BaseModel] | None = None,
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
    ) -> None:
        self._description = description
        self._own = MappingProxyType({"Read": read, "Create": create, "Update": update})

    @cached_property
    def Read(self) -> type[BaseModel]:  # noqa: N802  # a class
        shown = {
            field.name: _shown(field, self._description.types[field.name])
            for field in self._description.readable
        }
        return self._own["Read"] or _model(self._description, "Read", _read_config(), shown)

    @cached_property
    def Create(self) -> type[BaseModel]:  # noqa: N802  # a class
        return self._own["Create"] or self._strict("Create", _creatable)

    @cached_property
    def Update(self) -> type[BaseModel]:  # noqa: N802  # a class
        return self._own["Update"] or self._strict("Update", _updatable)

    @cached_property
    def Replace(self) -> type[BaseModel]:  # noqa: N802  # a class
        return self._strict("Replace", _replaceable)

    def example(self, role: str) -> dict[str, JsonValue] | None:
        """A whole object of a model, in its order; None of one of the user's own, and where none is known."""
        return None if self._own.get(role) else _WHOLE[role](self._description)

    def _strict(self, role: str, fields: _Fields) -> type[BaseModel]:
        return _model(self._description, role, _strict_config(), fields(self._description))


def column_limits(description: Description) -> Mapping[str, TypeAdapter[Any]]:
    """What each column that clients may write can hold, for values that a model of the user's own let through."""
    writable = [field for field in description.fields.values() if field.creatable or field.updatable]
    types = {field.name: _nullable(field, description.types[field.name].write) for field in writable}
    return MappingProxyType({name: TypeAdapter(annotation) for name, annotation in types.items()})


def new_values(body: BaseModel, *, generated: bool) -> dict[str, Any]:
    """What a POST body says, by field name.

    In a generated model an absent field is left to the model's defaults; the defaults of a model of the user's own are
    meant, so they count as said.
    """
    names = body.model_fields_set if generated else type(body).model_fields
    return _by_alias(body, names)


def changes(body: BaseModel) -> dict[str, Any]:
    """What a PATCH or PUT body says, by field name: only what was sent."""
    return _by_alias(body, body.model_fields_set)


def _by_alias(body: BaseModel, names: Any) -> dict[str, Any]:
    fields = type(body).model_fields
    said = {fields[name].alias or name: getattr(body, name) for name in fields if name in names}
    return {name: value for name, value in said.items() if value is not MISSING}


def _strict_config() -> ConfigDict:
    return ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


def _read_config() -> ConfigDict:
    return ConfigDict(from_attributes=True, protected_namespaces=(), populate_by_name=True)


def _model(
    description: Description, role: str, config: ConfigDict, fields: Mapping[str, _Definition]
) -> type[BaseModel]:
    definitions: dict[str, _Definition] = {}
    for name, definition in fields.items():
        definitions[_python_name(name, {*fields, *definitions})] = definition
    model: type[BaseModel] = create_model(  # type: ignore[call-overload]  # fields from values
        f"{description.name}{role}",
        __config__={**config, "json_schema_extra": partial(_add_examples, description, role)},
        __doc__=doc_of(description),
        __module__=description.model.__module__,
        **definitions,
    )
    return model


def _add_examples(description: Description, role: str, schema: dict[str, Any]) -> None:
    """Show what a field and what a whole object may be, in place of what pages make up from types."""
    known = examples.examples_of(description)
    for name, stated in schema.get("properties", {}).items():
        if name in known:
            for part in (stated, *stated.get("anyOf", ())):
                part.pop("examples", None)
            stated["examples"] = [known[name]]
    whole = _WHOLE[role](description)
    if whole:
        schema["examples"] = [whole]


_WHOLE: Final[Mapping[str, Callable[[Description], dict[str, JsonValue] | None]]] = MappingProxyType(
    {
        "Read": examples.shown,
        "Create": examples.created,
        "Update": examples.updated,
        "Replace": examples.replaced,
    }
)


def _python_name(name: str, others: Container[str]) -> str:
    """What a field that Pydantic would not take by its own name is called inside of the model."""
    if not _needs_alias(name):
        return name
    inside = f"{name.strip('_') or 'field'}_"
    while inside in others or _needs_alias(inside):
        inside += "_"
    return inside


def _needs_alias(name: str) -> bool:
    """A field may be called like a method of BaseModel (`json`, `copy`); a name that begins with `_` is no field."""
    return name.startswith("_") or hasattr(BaseModel, name)


def _info(field: Field, **options: Any) -> Any:
    return Described(description=field.doc, alias=field.name if _needs_alias(field.name) else None, **options)


def doc_of(description: Description) -> str | None:
    """What the model says of itself to clients."""
    doc = vars(description.model).get("__doc__")
    # A dataclass-mapped model gets its signature as a docstring, which says nothing to clients.
    return None if doc is None or doc.startswith(f"{description.name}(") else doc


def _shown(field: Field, types: ValueType) -> _Definition:
    return _nullable(field, types.read), _info(field)


def _creatable(description: Description) -> dict[str, _Definition]:
    types = description.types
    return {
        field.name: _required(field, types) if field.required else _optional(field, types)
        for field in description.fields.values()
        if field.creatable
    }


def _updatable(description: Description) -> dict[str, _Definition]:
    return {
        field.name: _maybe_absent(field, description.types)
        for field in description.fields.values()
        if field.updatable
    }


def _replaceable(description: Description) -> dict[str, _Definition]:
    return {field.name: _replacement(field, description.types) for field in description.visible}


def _replacement(field: Field, types: Mapping[str, ValueType]) -> _Definition:
    if field.updatable:
        return _required(field, types) if _needed_on_replace(field) else _optional(field, types)
    # A key of the client's and a field written once are stored where PUT creates the row.
    value = types[field.name].write if field.creatable else types[field.name].read
    annotation = _nullable(field, value)
    return annotation | MISSING, _info(field, default=MISSING, json_schema_extra={"readOnly": True})


def _needed_on_replace(field: Field) -> bool:
    """An omitted field takes its Python default, else NULL; what only an INSERT could supply has to be sent."""
    of_an_insert = field.has_python_default or field.has_server_default
    return field.replace_default is None and (of_an_insert or not field.nullable)


def _required(field: Field, types: Mapping[str, ValueType]) -> _Definition:
    return _nullable(field, types[field.name].write), _info(field)


def _optional(field: Field, types: Mapping[str, ValueType]) -> _Definition:
    annotation = _nullable(field, types[field.name].write)
    if field.default is not None:
        return annotation, _info(field, default=field.default)
    if field.nullable and not (field.has_python_default or field.has_server_default):
        return annotation, _info(field, default=None)
    return annotation | MISSING, _info(field, default=MISSING)


def _maybe_absent(field: Field, types: Mapping[str, ValueType]) -> _Definition:
    annotation = _nullable(field, types[field.name].write)
    return annotation | MISSING, _info(field, default=MISSING)


def _nullable(field: Field, annotation: Any) -> Any:
    return annotation | None if field.nullable else annotation
