"""Driver errors named in the words of the API: which constraint, which field, and whether it is worth trying again.

A `Fault` is found in the described models, and becomes the problem to answer with; no word of a driver reaches it.

Source of the names that PostgreSQL chooses: makeObjectName in indexcmds.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from sqlalchemy.exc import PendingRollbackError

from splice.description import Constraint, Description
from splice.drivers import Fault, FaultKind, classify
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

__all__ = ["Moment", "attempts_at", "foreign_keys", "reference_missing", "still_referenced", "translate"]

Moment: TypeAlias = Literal["write", "delete", "commit"]

_GIVEN_UP: Final = "8s2b"
"""SQLAlchemy's: the connection was invalidated, by a statement that was cancelled, and the rest never sent."""


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
    if isinstance(error, PendingRollbackError) and error.code == _GIVEN_UP:
        return DatabaseUnavailable("The connection was given up before the COMMIT")
    fault = classify(error)
    answer = None if fault is None else _ANSWERS.get(fault.kind)
    return None if fault is None or answer is None else answer(fault, tables, moment)


def attempts_at(fault: Fault) -> int:
    """How often the same unit of work may be run, as a whole, to get past a fault; 1 where again would not help.

    Not to be asked about COMMIT: where that has lost its connection, `translate` says `CommitUnknown`.
    """
    return _ATTEMPTS.get(fault.kind, 1)


_ATTEMPTS: Final[Mapping[FaultKind, int]] = MappingProxyType(
    {
        # Of many writers of one row each round lets one pass.
        "serialization": 10,
        "stale_plan": 5,
        # A server that is gone stays so for longer than requests should queue here.
        "connection_lost": 3,
        # It has waited long already.
        "lock_timeout": 2,
    }
)


def foreign_keys(description: Description) -> tuple[Constraint, ...]:
    """The references that a row of this model makes; SQLite does not say which of them is broken."""
    return tuple(constraint for constraint in description.constraints if constraint.kind == "foreign_key")


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
    fitting = [description for description in tables.values() if table in _table_names(description)]
    if fault.schema is None:
        return fitting
    # A model that names no schema is wherever the search path of its connection leads.
    exact = [description for description in fitting if description.schema == fault.schema]
    return exact or [description for description in fitting if description.schema is None]


def _described_name(fault: Fault, tables: Mapping[str, Description]) -> str | None:
    """The table of a fault by its name among the described ones."""
    named = fault.table.lower() if fault.table else None
    found = [known.qualified for known in _bearing(fault, tables) if known.table.lower() == named]
    return found[0] if len(found) == 1 else None


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
    if known is None or len(shown) < len(
        fields
    ):  # The name of a rule about hidden fields would tell of them.
        return _Place(shown)
    return _Place(shown, known.name, known.target)


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
        return still_referenced(_described_name(fault, tables), tables)
    # At COMMIT an unnamed foreign key may be broken from either side.
    if fault.side is None and moment == "commit" and _locate(fault, tables) == _NOWHERE:
        return Conflict()
    return _reference_missing(fault, tables)


def still_referenced(table: str | None, tables: Mapping[str, Description]) -> StillReferenced:
    """Rows of a table refer to this one; a table that is not described is not named."""
    if table is None or table not in tables:
        return StillReferenced("Other rows refer to this one")
    hint = f"delete or change those rows of {table} first"
    return StillReferenced(f"Rows of {table} refer to this one", hint=hint)


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
        return still_referenced(_described_name(fault, tables), tables)
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
        return CommitUnknown(hint="read what is stored before sending the request again")
    return DatabaseUnavailable()


def _read_only(_: Fault, __: Mapping[str, Description], ___: Moment) -> Problem:
    # A standby that has not been promoted yet, or a file opened for reading.
    return DatabaseUnavailable("The database takes no writes at present")


def _no_room(_: Fault, __: Mapping[str, Description], ___: Moment) -> Problem:
    return DatabaseUnavailable("The database cannot store anything at present", retry_after_seconds=30)


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
        "read_only": _read_only,
        "no_room": _no_room,
        "stale_row": _stale_row,
    }
)
