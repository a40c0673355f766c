"""How rows become JSON: straight from the columns, or through a model of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.orm import Session, selectinload, undefer
from sqlalchemy.orm.strategy_options import _AbstractLoad

from splice.description import Description
from splice.errors import NotAcceptable
from splice.exports import CsvWriter, MediaType, lines
from splice.reading import read_entities, read_rows
from splice.reads import Position, ReadPlan, Selection
from splice.serializers import Serializers
from splice.statements import select_entities, select_page

__all__ = [
    "EntityShape",
    "Export",
    "Key",
    "PageRows",
    "Row",
    "RowShape",
    "Shape",
    "dialect_of",
    "row_of",
    "sources_of",
]

Key: TypeAlias = Sequence[Any]
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageRows:
    """The rows of one page as JSON, how many, whether rows follow in the direction of reading, and its two ends."""

    items: bytes
    size: int
    has_more: bool
    first: Position | None
    last: Position | None


@dataclass(frozen=True, slots=True)
class Export:
    """How a list is sent whole: what comes first, and how a part of it is read and written."""

    header: bytes
    read: Callable[[Session, ReadPlan], PageRows]


class Shape(Protocol):
    """How rows are read, by which statements, and written as JSON.

    `relations` are shown with each row, and `options` load them. `covered` tells whether all that is shown is a column
    of the row: only then do equal entity tags mean equal answers.
    """

    @property
    def covered(self) -> bool: ...

    @property
    def relations(self) -> Sequence[str]: ...

    @property
    def options(self) -> Sequence[_AbstractLoad]: ...

    def statement(self, plan: ReadPlan, dialect: str) -> sa.Select[Any] | sa.CompoundSelect[Any]: ...

    def read(self, session: Session, plan: ReadPlan) -> tuple[bytes, Row] | None: ...

    def find(self, session: Session, plan: ReadPlan) -> PageRows: ...

    def export(self, selection: Selection, media_type: MediaType) -> Export: ...


@dataclass(frozen=True, slots=True)
class RowShape:
    """The generated shape: rows of the columns that were asked for, no entity, no model instance."""

    serializers: Serializers
    covered: bool = True
    relations: tuple[str, ...] = ()
    options: tuple[_AbstractLoad, ...] = ()

    def statement(self, plan: ReadPlan, dialect: str) -> sa.Select[Any] | sa.CompoundSelect[Any]:
        return select_page(plan, dialect)

    def read(self, session: Session, plan: ReadPlan) -> tuple[bytes, Row] | None:
        found = read_rows(session, plan, dialect_of(session, plan.description.model)).rows
        return (self.serializers.of(plan.selection).row(found[0]), found[0]) if found else None

    def find(self, session: Session, plan: ReadPlan) -> PageRows:
        return self._reader(self.serializers.of(plan.selection).rows)(session, plan)

    def export(self, selection: Selection, media_type: MediaType) -> Export:
        serializer = self.serializers.of(selection)
        if media_type == "text/csv":
            table = CsvWriter(selection)
            return Export(
                table.header(), self._reader(lambda rows: table.rows([serializer.plain(row) for row in rows]))
            )
        return Export(b"", self._reader(lambda rows: lines(rows, serializer.row)))

    @staticmethod
    def _reader(write: Callable[[Sequence[Row]], bytes]) -> Callable[[Session, ReadPlan], PageRows]:
        def read(session: Session, plan: ReadPlan) -> PageRows:
            found = read_rows(session, plan, dialect_of(session, plan.description.model))
            return PageRows(write(found.rows), len(found.rows), found.has_more, found.first, found.last)

        return read


@dataclass(frozen=True, slots=True)
class EntityShape:
    """A Pydantic model of the user's own, filled from ORM entities; its relations are loaded in advance."""

    model: type[BaseModel]
    covered: bool
    relations: tuple[str, ...]
    options: tuple[_AbstractLoad, ...]

    @classmethod
    def of(cls, shown: type[BaseModel], description: Description) -> EntityShape:
        sources = set(sources_of(shown))
        return cls(
            model=shown,
            covered=sources <= {field.name for field in description.readable},
            relations=tuple(sources & set(sa.inspect(description.model).relationships.keys())),
            options=tuple(_loading(shown, description.model, ())),
        )

    def statement(self, plan: ReadPlan, dialect: str) -> sa.Select[Any] | sa.CompoundSelect[Any]:
        return select_entities(plan, dialect).options(*self.options)

    def read(self, session: Session, plan: ReadPlan) -> tuple[bytes, Row] | None:
        # Stored values, whatever a hook has left in the session; unique, since a joined relation gives several rows.
        found = read_entities(
            session,
            plan,
            dialect_of(session, plan.description.model),
            (undefer("*"), *self.options),
            fresh=True,
        ).entities
        return (self._json(found[0]), row_of(plan.description, found[0])) if found else None

    def find(self, session: Session, plan: ReadPlan) -> PageRows:
        return self._read(session, plan, lambda entities: b"[%s]" % b",".join(map(self._json, entities)))

    def export(self, _selection: Selection, media_type: MediaType) -> Export:
        if media_type == "text/csv":
            raise NotAcceptable(
                "This list has a shape of its own, which is no table; ask for application/jsonl",
                header="Accept",
            )
        return Export(
            b"", lambda session, plan: self._read(session, plan, lambda found: lines(found, self._json))
        )

    def _read(self, session: Session, plan: ReadPlan, write: Callable[[Sequence[Any]], bytes]) -> PageRows:
        found = read_entities(session, plan, dialect_of(session, plan.description.model), self.options)
        return PageRows(write(found.entities), len(found.entities), found.has_more, found.first, found.last)

    def _json(self, entity: Any) -> bytes:
        return self.model.model_validate(entity, from_attributes=True).model_dump_json(by_alias=True).encode()


def dialect_of(session: Session, model: type[Any]) -> str:
    """The name of the database behind a session; MariaDB is told apart from MySQL whatever the URL says."""
    dialect = session.get_bind(sa.inspect(model)).dialect
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def row_of(description: Description, entity: Any) -> dict[str, Any]:
    """The readable fields of an entity, as a row."""
    return {part.name: getattr(entity, part.name) for part in description.readable}


def sources_of(shown: type[BaseModel]) -> dict[str, Any]:
    """The attributes that a model reads, with the annotation of each field."""
    return {_source(name, info): info.annotation for name, info in shown.model_fields.items()}


def _source(name: str, info: FieldInfo) -> str:
    # What an AliasPath or AliasChoices reads cannot be known before: the field stands for no column.
    alias = info.validation_alias or info.alias or name
    return alias if isinstance(alias, str) else ""


def _loading(
    shown: type[BaseModel], model: type[Any], above: tuple[type[BaseModel], ...]
) -> Iterator[_AbstractLoad]:
    """What loads the relations of a model and of those inside it; one inside of itself is loaded when it is met."""
    relations = sa.inspect(model).relationships
    for name, annotation in sources_of(shown).items():
        if name in relations:
            nested = [
                option
                for part in _models_in(annotation)
                if part not in (*above, shown)
                for option in _loading(part, relations[name].mapper.class_, (*above, shown))
            ]
            yield selectinload(getattr(model, name)).options(*nested)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
