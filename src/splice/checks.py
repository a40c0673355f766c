"""What stops the start: models that could not be served honestly, each with the fix."""

from __future__ import annotations

import logging
from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.types import TypeEngine

from splice.database import Database
from splice.description import Description
from splice.errors import SetupError

__all__ = ["check_create", "check_decimals", "say_what_is_private"]

SQLITE_DECIMAL_DIGITS: Final = 15
"""SQLite keeps a Numeric as a double."""

_LOGGER: Final = logging.getLogger("splice")


def check_decimals(description: Description, db: Database | None) -> None:
    """Refuse decimals that SQLite would store as other numbers."""
    if db is None or db.dialect != "sqlite":
        return
    for field in description.fields.values():
        if _is_inexact(field.type):
            raise SetupError(
                f"{description.name}.{field.name} is a Numeric of more than {SQLITE_DECIMAL_DIGITS} digits, which "
                f"SQLite would store inexactly; use Numeric({SQLITE_DECIMAL_DIGITS}, …) or less, or another database"
            )


def _is_inexact(type_: TypeEngine[Any]) -> bool:
    # A Float says of itself that it is not exact.
    if not isinstance(type_, sa.Numeric) or isinstance(type_, sa.Float) or not type_.asdecimal:
        return False
    return type_.precision is None or type_.precision > SQLITE_DECIMAL_DIGITS


def check_create(description: Description, own: type[BaseModel] | None) -> None:
    """Refuse a resource on which no POST could ever succeed."""
    if own is None:
        _check_private(description)
    else:
        _check_own_create(description, own)


def _check_private(description: Description) -> None:
    for field in description.fields.values():
        supplied = field.creatable or field.nullable or field.has_python_default or field.has_server_default
        if not supplied and field is not description.version and isinstance(field.column, sa.Column):
            raise SetupError(
                f"{description.name}.{field.name} is required but clients may not write it, so no row could be "
                "created; give it a default, fill it in a before_create hook, take it from a create= model, or leave "
                "'create' out of only="
            )


def _check_own_create(description: Description, create: type[BaseModel]) -> None:
    unused = [
        name for name, info in create.model_fields.items() if (info.alias or name) not in description.fields
    ]
    if unused:
        raise SetupError(
            f"{create.__name__} has fields that {description.name} does not: {', '.join(unused)}; use them in a "
            "before_create hook, or remove them"
        )


def say_what_is_private(description: Description) -> None:
    """Tell the log which fields are hidden for their names alone."""
    names = [field.name for field in description.fields.values() if field.guessed_private]
    if names:
        _LOGGER.warning(
            "%s: %s looks secret and is private; mark it to say otherwise", description.name, ", ".join(names)
        )
