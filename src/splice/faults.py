"""Driver errors named: which constraint, which field, and whether it is worth trying again.

Two pure stages: `classify` reads what the driver says into a `Fault`; `translate` finds that fault in the
models and returns the problem to answer with. SQLSTATE, error numbers and the drivers' own attributes decide;
a message is read only where there is nothing else, and none of its words reaches an answer.

Sources: PostgreSQL, appendix "Error Codes" and makeObjectName in indexcmds.c; MariaDB, "Error Codes"; SQLite,
"Result and Error Codes".
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm.exc import StaleDataError

from splice.description import Constraint, Description
from splice.errors import (
    CheckFailed,
    CommitUnknown,
    Conflict,
    DatabaseUnavailable,
    Invalid,
    Issue,
    NotUnique,
    PreconditionFailed,
    Problem,
    ReferenceMissing,
    StillReferenced,
    TooBusy,
)

__all__ = [
    "Fault",
    "FaultKind",
    "Moment",
    "Side",
    "classify",
    "foreign_keys",
    "reference_missing",
    "repeatable",
    "still_referenced",
    "translate",
]

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
    "stale_row",
    "unknown",
]
Moment: TypeAlias = Literal["write", "delete", "commit"]
Side: TypeAlias = Literal["child", "parent"]
_Code = TypeVar("_Code", int, str)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the driver said, in the database's names.

    `constraint` may also be the text of an unnamed rule (SQLite) or the name of an index. `table` is the one
    that bears the constraint. `side` is about foreign keys: the row that refers (child) or the row referred to
    (parent).
    """

    kind: FaultKind
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    side: Side | None = None


def classify(error: BaseException) -> Fault | None:
    """Name an error of SQLAlchemy or of a driver, wrapped or bare; None for an error of any other origin."""
    if isinstance(error, sa.exc.TimeoutError):
        return Fault("pool_exhausted")
    if isinstance(error, StaleDataError):
        return Fault("stale_row")
    if not _comes_from_database(error):
        return None
    faults = (_read(cause) for cause in _causes(error))
    fault = next((fault for fault in faults if fault is not None), Fault("unknown"))
    return _with_statement(fault, error)


def translate(
    error: BaseException, tables: Mapping[str, Description], moment: Moment = "write"
) -> Problem | None:
    """Say in the words of the API what a database error means.

    Args:
        error: What was caught; any exception will do.
        tables: The described models by table name; only their names may appear in the answer.
        moment: What was being done; a lost connection and an unnamed foreign key mean something else at each.

    Returns:
        The problem to answer with, or None where the error is a mistake of the service or not the database's.
    """
    fault = classify(error)
    answer = None if fault is None else _ANSWERS.get(fault.kind)
    return None if fault is None or answer is None else answer(fault, tables, moment)


def repeatable(fault: Fault, moment: Moment = "write") -> bool:
    """Whether the same unit of work, run again as a whole, may succeed without being stored twice."""
    if fault.kind == "connection_lost":
        return moment != "commit"
    return fault.kind in {"serialization", "lock_timeout", "stale_plan"}


def foreign_keys(description: Description) -> tuple[Constraint, ...]:
    """The references that a row of this model makes; SQLite does not say which of them is broken."""
    return tuple(constraint for constraint in description.constraints if constraint.kind == "foreign_key")


_DRIVERS: Final = frozenset(
    {"aiomysql", "aiosqlite", "asyncmy", "asyncpg", "MySQLdb", "psycopg", "psycopg2", "pymysql", "sqlite3"}
    | {"psycopg_binary", "psycopg_c"}  # where its frames are
)
_WRAPPERS: Final = (sa.exc.DBAPIError, sa.exc.EmulatedDBAPIException)
_MAX_CAUSES: Final = 10


def _comes_from_database(error: BaseException) -> bool:
    if isinstance(error, _WRAPPERS) or not _DRIVERS.isdisjoint(map(_package, type(error).__mro__)):
        return True
    return (isinstance(error, OSError) or _is_unfit_value(error)) and _raised_by_driver(error)


def _is_unfit_value(error: BaseException) -> bool:
    """Some drivers cannot spell a value and say so in Python's words: half a surrogate pair, 2**64, NUL."""
    unspeakable = isinstance(error, ValueError) and "NUL" in str(error)
    return isinstance(error, UnicodeEncodeError | OverflowError) or unspeakable


def _package(owner: type[Any]) -> str:
    return owner.__module__.partition(".")[0]


def _raised_by_driver(error: BaseException) -> bool:
    """False for an error of the user's own, such as a mail server that is down inside a hook."""
    frames = traceback.walk_tb(error.__traceback__)
    packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames]
    owners = [name for name in packages if name not in sys.stdlib_module_names and name != "uvloop"]
    return not owners or owners[-1] in _DRIVERS or owners[-1] == "sqlalchemy"


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
        ("check", (3819, 4025)),
        ("too_long", (1406,)),
        ("out_of_range", (1264, 1690)),
        ("invalid_value", (1265, 1292, 1300, 1366, 1411, 3140)),
        ("serialization", (1020, 1213)),
        ("lock_timeout", (1205, 1206, 3572)),
        ("statement_timeout", (1317, 1969, 3024)),
        ("stale_plan", (1615,)),
        ("pool_exhausted", (1040, 1203, 1226)),
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
    return by_code or next((kind for start, kind in _SQLITE_TEXTS if text.startswith(start)), None)


# PostgreSQL: SQLSTATE, and names as attributes (asyncpg) or in `diag` (psycopg).

_SQLSTATES: Final = _by_code(
    (
        ("unique", ("23505",)),
        ("foreign_key", ("23001", "23503")),
        ("not_null", ("23502",)),
        ("check", ("23514", "44000")),
        ("exclusion", ("23P01",)),
        ("too_long", ("22001",)),
        ("out_of_range", ("22003", "22008")),
        ("invalid_value", ("22000", "22007", "22018", "22021", "22032", "22P02", "22P03", "22P05")),
        ("serialization", ("40001", "40P01")),
        ("lock_timeout", ("55P03",)),
        ("statement_timeout", ("25P04", "57014")),
        ("pool_exhausted", ("53300",)),
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
    )


def _sqlstate(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _sqlstate_kind(error: BaseException) -> FaultKind | None:
    state = _sqlstate(error)
    if state == "22000" and isinstance(error.__cause__, OverflowError):
        return "out_of_range"
    if any(state == wanted and text in str(error) for wanted, text in _STALE_PLANS):
        return "stale_plan"
    return _SQLSTATES.get(state) or _SQLSTATES.get(state[:2])


def _postgresql_side(error: BaseException) -> Side | None:
    # Both sides have the same SQLSTATE, table and constraint: only the (translatable) text tells them apart.
    if _sqlstate(error) == "23001" or str(error).startswith("update or delete on table"):
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
    if _sqlstate(error) or _DRIVERS.isdisjoint(map(_package, type(error).__mro__)):
        return None
    names = (f"{_package(owner)}.{owner.__name__}" for owner in type(error).__mro__)
    kind = next((_CLIENT_KINDS[name] for name in names if name in _CLIENT_KINDS), None)
    closed: FaultKind | None = "connection_lost" if _CLOSED.search(str(error)) else None
    return Fault(kind or closed or "unknown") if kind or closed else None


# A fault found in the models.


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a fault is in the API's words: fields that clients know, a rule's name, the table referred to."""

    fields: tuple[str, ...] = ()
    rule: str | None = None
    target: str | None = None


_NOWHERE: Final = _Place()


def _locate(fault: Fault, tables: Mapping[str, Description]) -> _Place:
    """The one place that fits; none rather than a guess between several."""
    found = {place for description in _bearing(fault, tables) for place in _places(fault, description)}
    places = found - {_NOWHERE}
    return places.pop() if len(places) == 1 else _NOWHERE


def _bearing(fault: Fault, tables: Mapping[str, Description]) -> list[Description]:
    if fault.table is None:
        return list(tables.values())
    table = fault.table.lower()
    return [description for description in tables.values() if table in _table_names(description)]


def _table_names(description: Description) -> set[str]:
    """More than one for a model that inherits from another with a table of its own."""
    owners = (getattr(field.column, "table", None) for field in description.fields.values())
    return {description.table.lower(), *(str(getattr(owner, "name", "")).lower() for owner in owners)}


def _places(fault: Fault, description: Description) -> set[_Place]:
    if fault.columns:
        return _places_of_columns(fault, description)
    if not fault.constraint:
        return set()
    named = [known for known in _of_kind(fault, description) if _is_named(known, fault.constraint)]
    if named:
        return {_place(description, known.fields, known) for known in named}
    return _places_by_default_name(fault, fault.constraint, description)


def _of_kind(fault: Fault, description: Description) -> list[Constraint]:
    return [known for known in description.constraints if known.kind == fault.kind]


def _place(description: Description, fields: Sequence[str], known: Constraint | None = None) -> _Place:
    shown = tuple(name for name in fields if _is_public(description, name))
    return _Place(shown, known.name if known else None, known.target if known else None)


def _is_public(description: Description, name: str) -> bool:
    field = description.fields[name]
    return field.readable or field.creatable or field.updatable


def _places_of_columns(fault: Fault, description: Description) -> set[_Place]:
    found = [description.field_of_column(column) for column in fault.columns]
    fields = [field.name for field in found if field is not None]
    if len(fields) < len(found):
        return set()
    bearer = next((known for known in _of_kind(fault, description) if known.fields == tuple(fields)), None)
    return {_place(description, fields, bearer)}


def _is_named(known: Constraint, reported: str) -> bool:
    if known.name is None:
        return False
    # Names beyond the database's limit are cut by SQLAlchemy at 55 characters or more, and end in a hash.
    is_cut = len(known.name) > 63 and known.name[:55] == reported[:55]
    return is_cut or known.name.lower() == reported.lower()


def _places_by_default_name(fault: Fault, reported: str, description: Description) -> set[_Place]:
    """Constraints without a name in the model, by the names that databases make up."""
    table = fault.table or description.table
    if fault.kind == "unique" and reported.lower() in {"primary", _postgresql_name(table, (), "pkey")}:
        return {_place(description, [field.name for field in description.key])}
    unnamed = (known for known in _of_kind(fault, description) if known.name is None)
    fitting = [known for known in unnamed if _has_default_name(known, table, reported)]
    if fault.kind == "check" and not fitting:
        return {_place(description, _fields_of_rule(description, table, reported))}
    places = {_place(description, known.fields, known) for known in fitting}
    return places if len(places) == 1 else set()


_MYSQL_CHECK: Final = re.compile(r"CONSTRAINT_\d+|.+_chk_\d+")


def _has_default_name(known: Constraint, table: str, reported: str) -> bool:
    if known.kind == "unique":
        is_key = _unnumbered(reported) == _postgresql_name(table, known.columns, "key")
        return is_key or _is_mysql_key(known, reported)
    if known.kind == "foreign_key":
        return _unnumbered(reported) == _postgresql_name(table, known.columns, "fkey")
    if known.kind == "exclusion":
        return _unnumbered(reported) == _postgresql_name(table, known.columns, "excl")
    # A rule about several columns has none of them in its name.
    columns = known.columns if len(known.columns) == 1 else ()
    is_check = _unnumbered(reported) == _postgresql_name(table, columns, "check")
    return is_check or _MYSQL_CHECK.fullmatch(reported) is not None


def _unnumbered(name: str) -> str:
    """PostgreSQL counts equal names up: users_check, users_check1."""
    return name.rstrip("0123456789").lower()


def _is_mysql_key(known: Constraint, reported: str) -> bool:
    """MariaDB and MySQL name a key after its first column: email, email_2."""
    first = known.columns[0] if known.columns else ""
    return re.fullmatch(rf"{re.escape(first)}(_\d+)?", reported) is not None


def _postgresql_name(table: str, columns: Sequence[str], label: str) -> str:
    """The name that PostgreSQL makes: the longer part is shortened until all of it fits in 63 bytes."""
    left, right = table, "_".join(columns)
    room = 62 - len(label) - bool(right)
    while len(left) + len(right) > room:
        left, right = (left[:-1], right) if len(left) > len(right) else (left, right[:-1])
    return "_".join(part for part in (left, right, label) if part).lower()


def _fields_of_rule(description: Description, table: str, reported: str) -> list[str]:
    """Fields of an unnamed CHECK: PostgreSQL puts a single column in its name, SQLite reports the text."""
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", reported.lower())))
    columns = {name: str(getattr(field.column, "name", "")) for name, field in description.fields.items()}
    return [
        name
        for name, column in columns.items()
        if column.lower() in words or _unnumbered(reported) == _postgresql_name(table, (column,), "check")
    ]


# Answers: one function of (fault, tables, moment) for each kind that a client can do something about.

_Answer: TypeAlias = Callable[[Fault, Mapping[str, Description], Moment], Problem]


def _about_fields(
    problem: type[Problem], fields: Sequence[str], detail: str | None, hint: str | None = None
) -> Problem:
    issues = [Issue(detail or problem.title, problem.code, hint, pointer=f"/{name}") for name in fields]
    return problem(detail, hint=hint, issues=issues)


def _words(fields: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(fields[:-1]), fields[-1])))


def _not_unique(fault: Fault, tables: Mapping[str, Description], _: Moment) -> Problem:
    fields = _locate(fault, tables).fields
    if not fields:
        return NotUnique()
    subject = _words(fields) if len(fields) == 1 else f"combination of {_words(fields)}"
    return _about_fields(NotUnique, fields, f"This {subject} is already taken")


def _reference(fault: Fault, tables: Mapping[str, Description], moment: Moment) -> Problem:
    if fault.side == "parent" or (fault.side is None and moment == "delete"):
        return still_referenced(fault.table, tables)
    # At COMMIT an unnamed foreign key may be broken from either side.
    if fault.side is None and moment == "commit" and _locate(fault, tables) == _NOWHERE:
        return Conflict()
    return _reference_missing(fault, tables)


def still_referenced(table: str | None, tables: Mapping[str, Description]) -> StillReferenced:
    """Rows of a table refer to this one; a table that is not described is not named."""
    known = next((name for name in tables if table and name.lower() == table.lower()), None)
    if known is None:
        return StillReferenced("Other rows refer to this one")
    hint = f"delete or change those rows of {known} first"
    return StillReferenced(f"Rows of {known} refer to this one", hint=hint)


def _reference_missing(fault: Fault, tables: Mapping[str, Description]) -> Problem:
    place = _locate(fault, tables) if fault.constraint or fault.columns else _only_reference(fault, tables)
    return reference_missing(place.fields, place.target, tables)


def reference_missing(
    fields: Sequence[str], target: str | None, tables: Mapping[str, Description]
) -> Problem:
    """The fields of one foreign key refer to no row; a target that is not described is not named."""
    hint = f"send the key of an existing row of {target}" if target in tables else None
    if not fields:
        return ReferenceMissing()
    verb = "refers" if len(fields) == 1 else "refer"
    return _about_fields(ReferenceMissing, fields, f"{_words(fields)} {verb} to no existing row", hint)


def _only_reference(fault: Fault, tables: Mapping[str, Description]) -> _Place:
    """SQLite names nothing, but a row inserted where there is one foreign key has broken that one."""
    bearing = _bearing(fault, tables) if fault.side == "child" and fault.table else []
    keys = [(description, known) for description in bearing for known in foreign_keys(description)]
    return _place(keys[0][0], keys[0][1].fields, keys[0][1]) if len(keys) == 1 else _NOWHERE


def _null(fault: Fault, tables: Mapping[str, Description], moment: Moment) -> Problem:
    if moment == "delete" and _is_let_go(fault, tables):
        return still_referenced(fault.table, tables)
    return _unfit(fault, tables, moment)


def _is_let_go(fault: Fault, tables: Mapping[str, Description]) -> bool:
    """Whether a child refused to lose its parent: ON DELETE SET NULL, or the ORM, on a NOT NULL column."""
    bearing = _bearing(fault, tables)
    keys = [set(known.columns) for description in bearing for known in foreign_keys(description)]
    return not bearing or any(key.issuperset(fault.columns) for key in keys)


def _check_failed(fault: Fault, tables: Mapping[str, Description], _: Moment) -> Problem:
    place = _locate(fault, tables)
    if place.rule:
        return _about_fields(CheckFailed, place.fields, f"The rule {place.rule} is not met")
    detail = f"A rule about {_words(place.fields)} is not met" if place.fields else None
    return _about_fields(CheckFailed, place.fields, detail)


_UNFIT: Final[Mapping[FaultKind, str]] = MappingProxyType(
    {
        "not_null": "A value is required",
        "too_long": "The value is too long",
        "out_of_range": "The value is out of range",
        "invalid_value": "The value does not fit its type",
    }
)


def _unfit(fault: Fault, tables: Mapping[str, Description], _: Moment) -> Problem:
    return _about_fields(Invalid, _locate(fault, tables).fields, _UNFIT[fault.kind])


_BUSY: Final[Mapping[FaultKind, tuple[str, int]]] = MappingProxyType(
    {
        "serialization": ("Other requests changed the same rows at the same time", 1),
        "stale_plan": ("The tables have just been changed", 1),
        "lock_timeout": ("The rows are locked by other requests", 2),
        "statement_timeout": ("The database did not finish in time", 2),
        "pool_exhausted": ("No connection to the database came free in time", 2),
    }
)


def _busy(fault: Fault, _: Mapping[str, Description], __: Moment) -> Problem:
    detail, seconds = _BUSY[fault.kind]
    return TooBusy(detail, retry_after_seconds=seconds)


def _lost(_: Fault, __: Mapping[str, Description], moment: Moment) -> Problem:
    if moment == "commit":
        # Without Retry-After: sent again blindly, the write could be stored twice.
        return CommitUnknown(hint="read what is stored before sending the request again")
    return DatabaseUnavailable(retry_after_seconds=2)


def _stale_row(_: Fault, __: Mapping[str, Description], ___: Moment) -> Problem:
    return PreconditionFailed()


_ANSWERS: Final[Mapping[FaultKind, _Answer]] = MappingProxyType(
    {
        "unique": _not_unique,
        "foreign_key": _reference,
        "not_null": _null,
        "check": _check_failed,
        "exclusion": _check_failed,
        "too_long": _unfit,
        "out_of_range": _unfit,
        "invalid_value": _unfit,
        "serialization": _busy,
        "lock_timeout": _busy,
        "statement_timeout": _busy,
        "stale_plan": _busy,
        "pool_exhausted": _busy,
        "connection_lost": _lost,
        "stale_row": _stale_row,
    }
)
