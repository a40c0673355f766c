"""What a Database promises on any driver, tried on SQLite, and what needs no database at all."""

import asyncio
import contextlib
import functools
import logging
import sqlite3
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import StaticPool

from splice.bridge import call_hook, is_async_callable, plain_hook, run_on
from splice.database import Database
from splice.description import describe
from splice.errors import (
    CommitUnknown,
    Conflict,
    DatabaseUnavailable,
    NotUnique,
    Problem,
    SetupError,
    TooBusy,
)
from splice.hooks import Change, run_after_commit


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    counter_id: Mapped[int] = mapped_column(
        sa.ForeignKey("counters.id", deferrable=True, initially="DEFERRED")
    )


FILE_DRIVERS = ("sqlite+aiosqlite", "sqlite+pysqlite")
ALL_COUNTERS = sa.select(sa.func.count()).select_from(Counter)


@pytest.fixture
def file_path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture(params=FILE_DRIVERS)
async def db(request: pytest.FixtureRequest, file_path: Path) -> AsyncIterator[Database[Any]]:
    """A Database on a new file, once per SQLite driver, with the tables of this module."""
    database = Database(f"{request.param}:///{file_path}", create=Base.metadata, checkout_timeout_seconds=0.5)
    database.register(describe(Note))
    async with database.lifespan():
        yield database


@contextlib.asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def application(db: Database[Any]) -> FastAPI:
    """An app that answers problems by their status, and drivers' errors not at all."""
    app = FastAPI()

    @app.exception_handler(Problem)
    def _(_: Request, problem: Problem) -> JSONResponse:
        return JSONResponse({"code": problem.code}, problem.status)

    @app.post("/counters", status_code=201)
    async def create(session: Annotated[Any, db.session]) -> dict[str, int]:
        counter = Counter()
        await run_on(session, lambda sync: (sync.add(counter), sync.flush()))
        return {"id": counter.id}

    @app.post("/notes/{counter_id}", status_code=201)
    async def annotate(counter_id: int, session: Annotated[Any, db.session]) -> None:
        await run_on(session, lambda sync: (sync.add(Note(counter_id=counter_id)), sync.flush()))

    return app


def add_counter(session: Session, value: int = 0) -> int:
    counter = Counter(value=value)
    session.add(counter)
    session.flush()
    return counter.id


def count(session: Session) -> int:
    return session.scalars(ALL_COUNTERS).one()


def checked_out(db: Database[Any]) -> int:
    pool: Any = db.engine.pool
    return int(pool.checkedout())


# URLs


@pytest.mark.parametrize(
    ("url", "spelt", "dialect", "is_async"),
    [
        ("sqlite://", "sqlite+aiosqlite://", "sqlite", True),
        ("sqlite+pysqlite://", "sqlite+pysqlite://", "sqlite", False),
        ("postgresql://h/d", "postgresql+asyncpg://h/d", "postgresql", True),
        ("postgres://h/d", "postgresql+asyncpg://h/d", "postgresql", True),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require", "postgresql", True),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d", "postgresql", True),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d", "postgresql", False),
        ("mariadb://h/d", "mariadb+asyncmy://h/d", "mariadb", True),
        ("mysql://h/d", "mysql+asyncmy://h/d", "mysql", True),
        ("mariadb+pymysql://h/d", "mariadb+pymysql://h/d", "mariadb", False),
    ],
)
def test_a_url_says_which_driver_is_used(url, spelt, dialect, is_async):
    """A driver is chosen where the URL names none, and a named one is taken; all of it before there is an engine."""
    db = Database(url)

    assert (repr(db), db.dialect, db.is_async) == (f"Database({spelt})", dialect, is_async)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@h/d",
        "postgresql+psycopg://ada@h/d?password=s3cret",
        "postgresql+psycopg://ada@h/d?sslpassword=s3cret",
        "mariadb+pymysql://ada@h/d?passwd=s3cret",
    ],
)
def test_the_password_is_not_shown(url):
    """What a Database prints of itself can go into a log."""
    assert "s3cret" not in repr(Database(url))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "DATABASE_URL"),
        ("app.db", "postgresql://user:password@host"),
        ("postgresql://ada:s3cret@host:port/d", "quote_plus"),
        ("oracle://ada:s3cret@h/d", "does not speak 'oracle'"),
        ("postgresql+s3cret://h/d", "leave the driver out"),
        ("sqlite://app.db", "sqlite:///app.db"),
        (7, "takes a URL"),
    ],
)
def test_a_url_that_cannot_work_stops_the_start(url, hint):
    """The message holds the fix."""
    with pytest.raises(SetupError, match=hint):
        Database(url)


@pytest.mark.parametrize("url", ["postgresql://ada:s3cret@host:port/d", "oracle://ada:s3cret@h/d"])
def test_a_refused_url_does_not_show_its_password(url):
    """Neither the message nor what it was raised from repeats the URL."""
    with pytest.raises(SetupError) as caught:
        Database(url)

    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "module", "command"),
    [
        ("postgresql+asyncpg://h/d", "asyncpg", 'pip install asyncpg (or pip install "splice[postgresql]")'),
        ("postgresql+psycopg://h/d", "psycopg", 'pip install "psycopg[binary]"'),
        ("postgresql+psycopg2://h/d", "psycopg2", "pip install psycopg2-binary"),
        ("mariadb://h/d", "asyncmy", 'pip install asyncmy (or pip install "splice[mariadb]")'),
        ("mysql+pymysql://h/d", "pymysql", "pip install pymysql"),
    ],
)
def test_a_missing_driver_says_the_command_that_brings_it(monkeypatch, url, module, command):
    """A Database stops at once, with what to type."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(SetupError) as caught:
        Database(url)

    assert command in str(caught.value)


def test_psycopg_serves_where_asyncpg_is_not_installed(monkeypatch):
    """A URL without a driver works with either of the two."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    assert repr(Database("postgresql://h/d")) == "Database(postgresql+psycopg://h/d)"


def test_nothing_is_opened_before_it_is_needed(file_path):
    """Importing an application touches no database, and neither does its engine."""
    db = Database(f"sqlite:///{file_path}")

    assert db.engine is db.engine
    assert not file_path.exists()


def test_a_missing_folder_is_named(tmp_path):
    """SQLite would only say that it is unable to open the file."""
    db = Database(f"sqlite:///{tmp_path}/nowhere/app.db")

    with pytest.raises(SetupError, match="nowhere"):
        _ = db.engine


# Binds that exist


def existing_binds(path: Path) -> dict[str, Callable[[], Any]]:
    return {
        "engine": lambda: sa.create_engine(f"sqlite:///{path}"),
        "async engine": lambda: create_async_engine(f"sqlite+aiosqlite:///{path}"),
        "sessionmaker": lambda: sessionmaker(sa.create_engine(f"sqlite:///{path}")),
        "async sessionmaker": lambda: async_sessionmaker(create_async_engine(f"sqlite+aiosqlite:///{path}")),
        "sessionmaker of async sessions": lambda: sessionmaker(
            create_async_engine(f"sqlite+aiosqlite:///{path}"), class_=AsyncSession
        ),
    }


@pytest.mark.parametrize("kind", list(existing_binds(Path())))
async def test_an_engine_or_sessionmaker_that_exists_is_used(kind, file_path):
    """It works like a URL, creates tables, and is left open at the end, since it is not ours."""
    bind = existing_binds(file_path)[kind]()
    db: Database[Any] = Database(bind, create=Base.metadata)

    async with db.lifespan():
        await db.run(add_counter)

    assert await db.run(count) == 1
    assert "async" in kind if db.is_async else "async" not in kind
    await close(db.engine)


async def close(engine: Any) -> None:
    result = engine.dispose()
    if result is not None:
        await result


async def test_settings_of_an_engine_that_exists_are_not_changed(file_path):
    """Foreign keys stay as SQLite has them; only engines made here are set up."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{file_path}")
    db = Database(engine)

    assert await db.run(lambda session: session.scalar(sa.text("PRAGMA foreign_keys"))) == 0
    await engine.dispose()


def test_a_sessionmaker_without_an_engine_is_refused():
    """Its dialect could not be known at start."""
    with pytest.raises(SetupError, match="no engine"):
        Database(sessionmaker())


async def test_units_on_one_shared_connection_take_turns():
    """With a StaticPool all units would share one transaction, and a rollback of one would undo another."""
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    db = Database(engine, checkout_timeout_seconds=0.1)

    async with db.begin():
        with pytest.raises(TooBusy):
            await asyncio.create_task(db.run(count))
    await engine.dispose()


# Units of work


async def test_a_unit_commits(db):
    """What a unit wrote is there for the next one."""
    await db.run(add_counter)

    assert await db.run(count) == 1


async def test_a_unit_that_raises_stores_nothing(db):
    """The exception passes through as it is."""

    async def add_and_fail() -> None:
        async with db.begin() as session:
            await run_on(session, add_counter)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    assert await db.run(count) == 0


def test_a_script_with_a_sync_driver_uses_plain_with(file_path):
    """Tables of `create=` are there without a lifespan."""
    db = Database[Session](f"sqlite+pysqlite:///{file_path}", create=Base.metadata)

    with db.begin() as session:
        add_counter(session)
    with db.begin(writes=False) as session:
        assert count(session) == 1
    asyncio.run(db.close())


def test_a_script_with_an_async_driver_is_told_to_write_async_with():
    """Its session could not be used in a plain block."""
    with pytest.raises(SetupError, match="async with"), Database("sqlite://").begin():
        pass


async def test_run_joins_the_unit_it_is_called_in(db):
    """Both roll back together."""

    async def add_and_fail() -> None:
        async with db.begin():
            await db.run(add_counter)
            assert await db.run(count) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    assert await db.run(count) == 0


async def test_run_in_another_task_is_a_unit_of_its_own(db):
    """A session is never shared by two tasks."""
    async with db.begin(writes=False) as session:
        await run_on(session, count)
        await asyncio.create_task(db.run(add_counter))
        assert await run_on(session, count) == 0

    assert await db.run(count) == 1


async def test_run_does_not_join_a_unit_of_another_database(db):
    """Each Database keeps its own current unit."""
    other = Database("sqlite://", create=Base.metadata)

    async with other.begin() as session:
        await run_on(session, add_counter)
        assert await db.run(count) == 0
    await other.close()


async def test_a_unit_after_another_is_not_joined(db):
    """The unit of a task ends with its block."""
    async with db.begin() as first:
        pass

    assert await db.run(lambda session: session) is not getattr(first, "sync_session", first)


async def test_run_says_what_the_database_refused_in_the_words_of_the_api(db):
    """By a flush of the work's own as at the end of the unit, joined or not."""
    await db.run(lambda session: session.add(Counter(id=7)))

    def flush(session: Session) -> None:
        session.add(Counter(id=7))
        session.flush()

    async def join() -> None:
        async with db.begin():
            await db.run(flush)

    for unit in (lambda: db.run(flush), lambda: db.run(lambda session: session.add(Counter(id=7))), join):
        with pytest.raises(NotUnique):
            await unit()


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError("mail"), sa.exc.NoResultFound(), Conflict()])
async def test_run_passes_what_is_not_the_drivers(db, error):
    """Exceptions of the user's own, and wrong use of SQLAlchemy, arrive as they are."""

    def fail(session: Session) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await db.run(fail)

    assert caught.value is error


async def test_a_session_kept_beyond_its_unit_raises(db):
    """It would otherwise take a connection again, and never give it back."""
    async with db.begin() as session:
        pass

    with pytest.raises(sa.exc.InvalidRequestError, match="closed"):
        await run_on(session, count)


async def test_a_failed_commit_leaves_the_connection_clean(db):
    """SQLite stays inside the transaction when COMMIT fails; the next unit must not find it there."""
    with pytest.raises(Conflict):
        await db.run(lambda session: session.add(Note(counter_id=7)))

    in_transaction = await db.run(
        lambda session: session.scalar(sa.select(sa.func.count()).select_from(Note))
    )
    assert in_transaction == 0
    assert checked_out(db) == 0


async def test_cancellation_gives_the_connection_back(db):
    """A timeout in the middle of a unit leaves nothing open and nothing stored."""
    with anyio.move_on_after(0.05):
        async with db.begin() as session:
            await run_on(session, add_counter)
            await anyio.sleep(10)

    assert checked_out(db) == 0
    assert await db.run(count) == 0


async def test_cancellation_does_not_interrupt_a_commit(db):
    """A unit that has come to its end is stored, so that nobody wonders whether it was."""
    with anyio.CancelScope() as scope:
        async with db.begin() as session:
            await run_on(session, add_counter)
            scope.cancel()

    assert await db.run(count) == 1


# The gate


@pytest.mark.parametrize("scheme", FILE_DRIVERS)
async def test_a_full_pool_is_too_busy_within_the_timeout(scheme, file_path):
    """One waits as long as was said, not thirty seconds, and is told to come back."""
    db: Database[Any] = Database(f"{scheme}:///{file_path}", pool_size=1, checkout_timeout_seconds=0.2)
    started = time.monotonic()

    async with db.begin(writes=False):
        with pytest.raises(TooBusy) as caught:
            await asyncio.create_task(db.run(count))

    assert time.monotonic() - started < 2
    assert caught.value.retry_after_seconds == 1
    await db.close()


def test_a_script_learns_in_the_same_words_that_the_pool_is_full(file_path):
    """A plain `with` meets the pool at its first statement; its exception would otherwise be SQLAlchemy's."""
    db = Database[Session](f"sqlite+pysqlite:///{file_path}", pool_size=1, checkout_timeout_seconds=0.1)

    def open_units(count: int) -> None:
        with db.begin(writes=False) as session:
            session.execute(sa.select(1))
            if count > 1:
                open_units(count - 1)

    open_units(2)
    with pytest.raises(TooBusy):
        open_units(3)
    asyncio.run(db.close())


@pytest.mark.parametrize("scheme", FILE_DRIVERS)
async def test_the_health_check_does_not_wait_for_units(scheme, file_path):
    """A service that is busy is still ready."""
    db: Database[Any] = Database(f"{scheme}:///{file_path}", pool_size=1)

    async with db.begin() as session:
        await run_on(session, lambda sync: sync.execute(sa.select(1)))
        await db.ping()

    await db.close()


async def test_the_health_check_says_when_the_database_is_away(tmp_path):
    """What the driver said stays out of the answer."""
    db = Database[Session](f"sqlite+pysqlite:///{tmp_path}")

    with pytest.raises(DatabaseUnavailable):
        await db.ping()
    await db.close()


async def test_forty_threads_and_a_small_pool_do_not_lock_up(file_path):
    """`def` routes on a sync session: the gate is narrower than the threads, and no wider than the pool."""
    db = Database[Session](
        f"sqlite+pysqlite:///{file_path}", create=Base.metadata, pool_size=2, checkout_timeout_seconds=20
    )
    app = FastAPI()

    @app.get("/")
    def read(session: Annotated[Session, db.session]) -> int:
        time.sleep(0.01)
        return count(session)

    async with db.lifespan(), client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {200}


# Requests


async def test_the_commit_comes_before_the_answer(db):
    """A client that reads its 201 finds the row with any other connection."""
    async with client_of(application(db)) as client:
        answer = await client.post("/counters")

    assert answer.status_code == 201
    assert await db.run(count) == 1


async def test_a_commit_that_fails_is_not_answered_by_201(db):
    """The foreign key is checked at COMMIT, after the route has returned."""
    async with client_of(application(db)) as client:
        answer = await client.post("/notes/7")

    assert (answer.status_code, answer.json()) == (409, {"code": "conflict"})
    assert await db.run(lambda session: session.scalars(sa.select(Note)).all()) == []


@pytest.mark.parametrize("error", [HTTPException(418), Conflict()])
async def test_an_error_answer_rolls_back(db, error):
    """What a route raises decides over the whole unit."""
    app = application(db)

    @app.post("/refused")
    async def refuse(session: Annotated[Any, db.session]) -> None:
        await run_on(session, add_counter)
        raise error

    async with client_of(app) as client:
        answer = await client.post("/refused")

    assert answer.status_code == getattr(error, "status_code", getattr(error, "status", 0))
    assert await db.run(count) == 0
    assert checked_out(db) == 0


async def test_a_request_has_one_session(db):
    """Dependencies and the route share it, and `db.run` joins it."""
    app = FastAPI()
    seen: list[Any] = []

    def other(session: Annotated[Any, db.session]) -> Any:
        return session

    @app.get("/")
    async def route(session: Annotated[Any, db.session], again: Annotated[Any, Depends(other)]) -> None:
        joined = await db.run(lambda sync: sync)
        seen.extend(
            [getattr(session, "sync_session", session), getattr(again, "sync_session", again), joined]
        )

    async with client_of(app) as client:
        await client.get("/")

    assert len(seen) == 3
    assert len(set(map(id, seen))) == 1


@pytest.mark.parametrize("use", ["background", "stream"])
async def test_a_session_used_after_the_answer_raises(db, use):
    """Background tasks and streaming bodies take ids, not the session of the request."""
    app = FastAPI()

    async def late(session: Any) -> AsyncIterator[str]:
        yield str(await run_on(session, count))

    async def task(session: Any) -> None:
        await run_on(session, count)

    @app.get("/background")
    async def background(tasks: BackgroundTasks, session: Annotated[Any, db.session]) -> None:
        tasks.add_task(task, session)

    @app.get("/stream")
    async def stream(session: Annotated[Any, db.session]) -> StreamingResponse:
        return StreamingResponse(late(session))

    async with client_of(app) as client:
        with pytest.raises(sa.exc.InvalidRequestError, match="closed"):
            await client.get(f"/{use}")

    assert checked_out(db) == 0


async def test_the_session_can_be_overridden(db):
    """Tests of an application put their own session in its place."""
    app = FastAPI()
    app.dependency_overrides[db.session.dependency] = lambda: "mine"

    @app.get("/")
    async def route(session: Annotated[Any, db.session]) -> str:
        return str(session)

    async with client_of(app) as client:
        assert (await client.get("/")).json() == "mine"


def test_the_session_is_one_object_and_ends_before_the_answer(file_path):
    """Built anew at each use, it would give two sessions to one request."""
    db = Database(f"sqlite:///{file_path}")

    assert db.session is db.session
    assert db.session.scope == "function"


def test_each_request_of_a_client_without_lifespan_works(file_path):
    """A test client that is not entered runs every request in an event loop of its own."""
    db = Database(f"sqlite:///{file_path}", create=Base.metadata)
    client = TestClient(application(db))

    assert [client.post("/counters").json()["id"] for _ in range(3)] == [1, 2, 3]
    asyncio.run(db.close())


# SQLite


async def test_sqlite_is_set_up_to_lose_nothing(db):
    """A log written ahead and synced at every commit, foreign keys checked, five seconds of patience."""
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")

    found = await db.run(lambda session: [session.scalar(sa.text(f"PRAGMA {name}")) for name in names])

    assert found == ["wal", 2, 1, 5000]


@pytest.mark.parametrize(
    ("method", "locked"),
    [("GET", False), ("QUERY", False), ("POST", True), ("PATCH", True), ("DELETE", True)],
)
async def test_only_requests_that_write_take_the_write_lock(db, file_path, method, locked):
    """They take it at their first statement: a reader that turns writer later can be refused without waiting."""
    app = FastAPI()

    @app.api_route("/", methods=[method])
    async def route(session: Annotated[Any, db.session]) -> bool:
        await run_on(session, count)
        return is_locked(file_path)

    async with client_of(app) as client:
        answer = await client.request(method, "/")

    assert answer.json() is locked


def test_a_websocket_leaves_the_write_lock_alone(file_path):
    """It may stay open for hours; it writes where it says so, by a unit of its own or by turning writer."""
    db = Database(f"sqlite:///{file_path}", create=Base.metadata)
    app = FastAPI(lifespan=db.lifespan)

    @app.websocket("/")
    async def talk(socket: WebSocket, session: Annotated[AsyncSession, db.session]) -> None:
        await socket.accept()
        await session.run_sync(count)
        await socket.send_json(is_locked(file_path))
        await session.run_sync(add_counter)
        await socket.send_json(is_locked(file_path))

    with TestClient(app) as client:
        with client.websocket_connect("/") as socket:
            assert [socket.receive_json(), socket.receive_json()] == [False, True]
        assert client.portal.call(db.run, count) == 1


def is_locked(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


async def test_an_autocommit_session_begins_nothing(db):
    """Single reads can go without BEGIN."""
    async with db.begin() as session:

        def read(sync: Session) -> bool:
            connection = sync.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            driver: Any = connection.connection.driver_connection
            return bool(driver.in_transaction)

        assert await run_on(session, read) is False


async def test_thirty_writers_at_once_lose_nothing(db):
    """Each reads and then writes; BEGIN IMMEDIATE lines them up."""
    counter_id = await db.run(add_counter)

    def increment(session: Session) -> None:
        counter = session.get_one(Counter, counter_id)
        counter.value += 1

    # Each in a task of its own, as requests are; the gate lets ten in, and the rest would time out after half a second.
    limiter = anyio.CapacityLimiter(10)

    async def request() -> None:
        async with limiter:
            await db.run(increment)

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(request)

    assert await db.run(lambda session: session.get_one(Counter, counter_id).value) == 30


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
async def test_a_database_in_memory_is_one(url):
    """All units see it, one after the other; the health check leaves its only connection alone."""
    db: Database[Any] = Database(url, create=Base.metadata, checkout_timeout_seconds=0.1)

    async with db.begin() as session:
        await run_on(session, add_counter)
        await db.ping()
        with pytest.raises(TooBusy):
            await asyncio.create_task(db.run(count))

    assert await db.run(count) == 1
    await db.close()


def test_a_database_in_memory_outlives_the_event_loop():
    """Tests and notebooks call `asyncio.run` several times."""
    db = Database("sqlite://", create=Base.metadata)

    asyncio.run(db.run(add_counter))

    assert asyncio.run(db.run(count)) == 1
    asyncio.run(db.close())


def test_a_read_only_file_can_be_read(file_path):
    """It cannot be switched to a write-ahead log, and need not be."""
    with contextlib.closing(sqlite3.connect(file_path)) as connection:
        connection.execute("CREATE TABLE counters (id INTEGER PRIMARY KEY, value INTEGER)")
    db = Database[Session](f"sqlite+pysqlite:///file:{file_path}?mode=ro&uri=true")

    with db.begin(writes=False) as session:
        assert count(session) == 0
    asyncio.run(db.close())


def test_threads_of_a_script_share_one_engine(file_path):
    """The first use may come from several threads at once."""
    db = Database[Session](f"sqlite+pysqlite:///{file_path}", create=Base.metadata)

    def write(_: int) -> int:
        with db.begin() as session:
            return add_counter(session)

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(write, range(40))) == list(range(1, 41))
    asyncio.run(db.close())


# Hooks


def sync_hook(session: Session, word: str) -> tuple[type[Any], str]:
    return type(session), word


async def async_hook(session: AsyncSession, word: str) -> tuple[type[Any], str]:
    await session.execute(sa.select(1))
    return type(session), word


@pytest.mark.parametrize(("hook", "kind"), [(sync_hook, Session), (async_hook, AsyncSession)])
async def test_hooks_get_the_session_of_their_kind(hook, kind):
    """An async hook is awaited in the middle of a sync verb."""
    db = Database("sqlite://")

    assert await db.run(lambda session: call_hook(session, hook, "x")) == (kind, "x")
    await db.close()


async def test_an_async_hook_needs_an_async_driver():
    """The message says what to write."""
    db = Database[Session]("sqlite+pysqlite://")

    with pytest.raises(SetupError, match="plain def"):
        await db.run(lambda session: call_hook(session, async_hook, "x"))
    await db.close()


class Callables:
    """Methods and objects of both kinds."""

    async def method(self) -> None: ...

    def plain_method(self) -> None: ...


class AsyncCall:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (async_hook, True),
        (functools.partial(functools.partial(async_hook), None), True),
        (Callables().method, True),
        (AsyncCall(), True),
        (functools.partial(AsyncCall()), True),
        (sync_hook, False),
        (functools.partial(sync_hook), False),
        (Callables().plain_method, False),
        (AsyncCall, False),
        (print, False),
    ],
)
def test_what_has_to_be_awaited_is_known_before_the_call(function, expected):
    """Whichever way it is written; a class is only called to make an object."""
    assert is_async_callable(function) is expected


def test_a_plain_hook_stays_as_it_is():
    """Nothing is wrapped that need not be."""
    assert plain_hook(sync_hook) is sync_hook


# The end of a unit


async def test_a_commit_that_does_not_come_back_is_given_up(file_path):
    """A unit is ended while its request is cancelled, but a dead network must not keep it for ever."""
    db: Database[Any] = Database(
        f"sqlite:///{file_path}", create=Base.metadata, statement_timeout_seconds=0.2
    )
    await db.start()

    with pytest.raises(CommitUnknown):
        async with db.begin() as session:
            sa.event.listen(
                session.sync_session, "before_commit", lambda _: sa.util.await_only(asyncio.sleep(30))
            )

    assert checked_out(db) == 0
    await db.close()


# Hooks that wait for the end of a unit


def announced(hook: Callable[..., Any], value: int = 0) -> Callable[[Session], None]:
    """Work that stores a counter, and has the hook told of it."""

    def work(session: Session) -> None:
        change = Change("create", Counter, {"id": add_counter(session, value), "value": value})
        run_after_commit([lambda inner, change: call_hook(inner, hook, change)], session, change)

    return work


async def test_hooks_after_a_commit_may_be_slow(file_path):
    """They count for nothing in the time that a COMMIT may take, and hold neither connection nor place."""
    db: Database[Any] = Database(
        f"sqlite:///{file_path}", create=Base.metadata, statement_timeout_seconds=0.2, pool_size=1
    )
    await db.start()
    seen: list[int] = []

    async def slow(_session: Any, _change: Change) -> None:
        await anyio.sleep(0.4)
        seen.append(checked_out(db))

    await db.run(announced(slow))

    assert (seen, await db.run(count)) == ([0], 1)
    await db.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///{path}"])
async def test_a_hook_after_a_commit_may_run_a_unit_of_its_own(url, file_path):
    """Even where there is one connection; what the unit writes is stored before the caller goes on."""
    db: Database[Any] = Database(
        url.format(path=file_path), create=Base.metadata, pool_size=1, checkout_timeout_seconds=0.2
    )

    async def follow(_session: Any, change: Change) -> None:
        await db.run(lambda session: add_counter(session, change.row["value"] + 1))

    await db.run(announced(follow, 7))

    assert await db.run(lambda session: session.scalars(sa.select(Counter.value)).all()) == [7, 8]
    await db.close()


@pytest.mark.parametrize("url", ["sqlite+pysqlite://", "sqlite+pysqlite:///{path}"])
@pytest.mark.parametrize("way", ["run", "with"])
async def test_a_plain_hook_after_a_commit_may_open_a_unit_of_its_own(url, way, file_path):
    """With a sync driver it runs in a worker thread, or in the script's own."""
    db = Database[Session](
        url.format(path=file_path), create=Base.metadata, pool_size=1, checkout_timeout_seconds=0.2
    )

    def follow(_session: Session, _change: Change) -> None:
        with db.begin() as session:
            add_counter(session)

    if way == "run":
        await db.run(announced(follow))
    else:
        with db.begin() as session:
            announced(follow)(session)

    assert await db.run(count) == 2
    await db.close()


async def test_hooks_after_a_commit_run_before_the_answer(db):
    """Whoever gets the answer knows that they have run."""
    app = FastAPI()
    seen: list[Change] = []

    @app.post("/")
    async def create(session: Annotated[Any, db.session]) -> int:
        await run_on(session, announced(lambda _session, change: seen.append(change)))
        return len(seen)

    async with client_of(app) as client:
        answer = await client.post("/")

    assert (answer.json(), len(seen)) == (0, 1)


async def test_a_hook_that_fails_after_a_commit_is_logged_by_splice(db, caplog):
    """The unit has ended well, and says so."""

    def fail(_session: Session, _change: Change) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, logger="splice"):
        await db.run(announced(fail))

    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
    assert await db.run(count) == 1


async def test_nobody_is_told_of_a_commit_that_failed(db):
    """Nor of a unit that raised, by a later one."""
    seen: list[Change] = []

    def work(session: Session) -> None:
        announced(lambda _session, change: seen.append(change))(session)
        session.add(Note(counter_id=7))

    with pytest.raises(Conflict):
        await db.run(work)
    await db.run(add_counter)

    assert seen == []


async def test_what_a_unit_committed_before_it_raised_is_told(db):
    """It is stored, whatever becomes of the rest."""
    seen: list[int] = []

    def work(session: Session) -> None:
        hook = announced(lambda _session, change: seen.append(change.row["value"]), 1)
        hook(session)
        session.commit()
        hook(session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await db.run(work)

    assert (seen, await db.run(count)) == ([1], 1)


async def test_a_hook_after_a_commit_can_be_cancelled(file_path):
    """Its effect is the user's, and so is the decision to stop waiting for it; the row stays."""
    db: Database[Any] = Database(f"sqlite:///{file_path}", create=Base.metadata)
    await db.start()

    async def hang(_session: Any, _change: Change) -> None:
        await anyio.sleep(30)

    with anyio.move_on_after(0.2) as scope:
        await db.run(announced(hang))

    assert scope.cancelled_caught
    assert (checked_out(db), await db.run(count)) == (0, 1)
    await db.close()


@pytest.mark.parametrize("event", ["checkout", "begin", "commit"])
async def test_a_cancelled_thread_keeps_its_session_to_itself(tmp_path, event):
    """`asyncio.timeout` passes anyio's shields: the unit ends only when its thread has let the connection go."""
    db = Database[Session](f"sqlite+pysqlite:///{tmp_path}/slow.db", pool_size=2)
    sa.event.listen(db.engine, event, lambda *_: time.sleep(0.2))

    for _ in range(4):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await db.run(lambda session: session.execute(sa.text("SELECT 1")).scalar())

    assert db.engine.pool.checkedout() == 0
    assert await db.run(lambda session: session.execute(sa.text("SELECT 1")).scalar()) == 1
    await db.close()
