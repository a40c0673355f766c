"""Rows → JSON, without a model instance a row; exactly Pydantic's format."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any, Final, TypeAlias, get_args

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from splice.description import Description, Field
from splice.reads import Many, One, Selection

__all__ = ["RowSerializer", "Serializers", "row_serializer", "serializer_of"]

_Row: TypeAlias = Mapping[str, Any]

_MOST_SHAPES: Final = 128
"""Serialisers that a resource keeps; whoever asks for ever new shapes makes them anew, and fills no memory."""


class RowSerializer:
    """Writes rows of one shape; `types` are the annotations of plain values, `inner` the shapes of nested rows."""

    def __init__(self, types: Mapping[str, Any], inner: Mapping[str, RowSerializer] | None = None) -> None:
        self._types = types
        self._inner = inner or {}

    @cached_property
    def row_type(self) -> Any:
        """The annotation of one row."""
        # A checker wants a literal dictionary here; these are known at start only.
        typed_dict: Any = TypedDict
        return typed_dict("row", dict(self._types))

    def row(self, row: _Row) -> bytes:
        """One row as a JSON object."""
        try:
            written: bytes = self._one.to_json(row, warnings="none")
        except PydanticSerializationError:
            written = self._one.to_json(self._as_text(row), warnings="none")
        return written

    def rows(self, rows: Sequence[_Row]) -> bytes:
        """Rows as a JSON array."""
        try:
            written: bytes = self._list.to_json(rows, warnings="none")
        except PydanticSerializationError:
            written = self._list.to_json([self._as_text(row) for row in rows], warnings="none")
        return written

    def plain(self, row: _Row) -> dict[str, Any]:
        """One row as the values that JSON knows, in the same spellings."""
        try:
            said: dict[str, Any] = self._one.to_python(row, mode="json", warnings="none")
        except PydanticSerializationError:
            said = self._one.to_python(self._as_text(row), mode="json", warnings="none")
        return said

    def digest(self, row: _Row) -> str:
        """A hash over every field: rows with one digest hold the same."""
        return hashlib.blake2b(self.row(row), digest_size=16).hexdigest()

    @cached_property
    def _one(self) -> Any:
        return TypeAdapter(self.row_type).serializer

    @cached_property
    def _list(self) -> Any:
        rows: Any = GenericAlias(list, self.row_type)
        return TypeAdapter(rows).serializer

    def _as_text(self, row: _Row) -> _Row:
        """A row of SQLite, which keeps bytes in any column: one such value would otherwise make a list a failure.

        Bytes that are text in UTF-8 are shown as that text in any case.
        """
        return {name: self._told(name, value) for name, value in row.items()}

    def _told(self, name: str, value: Any) -> Any:
        inner = self._inner.get(name)
        if inner is None:
            return base64.b64encode(value).decode() if self._is_stray(name, value) else value
        if isinstance(value, list):
            return [inner._as_text(row) for row in value]  # noqa: SLF001  # one of its own kind
        return None if value is None else inner._as_text(value)  # noqa: SLF001  # the same

    def _is_stray(self, name: str, value: Any) -> bool:
        stray = isinstance(value, bytes) and name in self._types and not _is_about_bytes(self._types[name])
        return stray and "\ufffd" in value.decode(errors="replace")


def _is_about_bytes(annotation: Any) -> bool:
    return annotation is bytes or any(_is_about_bytes(part) for part in get_args(annotation))


def row_serializer(description: Description) -> RowSerializer:
    """The serialiser of the fields that are shown; of what a row holds besides, nothing is written."""
    return RowSerializer(_types(description, description.readable))


def serializer_of(selection: Selection) -> RowSerializer:
    """The serialiser of what a selection shows."""
    inner = {relation.link.name: serializer_of(relation.selection) for relation in selection.relations}
    types = _types(selection.description, selection.fields)
    nested = {
        relation.link.name: _nested(relation, inner[relation.link.name].row_type)
        for relation in selection.relations
    }
    return RowSerializer(types | nested, inner)


def _types(description: Description, fields: Sequence[Field]) -> dict[str, Any]:
    read = {field.name: description.types[field.name].read for field in fields}
    return {field.name: read[field.name] | None if field.nullable else read[field.name] for field in fields}


def _nested(relation: One | Many, row_type: Any) -> Any:
    return GenericAlias(list, row_type) if relation.link.many else row_type | None


class Serializers:
    """The serialisers of a resource by shape, each made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[Hashable, RowSerializer] = {}

    def of(self, selection: Selection) -> RowSerializer:
        """That of a selection; values of its filters make no difference."""
        shape = _shape(selection)
        found = self._known.get(shape)
        if found is None:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            found = self._known[shape] = serializer_of(selection)
        return found


def _shape(selection: Selection) -> Hashable:
    relations = tuple((relation.link, _shape(relation.selection)) for relation in selection.relations)
    return selection.description, selection.fields, relations
