"""Every way in which a database refuses, provoked for real: the same answer whatever the driver.

The exceptions, one by one: SQLite checks neither lengths, ranges nor types; PostgreSQL does not say which column
was too long or out of range; SQLite names no foreign key, so an UPDATE and a COMMIT give no field there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice.description import describe
from splice.errors import (
    CheckFailed,
    CommitUnknown,
    Conflict,
    DatabaseUnavailable,
    Invalid,
    NotUnique,
    Problem,
    ReferenceMissing,
    StillReferenced,
    TooBusy,
)
from splice.faults import Moment, translate
from tests.databases.drivers import Driver

ON_SERVERS = ["asyncpg", "psycopg-async", "psycopg-sync", "psycopg2", "asyncmy", "pymysql"]
ON_POSTGRESQL = ["asyncpg", "psycopg-async", "psycopg-sync", "psycopg2"]
DEFERRING = ["sqlite3", "aiosqlite", *ON_POSTGRESQL]
SNAPSHOTS = DEFERRING

OTHER_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
}

LOCK_TIMEOUTS = {
    "sqlite": "PRAGMA busy_timeout = 100",
    "postgresql": "SET LOCAL lock_timeout = '200ms'",
    "mariadb": "SET innodb_lock_wait_timeout = 1",
}

SLOW = {
    "postgresql": ("SET LOCAL statement_timeout = '200ms'", "SELECT pg_sleep(5)"),
    "mariadb": ("SET max_statement_time = 0.2", "SELECT count(*) FROM seq_1_to_10000000 a, seq_1_to_1000 b"),
}


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship()


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(20), unique=True)
    first: Mapped[str] = mapped_column("first_name", sa.String(20))
    last: Mapped[str] = mapped_column("last_name", sa.String(20))
    age: Mapped[int] = mapped_column(sa.SmallInteger, sa.CheckConstraint("age > 0"))
    price: Mapped[Decimal] = mapped_column(sa.Numeric(5, 2))
    born: Mapped[dt.date | None]
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    secret: Mapped[str] = mapped_column(sa.String(20), unique=True)
    __table_args__ = (
        sa.UniqueConstraint("first_name", "last_name"),
        sa.CheckConstraint(price < 500, name="price_is_low"),
        sa.CheckConstraint("born > '1800-01-01'", name="born_lately"),
    )


class Trophy(Base):
    __tablename__ = "trophies"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id", ondelete="RESTRICT"))


class Deferred(DeclarativeBase):
    """Apart, since MariaDB cannot put off a foreign key."""


class Owner(Deferred):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)


class Pet(Deferred):
    __tablename__ = "pets"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(
        sa.ForeignKey("owners.id", deferrable=True, initially="DEFERRED"),
    )


TABLES = {model.__tablename__: describe(model) for model in (Team, Member, Trophy, Owner, Pet)}
HIDDEN = "leaked"
ROW: dict[str, Any] = {
    "id": 2,
    "email": f"{HIDDEN}@x",
    "first": "Ada",
    "last": HIDDEN,
    "age": 36,
    "price": Decimal(2),
    "born": None,
    "team_id": 1,
    "secret": "s2",
}

Work = Callable[[Session], object]


def inserting(**changes: Any) -> Work:
    return lambda session: session.execute(sa.insert(Member).values(**ROW | changes))


def flushing(**changes: Any) -> Work:
    def work(session: Session) -> None:
        session.add(Member(**ROW | changes))
        session.flush()

    return work


def updating(**changes: Any) -> Work:
    return lambda session: session.execute(sa.update(Member).where(Member.id == 1).values(**changes))


def typing(column: str, value: str) -> Work:
    """Send a value as it stands, past the checks of SQLAlchemy and of the driver."""
    text = f"UPDATE members SET {column} = '{value}' WHERE id = 1"
    return lambda session: session.execute(sa.text(text))


def omitting_the_email(session: Session) -> None:
    columns = "id, first_name, last_name, age, price, team_id, secret"
    session.execute(sa.text(f"INSERT INTO members ({columns}) VALUES (2, 'a', 'b', 1, 1, 1, 's2')"))


def deleting_the_team(session: Session) -> None:
    session.execute(sa.delete(Team))


def letting_members_go(session: Session) -> None:
    """The ORM sets the children's foreign key to NULL before it deletes the parent."""
    session.delete(session.get_one(Team, 1))
    session.flush()


def deleting_a_restricted_team(session: Session) -> None:
    session.execute(sa.delete(Member))
    session.execute(sa.insert(Trophy).values(id=1, team_id=1))
    session.execute(sa.delete(Team))


@dataclass(frozen=True)
class Case:
    """What is done, and what it is answered with; `unchecked` and `nameless` are dialects that know less."""

    name: str
    work: Work
    problem: type[Problem]
    pointers: tuple[str, ...] = ()
    moment: Moment = "write"
    unchecked: frozenset[str] = field(default=frozenset())
    nameless: frozenset[str] = field(default=frozenset())


IN_SQLITE = frozenset({"sqlite"})
IN_POSTGRESQL = frozenset({"postgresql"})

CASES = (
    Case("key", inserting(id=1), NotUnique, ("/id",)),
    Case("unique", inserting(email="a@x"), NotUnique, ("/email",)),
    Case("unique by flush", flushing(email="a@x"), NotUnique, ("/email",)),
    Case("private unique", flushing(secret="s1"), NotUnique),
    Case("composite unique", flushing(first="f", last="l"), NotUnique, ("/first", "/last")),
    Case("unnamed check", flushing(age=-1), CheckFailed, ("/age",)),
    Case("unnamed check by update", updating(age=-1), CheckFailed, ("/age",)),
    Case("named check", flushing(price=Decimal(501)), CheckFailed, ("/price",)),
    Case("half a surrogate pair", inserting(email="\ud800"), Invalid),
    Case("check as text", flushing(born=dt.date(1700, 1, 1)), CheckFailed, ("/born",)),
    Case("null", inserting(email=None), Invalid, ("/email",)),
    Case("null by flush", flushing(email=None), Invalid, ("/email",)),
    Case("null by update", updating(first=None), Invalid, ("/first",)),
    Case("omitted", omitting_the_email, Invalid, ("/email",)),
    Case("reference", inserting(team_id=77), ReferenceMissing, ("/team_id",)),
    Case("reference by flush", flushing(team_id=77), ReferenceMissing, ("/team_id",)),
    Case("reference by update", updating(team_id=77), ReferenceMissing, ("/team_id",), nameless=IN_SQLITE),
    Case("parent", deleting_the_team, StillReferenced, moment="delete"),
    Case("parent at write", deleting_the_team, StillReferenced),
    Case("parent by flush", letting_members_go, StillReferenced, moment="delete"),
    Case("restricted parent", deleting_a_restricted_team, StillReferenced, moment="delete"),
    Case("too long", flushing(email="x" * 30), Invalid, ("/email",), "write", IN_SQLITE, IN_POSTGRESQL),
    Case("out of range", flushing(age=70_000), Invalid, ("/age",), "write", IN_SQLITE, IN_POSTGRESQL),
    Case("no number", typing("age", HIDDEN), Invalid, ("/age",), "write", IN_SQLITE, IN_POSTGRESQL),
    Case("no date", typing("born", "2020-13-45"), Invalid, ("/born",), "write", IN_SQLITE, IN_POSTGRESQL),
)


class Scene:
    """One database with the tables of this file, seen through one driver and through one other connection."""

    def __init__(self, driver: Driver, engine: sa.Engine | AsyncEngine) -> None:
        self.dialect = driver.dialect
        self.engine = engine

    async def run(self, work: Callable[[Session], Any]) -> Any:
        """Run a function in a session of the driver, and roll back what it left."""
        if isinstance(self.engine, sa.Engine):
            with Session(self.engine) as session:
                return work(session)
        async with AsyncSession(self.engine) as session:
            return await session.run_sync(work)

    async def error(self, work: Work) -> BaseException | None:
        """What the work ended in, caught inside the session as operations catch it."""

        def catching(session: Session) -> BaseException | None:
            try:
                work(session)
            except Exception as error:  # noqa: BLE001  # whatever comes is the subject
                session.rollback()
                return error
            return None

        error: BaseException | None = await self.run(catching)
        return error

    async def problem(self, work: Work, moment: Moment = "write") -> Problem | None:
        """The answer to what the work ended in."""
        error = await self.error(work)
        assert error is not None, "the database refused nothing"
        return translate(error, TABLES, moment)

    @contextlib.contextmanager
    def other(self) -> Iterator[sa.Connection]:
        """A connection of somebody else."""
        engine = sa.create_engine(self.engine.url.set(drivername=OTHER_DRIVERS[self.dialect]))
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def kill(self, session: Session) -> None:
        """End the connection of a session from outside, as a failover or an administrator does."""
        pid = "SELECT pg_backend_pid()" if self.dialect == "postgresql" else "SELECT connection_id()"
        end = "SELECT pg_terminate_backend({})" if self.dialect == "postgresql" else "KILL {}"
        with self.other() as other:
            other.execute(sa.text(end.format(session.scalar(sa.text(pid)))))
            other.commit()
        # The server closes the connection a little after it says so.
        time.sleep(0.1)


@pytest.fixture
async def scene(driver: Driver, driver_url: str) -> AsyncIterator[Scene]:
    """A database with one team and one member."""
    engine = driver.engine(driver_url)
    scene = Scene(driver, engine)
    if driver.dialect == "sqlite":
        sa.event.listen(getattr(engine, "sync_engine", engine), "connect", obey_foreign_keys)
    await scene.run(create)
    yield scene
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        engine.dispose()


def obey_foreign_keys(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")


def create(session: Session) -> None:
    connection = session.connection()
    Base.metadata.create_all(connection)
    if connection.dialect.name in {"sqlite", "postgresql"}:
        Deferred.metadata.create_all(connection)
    session.add(Team(id=1))
    session.flush()
    session.add(Member(**ROW | {"id": 1, "email": "a@x", "first": "f", "last": "l", "secret": "s1"}))
    session.commit()


def texts(problem: Problem) -> str:
    return " ".join(
        str(part) for part in (problem.detail, *((issue.detail, issue.hint) for issue in problem.issues))
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_driver_gives_the_same_answer(scene: Scene, case: Case):
    """A refused row gives the same problem and fields on every driver, and none of its values."""
    if scene.dialect in case.unchecked:
        assert await scene.error(case.work) is None
        return
    problem = await scene.problem(case.work, case.moment)

    assert type(problem) is case.problem
    pointers = () if scene.dialect in case.nameless else case.pointers
    assert tuple(issue.pointer for issue in problem.issues if issue.pointer) == pointers
    assert HIDDEN not in texts(problem)


async def test_a_missing_reference_names_the_resource(scene: Scene):
    """The hint says where a row to refer to can be found."""
    problem = await scene.problem(flushing(team_id=77))

    assert problem.detail == "team_id refers to no existing row"
    assert problem.issues[0].hint == "send the key of an existing row of teams"


async def test_a_known_rule_is_named(scene: Scene):
    """A CHECK constraint that the model names is named in the answer."""
    problem = await scene.problem(flushing(born=dt.date(1700, 1, 1)))

    assert problem.detail == "The rule born_lately is not met"


@pytest.mark.parametrize("driver", DEFERRING, indirect=True)
async def test_a_reference_may_turn_out_missing_at_commit(scene: Scene):
    """A deferred foreign key is checked at COMMIT; SQLite does not say which, so there it is a plain conflict."""

    def work(session: Session) -> None:
        session.add(Pet(id=1, owner_id=99))
        session.commit()

    problem = await scene.problem(work, "commit")

    assert type(problem) is (Conflict if scene.dialect == "sqlite" else ReferenceMissing)
    pointers = [] if scene.dialect == "sqlite" else ["/owner_id"]
    assert [issue.pointer for issue in problem.issues] == pointers


@pytest.mark.parametrize("driver", DEFERRING, indirect=True)
async def test_a_parent_may_turn_out_wanted_at_commit(scene: Scene):
    """The other side of a deferred foreign key: the deleted row is still referred to."""

    def work(session: Session) -> None:
        session.add(Owner(id=1))
        session.flush()
        session.add(Pet(id=1, owner_id=1))
        session.commit()
        session.execute(sa.delete(Owner))
        session.commit()

    problem = await scene.problem(work, "commit")

    assert type(problem) is (Conflict if scene.dialect == "sqlite" else StillReferenced)


@pytest.mark.parametrize("driver", ON_SERVERS, indirect=True)
async def test_a_killed_connection_is_an_unavailable_database(scene: Scene):
    """A connection that ends in the middle of a transaction is 503, and nothing was stored."""

    def work(session: Session) -> None:
        session.execute(sa.select(Member))
        scene.kill(session)
        session.execute(sa.insert(Member).values(**ROW))

    problem = await scene.problem(work)

    assert type(problem) is DatabaseUnavailable
    assert problem.retry_after_seconds


@pytest.mark.parametrize("driver", ON_SERVERS, indirect=True)
async def test_a_connection_killed_before_commit_leaves_the_outcome_unknown(scene: Scene):
    """A connection lost during COMMIT may have stored the write or not, and the answer says so."""

    def work(session: Session) -> None:
        session.execute(sa.insert(Member).values(**ROW))
        scene.kill(session)
        session.commit()

    problem = await scene.problem(work, "commit")

    assert type(problem) is CommitUnknown
    assert problem.retry_after_seconds is None


async def test_a_lock_that_never_comes_free_is_busy(scene: Scene):
    """A row locked by another transaction is 503 with Retry-After once the lock timeout is over."""

    def work(session: Session) -> None:
        session.execute(sa.text(LOCK_TIMEOUTS[scene.dialect]))
        session.execute(sa.update(Member).values(age=5))

    with scene.other() as other:
        other.execute(sa.update(Member).values(age=4))
        problem = await scene.problem(work)

    assert type(problem) is TooBusy
    assert problem.retry_after_seconds


@pytest.mark.parametrize("driver", ON_SERVERS, indirect=True)
async def test_a_statement_that_takes_too_long_is_busy(scene: Scene):
    """The server's statement timeout is 503 with Retry-After."""
    limit, slow = SLOW[scene.dialect]

    def work(session: Session) -> None:
        session.execute(sa.text(limit))
        session.execute(sa.text(slow))

    assert type(await scene.problem(work)) is TooBusy


@pytest.mark.parametrize("driver", SNAPSHOTS, indirect=True)
async def test_a_snapshot_that_is_overtaken_is_busy(scene: Scene):
    """A write upon a row that changed since the transaction read it is 503, to be tried again."""

    def work(session: Session) -> None:
        start = "BEGIN" if scene.dialect == "sqlite" else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
        session.execute(sa.text(start))
        session.execute(sa.select(Member)).all()
        with scene.other() as other:
            other.execute(sa.update(Member).values(age=4))
            other.commit()
        session.execute(sa.update(Member).values(age=5))

    assert type(await scene.problem(work)) is TooBusy


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async", "psycopg-sync"], indirect=True)
async def test_a_plan_made_stale_by_a_migration_is_busy(scene: Scene):
    """A prepared statement whose table has changed since is 503, to be tried again."""

    def work(session: Session) -> None:
        # psycopg prepares a statement when it is sent for the sixth time.
        for _ in range(8):
            session.execute(sa.text("SELECT * FROM teams")).all()
        session.commit()
        with scene.other() as other:
            other.execute(sa.text("ALTER TABLE teams ADD COLUMN motto text"))
            other.commit()
        session.execute(sa.text("SELECT * FROM teams")).all()

    assert type(await scene.problem(work)) is TooBusy


async def test_a_mistake_of_the_service_stays_unhandled(scene: Scene):
    """SQL that is wrong is nobody's fault but the service's, so it has no answer here."""
    assert await scene.problem(lambda session: session.execute(sa.text("SELECT * FROM nowhere"))) is None
