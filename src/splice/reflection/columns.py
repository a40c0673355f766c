"""The types of a database → SQLAlchemy types that splice can show and take."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from splice.errors import SetupError
from splice.types import AsStored
from splice.values import value_type

__all__ = ["SQLITE_INTEGER", "known_type", "sqlite_type"]

SQLITE_INTEGER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite's INTEGER, which has 64 bits whatever it is called."""

_SQLITE_DIGITS: Final = 15
"""Decimal digits that SQLite keeps: it stores a double."""

_MOST_PLACES: Final = 300
"""Decimal places below which the smallest step is no number of JSON's any more."""

_DECLARED: Final = re.compile(r"\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*")

# Types


def known_type(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """The plain type that stands for one of PostgreSQL's or MariaDB's; None where splice has no values for it."""
    found = next((rule(type_) for kind, rule in _RULES if isinstance(type_, kind)), None)
    return found if found is not None and _is_shown(found) else None


def sqlite_type(declared: str) -> TypeEngine[Any]:
    """The type that a column of SQLite states, tolerant of whatever is stored.

    Source of the order of the rules: section 3.1 of https://www.sqlite.org/datatype3.html.
    """
    match = _DECLARED.fullmatch(declared.upper())
    name, first, second = match.groups() if match else (declared.upper(), None, None)
    if name in _SQLITE_NAMES:
        return _SQLITE_NAMES[name]()
    if "INT" in name:
        return SQLITE_INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return _sqlite_text(name, first)
    if name.startswith(("DECIMAL", "NUMERIC")):
        return _sqlite_decimal(first, second)
    return next((make() for part, make in _SQLITE_PARTS if part in name), AsStored())


def _sqlite_text(name: str, length: str | None) -> TypeEngine[Any]:
    return sa.String(int(length)) if length and int(length) and "CHAR" in name else sa.Text()


def _sqlite_decimal(digits: str | None, places: str | None) -> TypeEngine[Any]:
    """Without stated digits a number is what it is; beyond 15 it could not be stored as sent."""
    if not digits or not int(digits):
        return AsStored(sa.Numeric(asdecimal=False))
    precision = min(int(digits), _SQLITE_DIGITS)
    return AsStored(sa.Numeric(precision, min(int(places or 0), precision)))


_SQLITE_NAMES: Final[dict[str, Callable[[], TypeEngine[Any]]]] = {
    "": AsStored,
    "BIGINT": sa.BigInteger,
    "BOOL": lambda: AsStored(sa.Boolean()),
    "BOOLEAN": lambda: AsStored(sa.Boolean()),
    "DATE": lambda: AsStored(sa.Date()),
    "DATETIME": lambda: AsStored(sa.DateTime()),
    "JSON": lambda: AsStored(sa.JSON()),
    "JSONB": lambda: AsStored(sa.JSON()),
    "REAL": sa.REAL,
    "SMALLINT": sa.SmallInteger,
    "TIME": lambda: AsStored(sa.Time()),
    "TIMESTAMP": lambda: AsStored(sa.TIMESTAMP()),
}


_SQLITE_PARTS: Final[tuple[tuple[str, Callable[[], TypeEngine[Any]]], ...]] = (
    ("BLOB", lambda: AsStored(sa.LargeBinary())),
    ("DOUB", sa.Double),
    ("REAL", sa.Float),
    ("FLOA", sa.Float),
    ("TIMESTAMP", lambda: AsStored(sa.TIMESTAMP())),
    ("DATETIME", lambda: AsStored(sa.DateTime())),
)


def _is_shown(type_: TypeEngine[Any]) -> bool:
    try:
        value_type(type_, None, "")
    except SetupError:
        return False
    return True


def _domain(type_: Any) -> TypeEngine[Any] | None:
    # PostgreSQL has no operator that compares a domain over an enum with the enum.
    return None if isinstance(type_.data_type, sa.Enum) else known_type(type_.data_type)


def _array(type_: Any) -> TypeEngine[Any] | None:
    inner = known_type(type_.item_type)
    return None if inner is None else sa.ARRAY(inner)


def _enum(type_: Any) -> TypeEngine[Any] | None:
    if not type_.enums:
        return None
    if isinstance(type_, postgresql.ENUM):
        return sa.Enum(*type_.enums, name=type_.name, schema=type_.schema)
    return sa.Enum(*type_.enums)


def _tinyint(type_: Any) -> TypeEngine[Any]:
    """A BOOLEAN is a TINYINT(1) there, and has a sign."""
    unsigned = bool(type_.unsigned)
    return sa.Boolean() if type_.display_width == 1 and not unsigned else mysql.TINYINT(unsigned=unsigned)


def _whole(plain: type[Any], unsigned: type[Any]) -> Callable[[Any], TypeEngine[Any]]:
    def rule(type_: Any) -> TypeEngine[Any]:
        kind = unsigned(unsigned=True) if getattr(type_, "unsigned", False) else plain()
        return cast("TypeEngine[Any]", kind)

    return rule


def _text(type_: Any) -> TypeEngine[Any]:
    # Compared as CHAR, or the blanks at the end would count; see PostgreSQL's manual, section 8.3.
    plain = sa.CHAR if isinstance(type_, sa.CHAR) else sa.String
    return plain(type_.length) if type_.length else sa.String()


def _long_text(_type: Any) -> TypeEngine[Any]:
    return sa.Text()


def _bytes(type_: Any) -> TypeEngine[Any]:
    return sa.LargeBinary(type_.length)


def _decimal(type_: Any) -> TypeEngine[Any]:
    digits, places = type_.precision, type_.scale or 0
    # PostgreSQL 15 has numeric(3, -2) and numeric(2, 4), which have no spelling elsewhere.
    return sa.Numeric(digits, places) if digits and 0 <= places <= min(digits, _MOST_PLACES) else sa.Numeric()


def _moment(type_: Any) -> TypeEngine[Any]:
    return sa.DateTime(timezone=bool(type_.timezone))


def _time(type_: Any) -> TypeEngine[Any]:
    return sa.Time(timezone=bool(type_.timezone))


def _always(plain: Callable[[], TypeEngine[Any]]) -> Callable[[Any], TypeEngine[Any] | None]:
    return lambda _type: plain()


def _never(_type: Any) -> None:
    return None


_RULES: Final[
    tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[Any], TypeEngine[Any] | None]], ...]
] = (
    (postgresql.DOMAIN, _domain),
    (sa.ARRAY, _array),
    (sa.Enum, _enum),
    (mysql.SET, _never),
    (postgresql.JSONB, _always(postgresql.JSONB)),
    (sa.JSON, _always(sa.JSON)),
    (postgresql.CITEXT, _always(postgresql.CITEXT)),
    (sa.Boolean, _always(sa.Boolean)),
    (mysql.TINYINT, _tinyint),
    (mysql.YEAR, _always(sa.SmallInteger)),
    (mysql.MEDIUMINT, _whole(sa.Integer, mysql.MEDIUMINT)),
    (sa.SmallInteger, _whole(sa.SmallInteger, mysql.SMALLINT)),
    (sa.BigInteger, _whole(sa.BigInteger, mysql.BIGINT)),
    (postgresql.OID, _always(sa.BigInteger)),
    (sa.Integer, _whole(sa.Integer, mysql.INTEGER)),
    (sa.REAL, _always(sa.REAL)),
    (sa.Double, _always(sa.Double)),
    (sa.Float, _always(sa.Float)),
    (sa.Numeric, _decimal),
    (sa.Uuid, _always(sa.Uuid)),
    ((sa.Text, mysql.TINYTEXT, mysql.MEDIUMTEXT, mysql.LONGTEXT), _long_text),
    (sa.String, _text),
    (mysql.TIMESTAMP, _always(sa.TIMESTAMP)),
    (sa.DateTime, _moment),
    (sa.Date, _always(sa.Date)),
    (sa.Time, _time),
    ((sa.Interval, postgresql.INTERVAL), _always(sa.Interval)),
    ((sa.BINARY, sa.VARBINARY), _bytes),
    ((sa.LargeBinary, mysql.TINYBLOB, mysql.MEDIUMBLOB, mysql.LONGBLOB), _always(sa.LargeBinary)),
)
"""First match wins, so a subclass stands before its base."""
