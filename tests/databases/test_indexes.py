"""What the statements of a read cost: an index serves them, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice.description import describe
from splice.engines import EngineSettings, make_engine, read_url
from splice.reading import read_rows
from splice.reads import ChildOf, Compare, Every, Exists, Many, Position, ReadPlan, Selection, Sort, Test
from tests.databases.drivers import DRIVERS

COUNT = 20_000
FEW = 400
"""Rows that a page of 20 may look at, with some for branches, parents and what the planner thinks best."""

STEPS_FOR_A_ROW = 4
"""The least that SQLite takes."""


class Base(DeclarativeBase): ...


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), index=True)
    year: Mapped[int | None] = mapped_column(index=True)
    score: Mapped[int] = mapped_column(index=True)
    parts: Mapped[list[Part]] = relationship()


class Part(Base):
    __tablename__ = "parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    thing_id: Mapped[int] = mapped_column(sa.ForeignKey("things.id"), index=True)


PATTERNS = sa.Index("things_name_patterns", Thing.name, postgresql_ops={"name": "varchar_pattern_ops"})
THING, PART = describe(Thing), describe(Part)


@pytest.fixture(params=["sqlite3", "psycopg-sync", "pymysql"])
def session(request: pytest.FixtureRequest, new_database) -> Iterator[Session]:
    """A session on a database of many rows, whose planner knows them."""
    engine = make_engine(read_url(new_database(DRIVERS[request.param])), EngineSettings(), is_async=False)
    with Session(engine) as session:
        Base.metadata.create_all(session.connection())
        session.execute(sa.insert(Thing), [thing(number) for number in range(1, COUNT + 1)])
        session.execute(
            sa.insert(Part), [{"id": number, "thing_id": number} for number in range(1, COUNT + 1)]
        )
        session.commit()
        for statement in ANALYZE[engine.dialect.name]:
            session.execute(sa.text(statement))
        session.commit()
        yield session
    engine.dispose()


ANALYZE = {
    "sqlite": ["ANALYZE"],
    "postgresql": ["ANALYZE"],
    "mysql": ["ANALYZE TABLE things, parts"],
    "mariadb": ["ANALYZE TABLE things, parts"],
}


def thing(number: int) -> dict[str, Any]:
    """A row whose columns are in no order of each other; each year is that of forty rows, or none."""
    mixed = number * 7919 % COUNT
    return {
        "id": number,
        "name": f"n{mixed:05d}",
        "year": None if mixed % 7 == 0 else mixed % 500,
        "score": mixed % 1000,
    }


def by(*names: str) -> tuple[Sort, ...]:
    """Sort terms from their text, as in `-year`."""
    fields = THING.fields
    return tuple(
        Sort((), fields[name.lstrip("-")], name.startswith("-"), fields[name.lstrip("-")].nullable)
        for name in names
    )


def listing(test: Test | None = None, order: tuple[Sort, ...] = (), **more: Any) -> ReadPlan:
    """A plan for a page of twenty rows, which shows the keys alone."""
    selection = more.pop("selection", None) or Selection(THING, THING.key)
    return ReadPlan(selection, test or Every(), order or by("id"), more.pop("limit", 20), **more)


def ask(name: str, operator: str, *values: Any) -> Compare:
    """One comparison."""
    return Compare(THING.fields[name], operator, values)


def cost(session: Session, plan: ReadPlan) -> int:
    """How many rows the statements of a plan looked at."""
    name = session.get_bind().dialect.name
    dialect = "mariadb" if name == "mysql" else name
    said: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    sa.event.listen(session.get_bind(), "before_cursor_execute", keep)
    read_rows(session, plan, dialect)
    sa.event.remove(session.get_bind(), "before_cursor_execute", keep)
    return sum(COSTS[dialect](session, *each) for each in said if each[0].startswith("SELECT"))


def cost_on_sqlite(session: Session, statement: str, parameters: Any) -> int:
    """Its machine takes several steps for each row, and about a hundred for a page of twenty besides."""
    connection = session.connection()
    steps: list[None] = []
    driver = connection.connection.driver_connection
    driver.set_progress_handler(lambda: steps.append(None), 1)
    connection.exec_driver_sql(statement, parameters).all()
    driver.set_progress_handler(None, 0)
    return len(steps) // STEPS_FOR_A_ROW


def cost_on_postgresql(session: Session, statement: str, parameters: Any) -> int:
    """The plan with the numbers of a real run."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    (plan,) = session.connection().exec_driver_sql(explain, parameters).scalar_one()
    return rows_of(plan["Plan"])


def rows_of(node: dict[str, Any]) -> int:
    """What the scans of a plan gave, and what they threw away."""
    own = 0
    if "Scan" in node["Node Type"]:
        own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(own) + sum(map(rows_of, node.get("Plans", [])))


def cost_on_mariadb(session: Session, statement: str, parameters: Any) -> int:
    """The server counts each row that it reads; those of temporary tables, too."""
    connection = session.connection()
    connection.exec_driver_sql("FLUSH STATUS")
    connection.exec_driver_sql(statement, parameters).all()
    return sum(int(count) for _, count in connection.exec_driver_sql("SHOW STATUS LIKE 'Handler_read%%'"))


COSTS = {"sqlite": cost_on_sqlite, "postgresql": cost_on_postgresql, "mariadb": cost_on_mariadb}


PLANS = {
    "equal": listing(ask("name", "eq", "n00077")),
    "one of some": listing(ask("name", "in", "n00077", "n00078", "N00079")),
    "from a name on": listing(ask("name", "gte", "n19900"), by("name", "id")),
    "begins with": listing(ask("name", "startswith", "n0123")),
    "key": listing(),
    "page in the middle": listing(order=by("score", "id"), position=Position((500, 7))),
    "page in the middle, from the end": listing(
        order=by("-score", "-id"), position=Position((500, 7), backward=True)
    ),
    "nullable, ascending": listing(order=by("year", "id")),
    "nullable, descending": listing(order=by("-year", "-id")),
    "nullable, in the middle": listing(order=by("year", "id"), position=Position((250, 7))),
    "nullable, descending, in the middle": listing(order=by("-year", "-id"), position=Position((250, 7))),
    "nullable, backward": listing(order=by("year", "id"), position=Position((250, 7), backward=True)),
    "nullable, descending, backward": listing(
        order=by("-year", "-id"), position=Position((250, 7), backward=True)
    ),
    "with related rows": listing(
        selection=Selection(
            THING, THING.key, (Many(THING.links["parts"], Selection(PART, PART.key), Every(), (), 3),)
        )
    ),
}


def test_an_index_serves_each_page(session):
    """No table is read whole or sorted, on any database."""
    costs = {name: cost(session, plan) for name, plan in PLANS.items()}

    assert {name: rows for name, rows in costs.items() if rows > FEW} == {}


@pytest.mark.parametrize("session", ["sqlite3", "psycopg-sync"], indirect=True)
def test_an_index_serves_mixed_directions_as_far_as_it_goes(session):
    """What is left is sorted among equals; MariaDB and MySQL sort all that follows."""
    plan = listing(order=by("score", "-id"), position=Position((500, 7)))

    assert cost(session, plan) <= FEW


@pytest.mark.parametrize("session", ["psycopg-sync", "pymysql"], indirect=True)
def test_an_index_serves_a_condition_on_related_rows(session):
    """SQLite asks for each row in turn, by the index of the related ones."""
    test = Exists(THING.links["parts"], PART, Compare(PART.fields["id"], "eq", (5,)))

    assert cost(session, listing(test)) <= FEW


def test_an_index_finds_the_rows_of_a_parent(session):
    """By the foreign key, without the table of the parents."""
    children = ReadPlan(
        Selection(PART, PART.key),
        ChildOf(THING, THING.links["parts"], (77,)),
        (Sort((), PART.fields["id"], descending=False, nullable=False),),
        20,
    )

    assert cost(session, children) <= FEW


def test_the_cost_of_a_whole_scan_is_seen(session):
    """So that the others mean something."""
    assert cost(session, listing(ask("name", "contains", "1234567"), by("name", "id"))) >= COUNT
