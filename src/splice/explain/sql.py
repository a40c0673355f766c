"""Statements as a person reads them: SQL over lines, the bound values below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Select

__all__ = ["Parameter", "Statement", "Unsaid", "folded", "statement_of"]

_WIDTH: Final = 96
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
# Words of SQL; what is quoted is one word, whatever stands in it.
_WORD: Final = re.compile(r"""(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'|[^\s"`'])+""")
_QUOTED: Final = re.compile(r""""(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'""")
_CLAUSES: Final = frozenset({"FROM", "WHERE", "ORDER", "LIMIT", "SET", "VALUES", "RETURNING", "FOR"})


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A value that is known only when the statement runs; `origin` says where it comes from."""

    origin: str

    def __str__(self) -> str:
        return f"({self.origin})"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A bound value, in the order of the statement; `value` is a Python value or `Unsaid`."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it is sent to the driver; `select` is there where it reads and every value is known."""

    purpose: str
    sql: str
    parameters: tuple[Parameter, ...]
    select: Select[Any] | None = field(default=None, compare=False, repr=False)


def statement_of(
    purpose: str,
    statement: ClauseElement,
    dialect: Dialect,
    columns: Iterable[str] | None = None,
    values: Mapping[str, Any] = _NOTHING,
) -> Statement:
    """Compile a statement for a database.

    Args:
        purpose: What it is for, in a few words.
        statement: A SELECT, INSERT, UPDATE or DELETE.
        dialect: Of the database that it would run on.
        columns: The columns that an INSERT or UPDATE writes.
        values: What is bound, where the statement itself does not hold it.
    """
    keys = None if columns is None else list(columns)
    compiled: Any = statement.compile(
        dialect=dialect, column_keys=keys, compile_kwargs={"render_postcompile": True}
    )
    parameters = tuple(_parameters(compiled, values))
    select = statement if isinstance(statement, Select) else None
    known = not any(isinstance(each.value, Unsaid) for each in parameters)
    return Statement(purpose, folded(str(compiled)), parameters, select if known else None)


def _parameters(compiled: Any, values: Mapping[str, Any]) -> Iterator[Parameter]:
    names = compiled.params if compiled.positiontup is None else compiled.positiontup
    defaults = {column.key: column for column in (*compiled.insert_prefetch, *compiled.update_prefetch)}
    for name in names:
        if name in values:
            yield Parameter(name, values[name])
        else:
            yield Parameter(name, _default(defaults[name]) if name in defaults else compiled.params[name])


def _default(column: Any) -> Any:
    """What SQLAlchemy binds for a column that nobody has named."""
    default = column.default if column.default is not None else column.onupdate
    return (
        default.arg if default is not None and default.is_scalar else Unsaid("made when the statement runs")
    )


def folded(sql: str) -> str:
    """SQL with each clause on a line of its own, and long ones over several.

    >>> print(folded("SELECT a.id, a.name FROM a WHERE a.id = ?"))
    SELECT a.id, a.name
    FROM a
    WHERE a.id = ?
    """
    return "\n".join(part for clause in _clauses(_WORD.findall(sql)) for part in _filled(clause))


def _clauses(words: Iterable[str]) -> list[list[str]]:
    clauses: list[list[str]] = [[]]
    depth = 0
    for word in words:
        if depth == 0 and word in _CLAUSES and clauses[-1] not in ([], ["DELETE"]):
            clauses.append([])
        clauses[-1].append(word)
        bare = _QUOTED.sub("", word)
        depth += bare.count("(") - bare.count(")")
    return clauses


def _filled(words: Iterable[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = f"    {word}"
        else:
            line = f"{line} {word}" if line else word
    yield line
