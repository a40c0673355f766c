"""What a reflected database holds, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy.types import TypeEngine

from splice.terms import Verb

__all__ = [
    "Check",
    "Column",
    "Command",
    "ForeignKey",
    "Index",
    "Kind",
    "Model",
    "Place",
    "Reflection",
    "Relation",
    "Unique",
]

Command: TypeAlias = Literal["INSERT", "UPDATE", "DELETE"]
Kind: TypeAlias = Literal["table", "view"]
Place: TypeAlias = tuple[str | None, str]
"""Schema and table; no schema stands for the one that the connection starts in."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column that will be an attribute.

    `autoincrement` is None where SQLAlchemy guesses right; `server_default` is SQL; `computed` is SQL too, and
    `persisted` tells whether its value is stored; `identity` holds the arguments of `Identity`.
    """

    attribute: str
    name: str
    type: TypeEngine[Any]
    nullable: bool
    primary_key: bool
    autoincrement: bool | None = None
    server_default: str | None = None
    identity: Mapping[str, Any] | None = None
    computed: str | None = None
    persisted: bool | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from some columns to those of another model; `late` is one that closes a circle of tables."""

    columns: tuple[str, ...]
    target: Place
    target_columns: tuple[str, ...]
    name: str | None = None
    ondelete: str | None = None
    onupdate: str | None = None
    deferrable: bool | None = None
    initially: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns that are different in every row; no name where the database chose one."""

    columns: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index over plain columns."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A named rule about a row, in SQL."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute that leads to other rows.

    `foreign_keys` and `remote_side` are attributes, named where SQLAlchemy could not tell by itself which foreign key
    is meant. `owner` is the class that has the foreign key. A relation through a table between two others names the
    class of that table as `through`, and is for reading. `on_delete` is what the database does to rows that refer.
    """

    name: str
    target: str
    many: bool
    optional: bool
    back: str
    owner: str
    foreign_keys: tuple[str, ...] = ()
    remote_side: tuple[str, ...] = ()
    through: str | None = None
    view_only: bool = False
    on_delete: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A class to be, with everything that its text needs.

    `key` names the attributes of the primary key; a view, and a table without one, has none, and `identity` then names
    the attributes that tell its rows apart as far as that can be. `reads` and `writes` are the verbs that can be served
    without and with writing.
    """

    name: str
    table: str
    schema: str | None
    path: str
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    identity: tuple[str, ...]
    private: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    uniques: tuple[Unique, ...]
    indexes: tuple[Index, ...]
    checks: tuple[Check, ...]
    relations: tuple[Relation, ...]
    reads: frozenset[Verb]
    writes: frozenset[Verb]
    comment: str | None = None

    @property
    def place(self) -> Place:
        return self.schema, self.table

    @property
    def only_listed(self) -> str | None:
        """Why its rows can be listed, but not be addressed; None if they can."""
        if self.key:
            return None
        return f"{'a view' if self.kind == 'view' else 'no key that splice can use'}: its rows can be listed"

    @property
    def has_default_path(self) -> bool:
        """Whether a Resource finds this path by itself."""
        return self.path == f"/{self.table}"


@dataclass(frozen=True, slots=True, eq=False)
class Reflection:
    """The models of a database, by schema and name; what was left out and what is worth saying, as (what, why)."""

    dialect: str
    models: tuple[Model, ...]
    left_out: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...]
