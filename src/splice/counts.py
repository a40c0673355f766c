"""How many rows match: exactly, up to a bound, or as the database estimates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Executable

from splice.reads import Every, ReadPlan
from splice.statements import count_rows, count_some, select_matching

__all__ = ["MOST_COUNTED", "Counted", "QueryPlan", "count"]

_Kind: TypeAlias = Literal["exact", "at_least", "estimated"]

MOST_COUNTED: Final = 10_000
"""Rows that `capped` and `estimated` look at."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of rows, and what it is worth."""

    total: int
    kind: _Kind


def count(session: Session, plan: ReadPlan, dialect: str) -> Counted:
    """Count the rows that match, whatever the page: a window count would be wrong past the last one."""
    if plan.count == "exact":
        return Counted(session.execute(count_rows(plan, dialect)).scalar_one(), "exact")
    some = session.execute(count_some(plan, MOST_COUNTED, dialect)).scalar_one()
    if some <= MOST_COUNTED:
        return Counted(some, "exact")
    return (
        _estimated(session, plan, dialect) if plan.count == "estimated" else Counted(MOST_COUNTED, "at_least")
    )


def _estimated(session: Session, plan: ReadPlan, dialect: str) -> Counted:
    """What the planner expects; where it has no idea, the rows are counted after all."""
    estimate = _ESTIMATES[dialect](session, plan, dialect)
    if estimate is None:
        return Counted(session.execute(count_rows(plan, dialect)).scalar_one(), "exact")
    return Counted(max(estimate, MOST_COUNTED + 1), "estimated")


class QueryPlan(Executable, ClauseElement):
    """`EXPLAIN` of a statement, in the words of each database; as JSON where the database has that."""

    inherit_cache: bool | None = False

    def __init__(self, statement: sa.SelectBase, *, as_json: bool = False) -> None:
        self.statement = statement
        self.as_json = as_json


@compiles(QueryPlan)
def _explain(element: QueryPlan, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **options)}"


@compiles(QueryPlan, "postgresql")
def _explain_on_postgresql(element: QueryPlan, compiler: SQLCompiler, **options: Any) -> str:
    form = "(FORMAT JSON) " if element.as_json else ""
    return f"EXPLAIN {form}{compiler.process(element.statement, **options)}"


@compiles(QueryPlan, "sqlite")
def _explain_on_sqlite(element: QueryPlan, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.statement, **options)}"


@compiles(QueryPlan, "mariadb")
@compiles(QueryPlan, "mysql")
def _explain_on_mariadb(element: QueryPlan, compiler: SQLCompiler, **options: Any) -> str:
    # MySQL tells by itself what share of the rows conditions leave, and does not know the word any more.
    extended = "EXTENDED " if getattr(compiler.dialect, "is_mariadb", False) else ""
    return f"EXPLAIN {extended}{compiler.process(element.statement, **options)}"


def _of_postgresql(session: Session, plan: ReadPlan, dialect: str) -> int | None:
    question = QueryPlan(select_matching(plan, dialect), as_json=True)
    said = session.execute(question, bind_arguments=_binds(plan)).scalar_one()
    explained = json.loads(said) if isinstance(said, str) else said
    return int(explained[0]["Plan"]["Plan Rows"])


def _of_mariadb(session: Session, plan: ReadPlan, dialect: str) -> int | None:
    # What EXISTS asks for may be a step like any other, and there are never more rows than without conditions.
    estimates = [_multiplied(session, each, dialect) for each in (plan, replace(plan, test=Every()))]
    known = [estimate for estimate in estimates if estimate is not None]
    return min(known) if len(known) == len(estimates) else None


def _multiplied(session: Session, plan: ReadPlan, dialect: str) -> int | None:
    """The rows of each step, less what its conditions are expected to leave out, multiplied."""
    question = QueryPlan(select_matching(plan, dialect))
    steps = session.execute(question, bind_arguments=_binds(plan)).mappings().all()
    outer = [step for step in steps if step["id"] == 1 and step["rows"] is not None]
    estimate, behind = 1.0, dict[str, float]()
    for step in outer:
        estimate *= int(step["rows"]) * float(step["filtered"]) / 100
        only_first = _FIRST_MATCH.search(step["Extra"] or "")
        if only_first is not None:
            # Of these steps only the first row counts for each row of that table.
            estimate = min(estimate, behind.get(only_first[1], estimate))
        behind[step["table"]] = estimate
    return int(estimate) if outer else None


def _of_sqlite(session: Session, plan: ReadPlan, _dialect: str) -> int | None:
    """SQLite estimates no conditions; of a whole table, ANALYZE has kept the number of rows."""
    if plan.test != Every() or sa.inspect(plan.description.model).inherits is not None:
        return None
    connection = session.connection(bind_arguments=_binds(plan))
    if not sa.inspect(connection).has_table("sqlite_stat1"):
        return None
    kept: int | None = connection.execute(sa.text(_STATISTICS), {"table": plan.description.table}).scalar()
    return kept


def _binds(plan: ReadPlan) -> dict[str, Any]:
    """Where the rows of the model are, in a session of several engines."""
    return {"mapper": sa.inspect(plan.description.model)}


_FIRST_MATCH: Final = re.compile(r"FirstMatch\((.*?)\)")
# The first number of each text is that of the rows in an index, which may be one of a part of the table.
_STATISTICS: Final = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = :table"
_ESTIMATES: Final[Mapping[str, Callable[[Session, ReadPlan, str], int | None]]] = MappingProxyType(
    {"postgresql": _of_postgresql, "mariadb": _of_mariadb, "mysql": _of_mariadb, "sqlite": _of_sqlite}
)
