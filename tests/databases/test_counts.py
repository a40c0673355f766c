"""Rows are counted exactly, up to a bound, or as the database estimates; by every driver, with bound values."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice.counts import MOST_COUNTED, Counted, count
from splice.description import describe
from splice.engines import EngineSettings, make_engine, read_url
from splice.reads import Compare, Every, Exists, Negation, ReadPlan, Selection, Test
from splice.terms import Count
from tests.databases.drivers import DRIVERS, Driver

ROWS = 50_000
DAY = dt.date(2024, 1, 1)


class Base(DeclarativeBase): ...


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(sa.String(10))
    items: Mapped[list[Item]] = relationship(back_populates="shelf")


class Item(Base):
    """Evenly spread: ten shelves, four sizes, a hundred words."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelves.id"), index=True)
    size: Mapped[int]
    word: Mapped[str | None] = mapped_column(sa.String(10), index=True)
    day: Mapped[dt.date]
    shelf: Mapped[Shelf] = relationship(back_populates="items")
    marks: Mapped[list[Mark]] = relationship()
    # One that holds few rows, of which ANALYZE keeps a number too.
    __table_args__ = (sa.Index("few", "id", sqlite_where=sa.column("size") < 0),)


class Mark(Base):
    """Several of each item, where there are any."""

    __tablename__ = "marks"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("items.id"), index=True)


class Cheap(Base):
    """Two models in one table."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(sa.String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "cheap"}


class Dear(Cheap):
    __mapper_args__ = {"polymorphic_identity": "dear"}


ITEM, SHELF, MARK, DEAR = map(describe, (Item, Shelf, Mark, Dear))

Work = Callable[[Session, str], Any]
Run = Callable[[Work], Any]


@pytest.fixture
def run(driver: Driver, driver_url: str) -> Iterator[Run]:
    """Run a function with a session on a new database with all rows, and the name of its dialect."""
    engine = make_engine(read_url(driver_url), EngineSettings(), is_async=driver.is_async)
    with asyncio.Runner() as loop:

        async def in_async(work: Work) -> Any:
            async with AsyncSession(engine) as session:
                return await session.run_sync(work, driver.dialect)

        def run(work: Work) -> Any:
            if isinstance(engine, AsyncEngine):
                return loop.run(in_async(work))
            with Session(engine) as session:
                return work(session, driver.dialect)

        run(fill)
        yield run
        if isinstance(engine, AsyncEngine):
            loop.run(engine.dispose())
        else:
            engine.dispose()


def fill(session: Session, _: str) -> None:
    """All rows, made by the database itself: each statement doubles them."""
    Base.metadata.create_all(session.connection())
    session.add_all([Shelf(id=number, name=f"shelf {number}") for number in range(10)])
    session.flush()
    session.add(Item(id=0, shelf_id=0, size=0, word="", day=DAY))
    session.flush()
    for power in range(ROWS.bit_length()):
        number = Item.id + 2**power
        word = sa.func.nullif(sa.cast(number % 100, sa.String(10)), "7")
        more = sa.select(number, number % 10, number % 4, word, Item.day).where(number < ROWS)
        session.execute(sa.insert(Item).from_select(["id", "shelf_id", "size", "word", "day"], more))
    session.commit()


def analyse(session: Session, dialect: str) -> None:
    """Let the database look at its rows, as it does by itself after a while."""
    every = {"mariadb": "ANALYZE TABLE items, shelves, marks PERSISTENT FOR ALL"}.get(dialect, "ANALYZE")
    session.execute(sa.text(every)).close()
    session.commit()


def plan(kind: Count, test: Test = Every(), description: Any = ITEM) -> ReadPlan:  # noqa: B008  # a frozen value
    return ReadPlan(Selection(description, ()), test, (), limit=50, count=kind)


def ask(name: str, operator: Any, *values: Any) -> Compare:
    return Compare(ITEM.fields[name], operator, values)


def on_shelf(name: str) -> Exists:
    """Of this shelf, asked for by way of the relation."""
    return Exists(ITEM.links["shelf"], SHELF, Compare(SHELF.fields["name"], "eq", (name,)))


SEVERAL = {
    "all": (Every(), ROWS),
    "equal": (ask("size", "eq", 3), ROWS // 4),
    "in": (ask("shelf_id", "in", 1, 2, 3), 3 * ROWS // 10),
    "between": (ask("id", "between", 10_001, 40_000), 30_000),
    "both": (Every((ask("size", "in", 0, 1), ask("id", "lt", 40_000))), 20_000),
    "near": (Exists(ITEM.links["shelf"], SHELF, Compare(SHELF.fields["id"], "lt", (5,))), ROWS // 2),
    "far": (
        Exists(ITEM.links["shelf"], SHELF, Exists(SHELF.links["items"], ITEM, ask("size", "gte", 0))),
        ROWS,
    ),
    "not": (Negation(ask("size", "eq", 0)), 3 * ROWS // 4),
}
ODD = {
    "text": Negation(ask("word", "eq", "5")),
    "like": Negation(ask("word", "contains", "1")),
    "insensitive": Negation(ask("word", "icontains", "%")),
    "null": ask("word", "isnull", False),
    "date": ask("day", "gte", DAY),
    "relation": Negation(on_shelf("shelf 3")),
    "percent": Negation(ask("word", "eq", "%s :x %(y)s")),
}


def test_they_are_counted_exactly(run):
    """Whatever the number."""
    assert run(lambda session, dialect: count(session, plan("exact"), dialect)) == Counted(ROWS, "exact")


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg", "asyncmy"], indirect=True)
def test_few_are_counted_exactly_by_any_kind(run):
    """Up to the bound, and at it."""

    def work(session: Session, dialect: str) -> list[Counted]:
        few = [ask("id", "lt", most) for most in (0, 1, MOST_COUNTED)]
        return [count(session, plan(kind, test), dialect) for test in few for kind in ("capped", "estimated")]

    expected = [Counted(total, "exact") for total in (0, 1, MOST_COUNTED)]
    assert run(work) == [counted for counted in expected for _ in range(2)]


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg", "asyncmy"], indirect=True)
def test_no_more_are_counted_than_the_bound(run):
    """From one row above it on the total is the least that there are."""

    def work(session: Session, dialect: str) -> list[Counted]:
        tests = (ask("id", "lt", MOST_COUNTED + 1), Every())
        return [count(session, plan("capped", test), dialect) for test in tests]

    assert run(work) == [Counted(MOST_COUNTED, "at_least")] * 2


def test_many_are_estimated(run, driver):
    """Within a factor of two where rows are spread evenly; what SQLite does not estimate is counted."""

    def work(session: Session, dialect: str) -> dict[str, Counted]:
        analyse(session, dialect)
        return {name: count(session, plan("estimated", test), dialect) for name, (test, _) in SEVERAL.items()}

    found = run(work)

    for name, (_, right) in SEVERAL.items():
        assert right / 2 <= found[name].total <= right * 2, (name, found[name])
    estimated = {name for name, counted in found.items() if counted.kind == "estimated"}
    assert estimated == ({"all"} if driver.dialect == "sqlite" else set(SEVERAL))


def test_every_condition_can_be_estimated(run):
    """Bound values of all kinds go into the question; a bad estimate is not below what was counted."""

    def work(session: Session, dialect: str) -> list[Counted]:
        analyse(session, dialect)
        return [count(session, plan("estimated", test), dialect) for test in ODD.values()]

    for name, counted in zip(ODD, run(work), strict=True):
        assert MOST_COUNTED < counted.total <= 2 * ROWS, (name, counted)


@pytest.mark.parametrize("driver", ["sqlite3"], indirect=True)
def test_sqlite_counts_where_nobody_has_analysed(run):
    """It knows nothing then."""
    assert run(lambda session, dialect: count(session, plan("estimated"), dialect)) == Counted(ROWS, "exact")


@pytest.mark.parametrize("driver", ["sqlite3"], indirect=True)
def test_sqlite_counts_the_rows_of_one_model(run):
    """The number of a table is none for a part of it."""

    def work(session: Session, dialect: str) -> Counted:
        kind = sa.case((Item.size == 0, "cheap"), else_="dear")
        session.execute(sa.insert(Cheap.__table__).from_select(["id", "kind"], sa.select(Item.id, kind)))
        analyse(session, dialect)
        return count(session, plan("estimated", description=DEAR), dialect)

    assert run(work) == Counted(3 * ROWS // 4, "exact")


OTHERS_OFF = "firstmatch=off,materialization=off,loosescan=off"


@pytest.mark.parametrize("driver", ["pymysql"], indirect=True)
@pytest.mark.parametrize(("switches", "most"), [("default", 2 * 15_000), (OTHERS_OFF, 2 * ROWS)])
def test_related_rows_are_not_counted_by_mariadb(run, switches, most):
    """It joins them to their parents, whichever way it then takes to show none of these twice."""

    def work(session: Session, dialect: str) -> Counted:
        for number in range(8):
            one_more = sa.select(Item.id * 8 + number, Item.id)
            session.execute(sa.insert(Mark).from_select(["id", "item_id"], one_more))
        analyse(session, dialect)
        session.execute(sa.text(f"SET optimizer_switch = '{switches}'"))
        marked = Every((ask("id", "lt", 15_000), Exists(ITEM.links["marks"], MARK, Every())))
        return count(session, plan("estimated", marked), dialect)

    assert 15_000 / 2 <= run(work).total <= most


@pytest.mark.parametrize("name", ["sqlite3", "psycopg2", "pymysql"])
def test_a_session_may_have_several_engines(new_database, name):
    """The question goes where the rows of the model are."""
    driver = DRIVERS[name]
    engine = make_engine(read_url(new_database(driver)), EngineSettings())

    with Session(binds={Base: engine}) as session:
        with Session(engine) as filling:
            fill(filling, driver.dialect)
            analyse(filling, driver.dialect)
        counted = count(session, plan("estimated"), driver.dialect)
    engine.dispose()

    assert counted.kind == "estimated"
