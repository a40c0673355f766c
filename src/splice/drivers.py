"""What a driver's exception says, read into a `Fault`: eight drivers, one spelling.

SQLSTATE, error numbers and the drivers' own attributes decide; a message is read only where there is nothing else.

Sources: PostgreSQL, appendix "Error Codes"; MariaDB, "Error Codes"; SQLite, "Result and Error Codes".
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm.exc import StaleDataError

__all__ = ["Fault", "FaultKind", "Side", "classify", "is_driver", "is_of_driver", "sqlstate_of"]

FaultKind: TypeAlias = Literal[
    "unique",
    "foreign_key",
    "not_null",
    "check",
    "exclusion",
    "too_long",
    "out_of_range",
    "invalid_value",
    "serialization",
    "lock_timeout",
    "statement_timeout",
    "stale_plan",
    "connection_lost",
    "pool_exhausted",
    "read_only",
    "no_room",
    "stale_row",
    "unknown",
]
Side: TypeAlias = Literal["child", "parent"]
_Code = TypeVar("_Code", int, str)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the driver said, in the database's names.

    `constraint` may also be the text of an unnamed rule (SQLite) or the name of an index. `table` is the one that bears
    the constraint, `schema` where that is, if the driver says so. `side` is about foreign keys: the row that refers
    (child) or the row referred to (parent).
    """

    kind: FaultKind
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    side: Side | None = None
    schema: str | None = None


def classify(error: BaseException) -> Fault | None:
    """Name an error of SQLAlchemy or of a driver, wrapped or bare; None for an error of any other origin."""
    if isinstance(error, sa.exc.TimeoutError):
        return Fault("pool_exhausted")
    if isinstance(error, StaleDataError):
        return Fault("stale_row")
    if _is_refused_by_type(error):
        return Fault("invalid_value")
    if not _comes_from_database(error):
        return None
    faults = (_read(cause) for cause in _causes(error))
    fault = next((fault for fault in faults if fault is not None), Fault("unknown"))
    return _with_statement(fault, error)


def is_driver(module: str) -> bool:
    """Whether a module, by its dotted name, is of a driver, one of a user's own engine included."""
    return module.partition(".")[0] in _DRIVERS


def is_of_driver(error: BaseException) -> bool:
    """Whether the class of an error, or one that it inherits from, is a driver's."""
    return any(is_driver(owner.__module__) for owner in type(error).__mro__)


def sqlstate_of(error: BaseException) -> str:
    """The five characters that PostgreSQL's drivers bear; empty for an error without them."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


_DRIVERS: Final = frozenset(
    {"aiomysql", "aiosqlite", "asyncmy", "asyncpg", "mariadb", "MySQLdb", "mysql", "oracledb", "pg8000"}
    | {"psycopg", "psycopg2", "pymssql", "pymysql", "pyodbc", "sqlite3"}
    | {"psycopg_binary", "psycopg_c"}  # where the frames of psycopg are
)
_WRAPPERS: Final = (sa.exc.DBAPIError, sa.exc.EmulatedDBAPIException)
_MAX_CAUSES: Final = 10


def _is_refused_by_type(error: BaseException) -> bool:
    """A TypeDecorator raised ValueError for a value on its way to the database."""
    if not isinstance(error, sa.exc.StatementError) or isinstance(error, sa.exc.DBAPIError):
        return False
    return isinstance(error.orig, ValueError)


def _comes_from_database(error: BaseException) -> bool:
    if isinstance(error, _WRAPPERS) or is_of_driver(error):
        return True
    return (isinstance(error, OSError) or _is_unfit_value(error)) and _raised_by_driver(error)


def _is_unfit_value(error: BaseException) -> bool:
    """Some drivers cannot spell a value and say so in Python's words: half a surrogate pair, 2**64, NUL."""
    unspeakable = isinstance(error, ValueError) and "NUL" in str(error)
    return isinstance(error, UnicodeEncodeError | OverflowError) or unspeakable


def _raised_by_driver(error: BaseException) -> bool:
    """False for an error of the user's own, such as a mail server that is down inside a hook."""
    frames = traceback.walk_tb(error.__traceback__)
    packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames]
    owners = [name for name in packages if name not in sys.stdlib_module_names and name != "uvloop"]
    return not owners or is_driver(owners[-1]) or owners[-1] == "sqlalchemy"


def _causes(error: BaseException) -> list[BaseException]:
    """The chain of causes, the driver's own exceptions first: SQLAlchemy's wrappers drop the names."""
    return sorted(islice(_chain(error), _MAX_CAUSES), key=lambda cause: isinstance(cause, _WRAPPERS))


def _chain(error: BaseException) -> Iterator[BaseException]:
    # Not `driver_exception`: it raises ValueError for asyncpg's stale plan, whose wrapper has no original.
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        original = getattr(cause, "orig", None)
        cause = original if isinstance(original, BaseException) else cause.__cause__


def _read(error: BaseException) -> Fault | None:
    return _read_mysql(error) or _read_sqlite(error) or _read_postgresql(error) or _read_client(error)


_STATEMENT: Final = re.compile(
    r"\s*(?P<verb>INSERT|UPDATE|DELETE)(?:\s+(?:OR\s+\w+|IGNORE|INTO|FROM|ONLY))*\s+(?P<table>[^\s(]+)",
    re.IGNORECASE,
)
_SIDE_OF_VERB: Final[Mapping[str, Side]] = MappingProxyType({"INSERT": "child", "DELETE": "parent"})


def _with_statement(fault: Fault, error: BaseException) -> Fault:
    """Fill in from the statement what the driver left out: MariaDB the table, SQLite the side."""
    statement = error.statement if isinstance(error, sa.exc.StatementError) else None
    found = _STATEMENT.match(statement or "")
    if found is None:
        return fault
    table = found["table"].rpartition(".")[2].strip('"`[]')
    if fault.kind != "foreign_key":
        return replace(fault, table=fault.table or table)
    side = fault.side or _SIDE_OF_VERB.get(found["verb"].upper())
    # A DELETE names the row referred to, and the constraint stands on another table.
    return replace(fault, side=side, table=fault.table or (table if side == "child" else None))


_Patterns: TypeAlias = Mapping[FaultKind, Sequence[re.Pattern[str]]]


def _named(kind: FaultKind, patterns: _Patterns, text: str, side: Side | None = None) -> Fault:
    matches = (pattern.search(text) for pattern in patterns.get(kind, ()))
    found = next((match.groupdict() for match in matches if match), {})
    return Fault(kind, found.get("constraint"), found.get("table"), _split(found.get("columns")), side)


def _split(columns: str | None) -> tuple[str, ...]:
    return tuple(part.rpartition(".")[2].strip("` ") for part in columns.split(",")) if columns else ()


# MariaDB and MySQL: (number, text).

_Codes: TypeAlias = tuple[tuple[FaultKind, tuple[_Code, ...]], ...]


def _by_code(codes: _Codes[_Code]) -> Mapping[_Code, FaultKind]:
    return MappingProxyType({code: kind for kind, row in codes for code in row})


_MYSQL_KINDS: Final = _by_code(
    (
        ("unique", (1022, 1062, 1169, 1586)),
        ("foreign_key", (1216, 1217, 1451, 1452)),
        ("not_null", (1048, 1263, 1364)),
        # 1644 is a SIGNAL of a trigger.
        ("check", (1644, 3819, 4025)),
        ("too_long", (1406,)),
        ("out_of_range", (1264, 1690)),
        ("invalid_value", (1265, 1267, 1270, 1271, 1292, 1300, 1366, 1411, 3140)),
        ("serialization", (1020, 1213)),
        ("lock_timeout", (1205, 1206, 3572)),
        ("statement_timeout", (1317, 1969, 3024)),
        ("stale_plan", (1615,)),
        ("pool_exhausted", (1040, 1203, 1226)),
        ("read_only", (1290, 1792, 1836)),
        ("no_room", (1021, 1026, 1030, 1114)),
        # 0 is PyMySQL's answer on a closed connection, 1047 a Galera node outside the cluster, 1045 and 1049
        # a server that does not let the service in.
        ("connection_lost", (0, 1045, 1047, 1049, 1053, 1152, 1158, 1159, 1160, 1161, 1927)),
        ("connection_lost", (2002, 2003, 2005, 2006, 2013, 2014, 2045, 2055, 4031)),
    )
)
_MYSQL_SIDES: Final[Mapping[int, Side]] = MappingProxyType(
    {1216: "child", 1217: "parent", 1451: "parent", 1452: "child"}
)
# Anchored at the end: the texts also quote the client's value, before the name.
_MYSQL_COLUMN: Final = (
    re.compile(
        r"(?:[Cc]olumn|Field) (?:`[^`]+`\.`(?P<table>[^`]+)`\.)?[`'](?P<columns>[^`']+)[`']"
        r"(?: at row \d+| cannot be null| doesn't have a default value)$"
    ),
)
_MYSQL_NAMES: Final[_Patterns] = MappingProxyType(
    {
        "unique": (re.compile(r"'(?:(?P<table>[^'.]+)\.)?(?P<constraint>[^'.]+)'$"),),
        "foreign_key": (
            re.compile(
                r"`(?P<table>[^`]+)`, CONSTRAINT `(?P<constraint>[^`]+)` FOREIGN KEY \((?P<columns>[^)]+)\)"
            ),
        ),
        "check": (
            re.compile(
                r"`(?:[^`.]+\.(?P<columns>[^`.]+)|(?P<constraint>[^`]+))` failed"
                r" for `[^`]+`\.`(?P<table>[^`]+)`$"
            ),
            re.compile(r"^Check constraint '(?P<constraint>[^']+)'"),
        ),
        "not_null": _MYSQL_COLUMN,
        "too_long": _MYSQL_COLUMN,
        "out_of_range": _MYSQL_COLUMN,
        "invalid_value": _MYSQL_COLUMN,
    }
)


def _read_mysql(error: BaseException) -> Fault | None:
    number = error.args[0] if error.args else None
    if isinstance(error, OSError) or not isinstance(number, int):
        return None
    kind = _MYSQL_KINDS.get(number)
    text = str(error.args[1]) if len(error.args) > 1 else ""
    return None if kind is None else _named(kind, _MYSQL_NAMES, text, _MYSQL_SIDES.get(number))


# SQLite: extended result codes; the names stand only in the text.

_SQLITE_KINDS: Final = _by_code(
    (
        ("check", (275,)),
        ("foreign_key", (787,)),
        ("not_null", (1299,)),
        ("unique", (1555, 2067, 2579)),
        ("invalid_value", (20, 3091)),
        ("serialization", (517,)),
        # Primary codes: the last byte of the extended ones.
        ("lock_timeout", (5, 6)),
        ("read_only", (8,)),
        # An error of reading or writing the file is most often a disk that is full.
        ("no_room", (10, 13)),
        ("statement_timeout", (9,)),
        ("connection_lost", (14,)),
        ("stale_plan", (17,)),
        ("too_long", (18,)),
    )
)
_SQLITE_TEXTS: Final[tuple[tuple[str, FaultKind], ...]] = (
    ("FOREIGN KEY constraint failed", "foreign_key"),
    ("UNIQUE constraint failed", "unique"),
    ("NOT NULL constraint failed", "not_null"),
    ("CHECK constraint failed", "check"),
    ("database is locked", "lock_timeout"),
    ("database table is locked", "lock_timeout"),
    ("string or blob too big", "too_long"),
    ("Cannot operate on a closed database", "connection_lost"),
    ("no active connection", "connection_lost"),
    ("Connection closed", "connection_lost"),
)
_SQLITE_RESTRICT: Final = 1811
_SQLITE_NAMES: Final[_Patterns] = MappingProxyType(
    {
        "unique": (
            re.compile(r"failed: index '(?P<constraint>.+)'$"),
            re.compile(r"failed: (?P<columns>(?P<table>[^.,]+)\..+)$"),
        ),
        "not_null": (re.compile(r"failed: (?P<table>[^.]+)\.(?P<columns>.+)$"),),
        "check": (re.compile(r"failed: (?P<constraint>.+)$", re.DOTALL),),
        "invalid_value": (re.compile(r"column (?P<table>[^.]+)\.(?P<columns>.+)$"),),
    }
)


def _read_sqlite(error: BaseException) -> Fault | None:
    text = str(error.args[0]) if error.args else ""
    code = getattr(error, "sqlite_errorcode", None)
    kind = _sqlite_kind(code, text)
    # ON DELETE RESTRICT comes as SQLITE_CONSTRAINT_TRIGGER with the text of a foreign key.
    side: Side | None = "parent" if code == _SQLITE_RESTRICT else None
    return None if kind is None else _named(kind, _SQLITE_NAMES, text, side)


def _sqlite_kind(code: int | None, text: str) -> FaultKind | None:
    by_code = None if code is None else _SQLITE_KINDS.get(code) or _SQLITE_KINDS.get(code & 0xFF)
    by_text = next((kind for start, kind in _SQLITE_TEXTS if text.startswith(start)), None)
    # What a trigger raises has a text of its own.
    return by_code or by_text or ("check" if code == _SQLITE_RESTRICT else None)


# PostgreSQL: SQLSTATE, and names as attributes (asyncpg) or in `diag` (psycopg).

_SQLSTATES: Final = _by_code(
    (
        ("unique", ("23505",)),
        ("foreign_key", ("23001", "23503")),
        ("not_null", ("23502",)),
        # P0001 is what a trigger raises.
        ("check", ("23514", "44000", "P0001")),
        ("exclusion", ("23P01",)),
        ("too_long", ("22001",)),
        ("out_of_range", ("22003", "22008")),
        ("invalid_value", ("22000", "22007", "22018", "22021", "22032", "22P02", "22P03", "22P05")),
        ("serialization", ("40001", "40P01")),
        ("lock_timeout", ("55P03",)),
        ("statement_timeout", ("25P04", "57014")),
        # A table that somebody else has made since the snapshot of this transaction was taken.
        ("stale_plan", ("42P07",)),
        ("pool_exhausted", ("53300",)),
        ("read_only", ("25006",)),
        ("no_room", ("53100", "58030")),
        # Two characters are a whole class.
        ("connection_lost", ("08", "25P03", "28", "3D000", "40003")),
        ("connection_lost", ("57P01", "57P02", "57P03", "57P04", "57P05")),
    )
)
_STALE_PLANS: Final[tuple[tuple[str, str], ...]] = (
    ("0A000", "cached statement plan is invalid"),
    ("0A000", "cached plan must not change result type"),
    ("XX000", "cache lookup failed"),
)


def _read_postgresql(error: BaseException) -> Fault | None:
    kind = _sqlstate_kind(error)
    if kind is None:
        return None
    said = getattr(error, "diag", None) or error
    column = getattr(said, "column_name", None)
    return Fault(
        kind,
        getattr(said, "constraint_name", None),
        getattr(said, "table_name", None),
        (column,) if column else (),
        _postgresql_side(error) if kind == "foreign_key" else None,
        getattr(said, "schema_name", None),
    )


def _sqlstate_kind(error: BaseException) -> FaultKind | None:
    state = sqlstate_of(error)
    if state == "22000" and isinstance(error.__cause__, OverflowError):
        return "out_of_range"
    if any(state == wanted and text in str(error) for wanted, text in _STALE_PLANS):
        return "stale_plan"
    return _SQLSTATES.get(state) or _SQLSTATES.get(state[:2])


def _postgresql_side(error: BaseException) -> Side | None:
    # Both sides have the same SQLSTATE, table and constraint: only the (translatable) text tells them apart.
    if sqlstate_of(error) == "23001" or str(error).startswith("update or delete on table"):
        return "parent"
    return "child" if str(error).startswith("insert or update on table") else None


# Errors that a client library makes by itself, without a code.

_CLIENT_KINDS: Final[Mapping[str, FaultKind]] = MappingProxyType(
    {
        "asyncpg.OutdatedSchemaCacheError": "stale_plan",
        "asyncpg.InternalClientError": "connection_lost",
        "psycopg.OperationalError": "connection_lost",
        "psycopg2.OperationalError": "connection_lost",
        "psycopg.DataError": "invalid_value",
    }
)
_CLOSED: Final = re.compile(
    r"connection (?:is|was|has been|already) (?:closed|lost)|closed the connection|connection not open"
)


def _read_client(error: BaseException) -> Fault | None:
    if isinstance(error, OSError) or getattr(error, "connection_invalidated", False):
        return Fault("connection_lost")
    if _is_unfit_value(error):
        return Fault("invalid_value")
    # A code that no table above knows is not a matter of the client library.
    if sqlstate_of(error) or not is_of_driver(error):
        return None
    names = (f"{owner.__module__.partition('.')[0]}.{owner.__name__}" for owner in type(error).__mro__)
    kind = next((_CLIENT_KINDS[name] for name in names if name in _CLIENT_KINDS), None)
    closed: FaultKind | None = "connection_lost" if _CLOSED.search(str(error)) else None
    return Fault(kind or closed or "unknown") if kind or closed else None
