"""What stops the start: models that could not be served honestly, each with the fix."""

from __future__ import annotations

import logging
from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from splice.database import Database
from splice.description import Description, Field
from splice.errors import SetupError

__all__ = ["check_create", "check_storage", "say_what_is_private"]

_SQLITE_DECIMAL_DIGITS: Final = 15
"""SQLite keeps a Numeric as a double."""

_LOGGER: Final = logging.getLogger("splice")


def check_storage(description: Description, db: Database | None) -> None:
    """Refuse columns of which this database would store other values than were sent."""
    if db is None:
        return
    for field in description.fields.values():
        if db.dialect == "sqlite" and _is_inexact(field.type):
            raise SetupError(
                f"{description.name}.{field.name} is a Numeric of more than {_SQLITE_DECIMAL_DIGITS} digits, which "
                f"SQLite would store inexactly; use Numeric({_SQLITE_DECIMAL_DIGITS}, …) or less, or another database"
            )
        if db.dialect != "postgresql" and _is_zoned_time(field.stored_type):
            raise SetupError(
                f"{description.name}.{field.name} is a Time with a time zone, of which only PostgreSQL keeps the zone; "
                "use Time(), or DateTime(timezone=True) for moments"
            )


def _is_inexact(type_: TypeEngine[Any]) -> bool:
    if isinstance(type_, sa.TypeDecorator):
        # A decorator may store text where a database has no decimals.
        return _is_inexact(type_.load_dialect_impl(sqlite.dialect()))
    # A Float says of itself that it is not exact.
    if not isinstance(type_, sa.Numeric) or isinstance(type_, sa.Float) or not type_.asdecimal:
        return False
    return type_.precision is None or type_.precision > _SQLITE_DECIMAL_DIGITS


def _is_zoned_time(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, sa.Time) and type_.timezone


def check_create(description: Description, own: type[BaseModel] | None) -> None:
    """Refuse a resource on which no POST could ever succeed; for one without a before_create hook."""
    if own is not None:
        _check_own_create(description, own)
    sent = _creatable(description) if own is None else _names(own)
    for field in description.fields.values():
        if not (field.name in sent or _supplies_itself(description, field)):
            raise SetupError(
                f"{description.name}.{field.name} is required but {_who_lacks(own)}, so no row could be created; give "
                "it a default, fill it in a before_create hook, take it from a create= model, or leave 'create' out "
                "of only="
            )


def _check_own_create(description: Description, create: type[BaseModel]) -> None:
    unused = [name for name in _names(create) if name not in description.fields]
    if unused:
        raise SetupError(
            f"{create.__name__} has fields that {description.name} does not: {', '.join(unused)}; use them in a "
            "before_create hook, or remove them"
        )


def _names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _creatable(description: Description) -> list[str]:
    return [field.name for field in description.fields.values() if field.creatable]


def _supplies_itself(description: Description, field: Field) -> bool:
    """Whether the model or the database fills a column that no body names; what is no column needs no value."""
    stored = isinstance(field.column, sa.Column)
    made = field is description.version or field.has_python_default or field.has_server_default
    return made or field.nullable or not stored


def _who_lacks(own: type[BaseModel] | None) -> str:
    return "clients may not write it" if own is None else f"{own.__name__} does not have it"


def say_what_is_private(description: Description) -> None:
    """Tell the log which fields are hidden for their names alone."""
    names = [field.name for field in description.fields.values() if field.guessed_private]
    if names:
        _LOGGER.warning(
            "%s: %s looks secret and is private; mark it to say otherwise", description.name, ", ".join(names)
        )
