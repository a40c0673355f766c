"""How rows become JSON: straight from the columns, or through a model of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.orm import Session, selectinload, undefer
from sqlalchemy.orm.strategy_options import _AbstractLoad

from splice.description import Description
from splice.plan import ReadPlan
from splice.schemas import RowSerializer
from splice.statements import reselect_entity, select_entities, select_row, select_rows

__all__ = ["EntityShape", "Key", "PageAnswer", "Row", "RowShape", "Shape", "dialect_of", "row_of"]

Key: TypeAlias = Sequence[Any]
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """One page as it will be sent, and whether rows follow."""

    body: bytes
    has_next: bool


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

    def select_one(self, description: Description, key: Key, dialect: str) -> sa.Select[Any]: ...

    def select_page(self, plan: ReadPlan, dialect: str) -> sa.Select[Any]: ...

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None: ...

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer: ...


@dataclass(frozen=True, slots=True)
class RowShape:
    """The generated shape: rows of the readable columns, no entity, no model instance."""

    serializer: RowSerializer
    covered: bool = True
    relations: tuple[str, ...] = ()
    options: tuple[_AbstractLoad, ...] = ()

    def select_one(self, description: Description, key: Key, dialect: str) -> sa.Select[Any]:
        return select_row(description, key, dialect)

    def select_page(self, plan: ReadPlan, dialect: str) -> sa.Select[Any]:
        return select_rows(plan, dialect)

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None:
        statement = self.select_one(description, key, dialect_of(session, description.model))
        found = session.execute(statement).one_or_none()
        if found is None:
            return None
        row = dict(zip(_names(description), found, strict=True))
        return self.serializer.row(row), row

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer:
        names = _names(plan.description)
        found = session.execute(self.select_page(plan, dialect_of(session, plan.description.model))).all()
        rows = [dict(zip(names, row, strict=True)) for row in found[: plan.limit]]
        return PageAnswer(self.serializer.page(rows, total), len(found) > plan.limit)


@dataclass(frozen=True, slots=True)
class EntityShape:
    """A Pydantic model of the user's own, filled from ORM entities; its relations are loaded in advance."""

    model: type[BaseModel]
    covered: bool
    relations: tuple[str, ...]
    options: tuple[_AbstractLoad, ...]

    @classmethod
    def of(cls, shown: type[BaseModel], description: Description) -> EntityShape:
        sources = set(_sources(shown))
        return cls(
            model=shown,
            covered=sources <= {field.name for field in description.readable},
            relations=tuple(sources & set(sa.inspect(description.model).relationships.keys())),
            options=tuple(_loading(shown, description.model, ())),
        )

    def select_one(self, description: Description, key: Key, dialect: str) -> sa.Select[Any]:
        return reselect_entity(description, key, dialect).options(undefer("*"), *self.options)

    def select_page(self, plan: ReadPlan, dialect: str) -> sa.Select[Any]:
        return select_entities(plan, dialect).options(*self.options)

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None:
        statement = self.select_one(description, key, dialect_of(session, description.model))
        # Unique: a relation may be declared to be joined, and gives a row for each of its own.
        entity = session.execute(statement).unique().scalar_one_or_none()
        return None if entity is None else (self._json(entity), row_of(description, entity))

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer:
        statement = self.select_page(plan, dialect_of(session, plan.description.model))
        entities = session.execute(statement).unique().scalars().all()
        items = b",".join(self._json(entity) for entity in entities[: plan.limit])
        count = b"" if total is None else b',"total":%d' % total
        return PageAnswer(b'{"items":[%s]%s}' % (items, count), len(entities) > plan.limit)

    def _json(self, entity: Any) -> bytes:
        return self.model.model_validate(entity, from_attributes=True).model_dump_json(by_alias=True).encode()


def dialect_of(session: Session, model: type[Any]) -> str:
    """The name of the database behind a session; MariaDB is told apart from MySQL whatever the URL says."""
    dialect = session.get_bind(sa.inspect(model)).dialect
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def row_of(description: Description, entity: Any) -> dict[str, Any]:
    """The readable fields of an entity, as a row."""
    return {part.name: getattr(entity, part.name) for part in description.readable}


def _names(description: Description) -> tuple[str, ...]:
    return tuple(part.name for part in description.readable)


def _sources(shown: type[BaseModel]) -> dict[str, Any]:
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
    for name, annotation in _sources(shown).items():
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
