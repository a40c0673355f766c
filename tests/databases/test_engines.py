"""What a Database promises on every driver, tried on the real database of each."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import creation
from splice.bridge import run_on
from splice.database import Database
from splice.errors import CommitUnknown, DatabaseUnavailable, NotUnique, Problem, TooBusy
from splice.hooks import Change, run_after_commit
from tests.databases.drivers import Driver, Place

SERVER_DRIVERS = ["asyncpg", "psycopg-async", "psycopg-sync", "psycopg2", "asyncmy", "pymysql"]
on_servers = pytest.mark.parametrize("driver", SERVER_DRIVERS, indirect=True)
# psycopg in its sync mode comes as an engine of the user's own, which keeps its own settings.
on_own_engines = pytest.mark.parametrize(
    "driver", [name for name in SERVER_DRIVERS if name != "psycopg-sync"], indirect=True
)


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50), default="a")
    seen_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    local_time: Mapped[datetime | None] = mapped_column(sa.DateTime())
    made_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(12, 2))
    data: Mapped[bytes | None]
    duration: Mapped[timedelta | None]


@pytest.fixture
async def make(driver: Driver, driver_url: str) -> AsyncIterator[Callable[..., Database[Any]]]:
    """Make a Database for the driver with options of the test's own; all are closed at the end."""
    made: list[Database[Any]] = []

    def database(**options: Any) -> Database[Any]:
        bind: Any = sa.create_engine(driver_url) if driver.name == "psycopg-sync" else driver_url
        made.append(Database(bind, create=Base.metadata, **options))
        return made[-1]

    yield database
    for db in made:
        await db.close()
        if driver.name == "psycopg-sync":
            db.engine.dispose()  # type: ignore[unused-coroutine]  # its engine is sync


@pytest.fixture
async def db(make: Callable[..., Database[Any]]) -> Database[Any]:
    database = make()
    await database.start()
    return database


@pytest.fixture
def client(db: Database[Any]) -> httpx2.AsyncClient:
    app = FastAPI()

    @app.exception_handler(Problem)
    def _(_: Request, problem: Problem) -> JSONResponse:
        return JSONResponse({"code": problem.code}, problem.status)

    @app.post("/items", status_code=201)
    async def create(session: Annotated[Any, db.session], fail: str = "") -> None:
        await run_on(session, add_item)
        if fail == "refuse":
            raise HTTPException(418)
        if fail == "disconnect":
            await kill(db, await run_on(session, connection_id))

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")


def add_item(session: Session, **values: Any) -> Item:
    item = Item(**values)
    session.add(item)
    session.flush()
    return item


def count(session: Session) -> int:
    return session.scalars(sa.select(sa.func.count()).select_from(Item)).one()


def connection_id(session: Session) -> int:
    asked = {"postgresql": "SELECT pg_backend_pid()"}.get(
        session.connection().dialect.name, "SELECT CONNECTION_ID()"
    )
    return int(session.scalar(sa.text(asked)) or 0)


async def kill(db: Database[Any], connection: int) -> None:
    """End a connection from another one, as an administrator or a failover would."""
    command = "SELECT pg_terminate_backend({})" if db.dialect == "postgresql" else "KILL {}"
    await asyncio.create_task(db.run(lambda session: session.execute(sa.text(command.format(connection)))))
    await anyio.sleep(0.1)


def checked_out(db: Database[Any]) -> int:
    pool: Any = db.engine.pool
    return int(pool.checkedout())


# Values


async def test_times_with_a_zone_come_back_in_utc(db):
    """Microseconds included; a query with such a value finds the row."""
    seen_at = datetime(2024, 1, 1, 1, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    await db.run(lambda session: add_item(session, seen_at=seen_at))

    found = await db.run(
        lambda session: session.scalars(sa.select(Item.seen_at).where(Item.seen_at == seen_at)).one()
    )

    assert found == seen_at
    assert found.utcoffset() == timedelta(0)


async def test_times_set_by_the_server_are_utc(db):
    """Whatever the zone of the machine is."""
    made_at = await db.run(
        lambda session: (add_item(session), session.scalars(sa.select(Item.made_at)).one())[1]
    )

    assert made_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - made_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("local_time", datetime(2024, 1, 1, 1, 0, 0, 123456)),  # a time without a zone is the subject
        ("price", Decimal("1234567890.10")),
        ("data", b"\x00\xff'\\\x80"),
        ("duration", timedelta(days=-2, microseconds=5)),
        ("name", "Ærøskøbing 🐘 'quoted' \\ %s"),
    ],
)
async def test_values_come_back_as_they_were(db, name, value):
    """Nothing is rounded, re-encoded or moved by the driver or the server."""
    await db.run(lambda session: add_item(session, **{name: value}))

    assert await db.run(lambda session: session.scalars(sa.select(getattr(Item, name))).one()) == value


async def test_an_update_counts_the_rows_it_matched(db):
    """Also where the new values are the old ones: MySQL's protocol counts changed rows unless told otherwise."""
    await db.run(add_item)

    def same_again(session: Session) -> int:
        result: Any = session.execute(sa.update(Item).values(name="a"))
        return int(result.rowcount)

    assert await db.run(same_again) == 1


# Units of work


async def test_a_request_commits_before_its_answer_and_gives_the_connection_back(db, client):
    """On every driver, through the same dependency."""
    answer = await client.post("/items")

    assert (answer.status_code, await db.run(count), checked_out(db)) == (201, 1, 0)


async def test_a_request_that_is_refused_stores_nothing(db, client):
    """An HTTPException rolls back."""
    answer = await client.post("/items?fail=refuse")

    assert (answer.status_code, await db.run(count), checked_out(db)) == (418, 0, 0)


@on_servers
async def test_a_connection_lost_before_commit_is_not_answered_by_201(db, client):
    """The outcome is unknown to the service, and it says so."""
    answer = await client.post("/items?fail=disconnect")

    assert (answer.status_code, answer.json()) == (503, {"code": CommitUnknown.code})
    assert (await db.run(count), checked_out(db)) == (0, 0)


@pytest.mark.parametrize(
    "driver", ["sqlite3", "aiosqlite", "asyncpg", "psycopg-async", "psycopg2"], indirect=True
)
async def test_a_commit_that_is_refused_stores_nothing(db):
    """A deferred foreign key is checked at COMMIT; MariaDB has none."""
    table = "CREATE TABLE parts (item_id INTEGER REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED)"
    await db.run(lambda session: session.execute(sa.text(table)))

    with pytest.raises(Problem) as caught:
        await db.run(lambda session: session.execute(sa.text("INSERT INTO parts VALUES (7)")))

    assert caught.value.status == 409
    assert await db.run(lambda session: session.scalar(sa.text("SELECT count(*) FROM parts"))) == 0
    assert checked_out(db) == 0


async def test_what_a_savepoint_took_back_is_told_to_nobody(db):
    """The unit commits the rest, and tells of that alone."""
    told: list[str] = []

    def write(session: Session, name: str) -> None:
        change = Change("create", Item, {"name": add_item(session, name=name).name})
        run_after_commit([lambda _session, change: told.append(change.row["name"])], session, change)

    def work(session: Session) -> None:
        savepoint = session.begin_nested()
        write(session, "gone")
        savepoint.rollback()
        with session.begin_nested():
            write(session, "kept")

    await db.run(work)

    assert told == await db.run(lambda session: session.scalars(sa.select(Item.name)).all()) == ["kept"]


@on_servers
async def test_a_unit_that_cannot_be_rolled_back_drops_its_connection(db):
    """The error of the unit passes, not that of the clean-up."""

    async def fail_without_connection() -> None:
        async with db.begin() as session:
            await kill(db, await run_on(session, connection_id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_without_connection()

    assert (await db.run(count), checked_out(db)) == (0, 0)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async", "asyncmy"], indirect=True)
async def test_cancellation_in_the_middle_of_a_query_gives_the_connection_back(db):
    """Nothing stays open on the server either."""
    sleep = sa.text("SELECT pg_sleep(20)" if db.dialect == "postgresql" else "SELECT SLEEP(20)")
    started = time.monotonic()

    with anyio.move_on_after(0.2):
        async with db.begin() as session:
            await run_on(session, add_item)
            await session.execute(sleep)

    assert time.monotonic() - started < 5
    assert (await db.run(count), checked_out(db)) == (0, 0)


@on_servers
async def test_a_deadlock_is_tried_again(db):
    """The unit is run once more as a whole, and its caller sees nothing of it."""
    failure = (
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"
        if db.dialect == "postgresql"
        else "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213"
    )
    failures = iter([failure])

    def work(session: Session) -> None:
        add_item(session)
        session.flush()
        for statement in failures:
            session.connection().exec_driver_sql(statement)

    await db.run(work)

    assert await db.run(count) == 1


async def test_run_says_what_the_database_refused_in_its_work(db):
    """A flush of the work's own is told in the words that the end of the unit has, and is not repeated."""
    await db.run(lambda session: add_item(session, id=7))
    tries: list[int] = []

    def again(session: Session) -> None:
        tries.append(1)
        add_item(session, id=7)

    with pytest.raises(NotUnique):
        await db.run(again)

    assert tries == [1]


@on_own_engines
async def test_thirty_writers_of_one_row_lose_nothing(make):
    """Each locks the row, reads and writes; the gate lets them in as the pool has room."""
    db = make(pool_size=5, checkout_timeout_seconds=30)
    await db.start()
    await db.run(lambda session: add_item(session, price=Decimal(0)))

    def increment(session: Session) -> None:
        item = session.scalars(sa.select(Item).with_for_update()).one()
        item.price = (item.price or Decimal(0)) + 1

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(db.run, increment)

    assert await db.run(lambda session: session.scalars(sa.select(Item.price)).one()) == 30


# Connections


@on_own_engines
async def test_connections_that_the_server_closed_are_replaced(db, make):
    """An idle kill between two requests is no failed request."""
    idle = await db.run(connection_id)
    await kill(make(), idle)

    assert await db.run(count) == 0


@on_own_engines
async def test_a_full_pool_is_too_busy_within_the_timeout(make):
    """The gate says so before the pool's own timeout, on every driver alike; the health check passes by."""
    db = make(pool_size=1, checkout_timeout_seconds=0.3)
    await db.start()

    async with db.begin() as session:
        await run_on(session, count)
        await db.ping()
        started = time.monotonic()
        with pytest.raises(TooBusy):
            await asyncio.create_task(db.run(count))

    assert time.monotonic() - started < 2


@pytest.mark.parametrize("driver", SERVER_DRIVERS, indirect=True)
async def test_the_health_check_says_when_the_server_is_away(driver):
    """Within its bound, without words of the driver."""
    url = driver.url(place(closed_port()))
    db: Database[Any] = Database(driver.engine(url))
    started = time.monotonic()

    with pytest.raises(DatabaseUnavailable):
        await db.ping()

    assert time.monotonic() - started < 5
    await dispose(db.engine)


@pytest.mark.parametrize(
    "driver", ["asyncpg", "psycopg-async", "psycopg2", "asyncmy", "pymysql"], indirect=True
)
async def test_the_health_check_does_not_wait_for_a_server_that_is_silent(driver):
    """A server that takes the connection and says nothing costs two seconds, not the minutes of TCP."""
    with silent_server() as port:
        db: Database[Any] = Database(driver.url(place(port)))
        started = time.monotonic()

        with pytest.raises(DatabaseUnavailable):
            await db.ping()

        assert time.monotonic() - started < 3.5
    await db.close()


def place(port: int) -> Place:
    return Place("app", "127.0.0.1", port, "ada", "s3cret")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def silent_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


async def dispose(engine: Any) -> None:
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        engine.dispose()


# Settings


POSTGRESQL_SETTINGS = {
    "TimeZone": "UTC",
    "application_name": "splice",
    "lock_timeout": "5s",
    "statement_timeout": "12s",
    "idle_in_transaction_session_timeout": "24s",
}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async", "psycopg2"], indirect=True)
async def test_postgresql_is_told_to_give_up_in_time(make):
    """Waiting for a lock, a statement, and a unit that neither works nor ends: all of them are bounded."""
    db = make(statement_timeout_seconds=12)

    def settings(session: Session) -> dict[str, str]:
        return {name: session.scalar(sa.text(f"SHOW {name}")) or "" for name in POSTGRESQL_SETTINGS}

    assert await db.run(settings) == POSTGRESQL_SETTINGS


MARIADB_SETTINGS = {
    "time_zone": "+00:00",
    "character_set_client": "utf8mb4",
    "character_set_results": "utf8mb4",
    "tx_isolation": "READ-COMMITTED",
    "innodb_lock_wait_timeout": 5,
    "lock_wait_timeout": 5,
    "max_statement_time": 12,
}


@pytest.mark.parametrize("driver", ["asyncmy", "pymysql"], indirect=True)
async def test_mariadb_is_strict_and_gives_up_in_time(make):
    """Every character, UTC, no value bent to fit, and bounded waits; the modes of the server stay."""
    db = make(statement_timeout_seconds=12)

    def settings(session: Session) -> dict[str, Any]:
        return {name: session.scalar(sa.text(f"SELECT @@{name}")) for name in MARIADB_SETTINGS}

    modes = str(await db.run(lambda session: session.scalar(sa.text("SELECT @@sql_mode")))).split(",")
    assert await db.run(settings) == MARIADB_SETTINGS
    assert {"STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ENGINE_SUBSTITUTION"} <= set(modes)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg2", "asyncmy", "pymysql"], indirect=True)
async def test_options_of_the_user_win(make):
    """What is passed to `create_engine` replaces what splice would have set."""
    db = make(engine_options={"pool_size": 3, "isolation_level": "SERIALIZABLE"})

    level = await db.run(lambda session: session.connection().get_isolation_level())

    assert (level, db.engine.pool.size()) == ("SERIALIZABLE", 3)


async def test_other_engines_of_the_process_keep_their_types(driver, db):
    """What makes times UTC and precise belongs to one engine, not to its dialect."""
    other = driver.engine(
        "mariadb+pymysql://h/d" if driver.dialect == "mariadb" and not driver.is_async else db.engine.url
    )

    column = sa.schema.CreateColumn(sa.Column("at", sa.DateTime()))

    assert "(6)" not in str(column.compile(dialect=other.dialect))
    assert type(other.dialect).colspecs is not db.engine.dialect.colspecs or driver.dialect == "postgresql"


# Processes

START = """
import asyncio, enum, sys
import sqlalchemy as sa
from splice.database import Database

class Colour(enum.Enum):
    RED = 1

metadata = sa.MetaData()
for number in range(20):
    sa.Table(f"t{number}", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("c", sa.Enum(Colour)))
db = Database(sys.argv[1], create=metadata)
input()
asyncio.run(db.start())
"""


def test_four_processes_may_start_at_once_on_an_empty_database(database_url):
    """One creates the tables, the others wait for it."""
    starters = [start(START, database_url) for _ in range(4)]

    # The first line that each reads lets it go: they are all warmed up by then.
    for starter in starters:
        starter.stdin.write(b"\n")
        starter.stdin.flush()
    said = [starter.communicate(timeout=60)[1].decode() for starter in starters]

    assert [starter.returncode for starter in starters] == [0, 0, 0, 0], said


@pytest.mark.parametrize("driver", ["asyncmy", "pymysql"], indirect=True)
async def test_a_lock_that_does_not_come_free_stops_the_creation(make, driver_url, monkeypatch):
    """MariaDB says so by a value; creating the tables all the same would collide with the process that does."""
    monkeypatch.setattr(creation, "_CREATE_SECONDS", 1)
    db, other = make(), Database[Any](driver_url)
    lock = sa.text("SELECT GET_LOCK(CONCAT('splice.', MD5(DATABASE())), 0)")
    tables = sa.text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()")

    async with other.begin() as session:
        assert await run_on(session, lambda sync: sync.scalar(lock)) == 1
        with pytest.raises(DatabaseUnavailable, match="another process"):
            await db.start()
        assert await run_on(session, lambda sync: sync.scalar(tables)) == 0
    await other.close()


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


FORK = """
import asyncio, os, sys
import sqlalchemy as sa
from splice.database import Database

db = Database(sys.argv[1])

async def ask():
    return await db.run(lambda session: session.scalar(sa.select(1)))

with asyncio.Runner() as runner:
    assert runner.run(ask()) == 1
    parents = db.engine
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if db.engine is not parents and asyncio.run(ask()) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert db.engine is parents
    assert runner.run(ask()) == 1
    runner.run(db.close())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "driver", ["sqlite3", "aiosqlite", *SERVER_DRIVERS[:2], *SERVER_DRIVERS[3:]], indirect=True
)
def test_an_engine_does_not_cross_a_fork(driver_url):
    """Workers forked after the first query connect anew, and their end leaves the parent's connection alone."""
    forker = start(FORK, driver_url)

    said = forker.communicate(timeout=60)[1].decode()

    assert forker.returncode == 0, said


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async", "asyncmy"], indirect=True)
def test_a_script_may_run_one_event_loop_after_another(driver, driver_url):
    """Connections of a closed loop cannot be used again, so there are new ones."""
    script = """
import asyncio, sys
import sqlalchemy as sa
from splice.database import Database

db = Database(sys.argv[1])
for _ in range(3):
    assert asyncio.run(db.run(lambda session: session.scalar(sa.select(1)))) == 1
"""
    runner = start(script, driver_url)

    said = runner.communicate(timeout=60)[1].decode()

    assert runner.returncode == 0, said
