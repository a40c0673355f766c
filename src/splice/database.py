"""A database and its units of work: one engine a process, a gate before it, a transaction that ends in any case."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, Generic, TypeAlias, cast, overload
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
import sqlalchemy as sa
from fastapi import Depends, params
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool, StaticPool
from starlette.requests import HTTPConnection
from typing_extensions import TypeVar

from splice.binds import AnyConnection, AnySession, Bind, Opened, Source, elsewhere, source_of
from splice.bridge import HAS_PLACE, drop_connection, release, run_on
from splice.creation import create_tables
from splice.description import Description
from splice.engines import DialectName, EngineSettings, shown
from splice.errors import CommitUnknown, SetupError, TooBusy
from splice.faults import Moment, translate
from splice.hooks import has_committed, keep_committed, run_committed
from splice.migrations import Mode, bring_up_to_date
from splice.preferences import wait_seconds
from splice.probes import ping, wait_for
from splice.repeats import repeated, repeated_blocking
from splice.signatures import read_once

__all__ = [
    "COMMITTING",
    "READS",
    "UNTIL",
    "Database",
    "Unit",
    "begin_commit",
    "seconds_to",
]

_T = TypeVar("_T")
_S = TypeVar("_S", bound="AsyncSession | Session", default=Any)

READS: Final = "splice_reads"
"""Set in the scope of a request that only reads although its method could write."""

COMMITTING: Final = "splice_committing"
"""Set in the scope of a request that writes, once it has come to its COMMIT."""

_SCOPE: Final = "splice_scope"
"""In the `info` of a session: the scope of its request, where that writes."""

UNTIL: Final = "splice_until"
"""In the `info` of a session: when its request is too late, by `time.monotonic`, or None."""

_GRACE_SECONDS: Final = 3.0
"""The server is to end a statement by itself, if it can."""
_DISPOSE_SECONDS: Final = 5.0
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})


class Database(Generic[_S]):
    """One database: its engine, its units of work, and the tables that resources on it have described.

    Nothing connects before the first unit of work or `start`. A URL with a sync driver is written
    `Database[Session]("sqlite+pysqlite:///app.db")` where types are checked.

    Args:
        bind: A URL, with or without a driver, or an engine or sessionmaker that exists. One that exists is used as it
            is: none of its settings are changed, and it is not closed.
        create: Tables to create at the first start; for first steps, migrations do the rest.
        migrations: What the first start does about migrations: `check` refuses to serve a database that is behind (or
            ahead of) them, `upgrade` runs what is missing, one process at a time, `ignore` does not look.
        pgbouncer: Whether a PgBouncer stands in between that gives each transaction another back end; of an engine made
            here.
        pool_size: Connections, and so units of work at once; of an engine made here.
        checkout_timeout_seconds: How long a unit waits for a connection before it fails with `TooBusy`.
        statement_timeout_seconds: How long one statement may take; of an engine made here.
        start_timeout_seconds: How long the start waits for a server that does not answer yet.
        engine_options: Passed to `create_engine`, where they win over what splice sets; of an engine made here.

    Raises:
        SetupError: The URL cannot be read, its driver is missing, the bind is of another kind, or both `create=` and
            `migrations=` are to make the tables.
    """

    offered: dict[type[Any], list[Any]]
    """The resources that relations may lead to, by model; filled by them."""

    session: params.Depends
    """The dependency that yields a session and commits before the answer: `Annotated[AsyncSession, db.session]`.

    One stored object with `scope="function"`. Its `.dependency` is what `app.dependency_overrides` take.
    """

    @overload
    def __init__(
        self: Database[AsyncSession],
        bind: str | URL | AsyncEngine | async_sessionmaker[Any],
        *,
        create: sa.MetaData | None = None,
        migrations: Mode = "ignore",
        pgbouncer: bool = False,
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        start_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None: ...

    @overload
    def __init__(
        self: Database[Session],
        bind: str | URL | Engine | sessionmaker[Any],
        *,
        create: sa.MetaData | None = None,
        migrations: Mode = "ignore",
        pgbouncer: bool = False,
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        start_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None: ...

    def __init__(  # noqa: PLR0913  # the whole public surface of a database
        self,
        bind: Bind,
        *,
        create: sa.MetaData | None = None,
        migrations: Mode = "ignore",
        pgbouncer: bool = False,
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        start_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        settings = EngineSettings(
            pool_size=pool_size,
            checkout_timeout_seconds=checkout_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
            start_timeout_seconds=start_timeout_seconds,
            pgbouncer=pgbouncer,
            options=engine_options,
        )
        self._core = _Core(source_of(bind, settings), settings, _Tables(create, migrations))
        self.offered: dict[type[Any], list[Any]] = {}
        self.session = Depends(self._request_session, scope="function")

    def __repr__(self) -> str:
        return f"Database({shown(self.url)})"

    @property
    def url(self) -> URL:
        """Where it is, with the driver, and with the password; known without an engine."""
        return self._core.source.url

    @property
    def settings(self) -> EngineSettings:
        """How engines are made for it from a URL."""
        return self._core.settings

    @property
    def dialect(self) -> DialectName:
        """The name of the database's SQL; known without an engine."""
        return self._core.source.dialect

    @property
    def is_async(self) -> bool:
        """Whether sessions are `AsyncSession`; known without an engine."""
        return self._core.source.is_async

    @property
    def patience_seconds(self) -> float:
        """How long an operation waits for a server that does not even end its statements; infinite for your engines."""
        source = self._core.source
        is_bounded = source.has_server and source.owned and source.is_async
        return self.settings.statement_timeout_seconds + _GRACE_SECONDS if is_bounded else math.inf

    @property
    def engine(self) -> Engine | AsyncEngine:
        """The engine of this process, made when it is first asked for; it connects when a unit needs it."""
        return self._core.open().engine

    @property
    def tables(self) -> Mapping[str, Description]:
        """The described models by table name, or `schema.table`; errors of the driver are told in their fields."""
        return MappingProxyType(self._core.tables)

    def register(self, description: Description) -> None:
        """Make a described model known."""
        self._core.tables[description.qualified] = description

    @contextmanager
    def rebound(self, bind: Bind | AnyConnection) -> Iterator[None]:
        """Work on another database until the end of the block, for tests; its tables have to be there.

        Everything that holds this object, an application and its Resources, follows, and so does a sessionmaker that it
        was given. On one connection each unit is a savepoint of the transaction that is open there, and they run one
        after the other.
        """
        with self._core.rebound(bind):
            yield

    def make_tables(self, session: Session) -> bool:
        """Do what `create=` or `migrations=` says of an empty database; False where neither was given."""
        return self._core.make_tables(session)

    def begin(self, *, writes: bool = True) -> Unit[_S]:
        """A unit of work for scripts: commits at the end of the block, rolls back when the block raises.

        `async with` gives the driver's kind of session; `with` is for sync drivers. `writes=False` spares SQLite's
        write lock; it does not forbid writing.
        """
        return Unit(self._core, writes=writes)

    async def run(self, work: Callable[[Session], _T], *, writes: bool = True) -> _T:
        """Run a function of a sync `Session` as one unit of work.

        Inside a unit of this database in the same task, a request's or one of `begin`, it joins that unit. A unit of
        its own is repeated where that is safe (deadlock, serialization failure, connection lost before COMMIT), so
        `work` leaves the COMMIT to the unit and has no effects outside the database.

        Raises:
            Problem: What the database refused in `work` or at the COMMIT, in the words of the API; an error of any
                other origin passes as it is.
        """
        named = functools.partial(self._core.run_named, work)
        joined = self._core.joinable()
        if joined is not None:
            return await run_on(joined, named)
        return await repeated(lambda: self._run_once(named, writes=writes))

    async def start(self) -> None:
        """Wait for the database, make the engine, and the tables of `create=` or `migrations=`.

        Several processes may do so at once.

        Raises:
            SetupError: The database does not answer within `start_timeout_seconds`, or does not let the service in.
        """
        if self._core.source.has_server:
            await wait_for(lambda: self._core.open().reading(), self.url, self.settings.start_timeout_seconds)
        await self._core.prepare()

    async def close(self) -> None:
        """Close the engine's connections, unless the engine was given by the user."""
        await self._core.close()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Start, and close at the end; `FastAPI(lifespan=db.lifespan)` takes it as it is."""
        await self.start()
        try:
            yield
        finally:
            await self.close()

    async def ping(self) -> None:
        """Ask the database whether it answers; waits for no unit of work, and for 2 seconds at most.

        Raises:
            DatabaseUnavailable: It does not.
        """
        if not self._core.source.is_local:  # It cannot be away, and its one connection may be in use.
            await ping(lambda: self._core.open().reading())

    @read_once
    async def _request_session(self, connection: HTTPConnection) -> AsyncIterator[Any]:
        writes, until = _says_that_it_writes(connection), _until(connection)
        async with Unit[_S](self._core, writes=writes, until=until) as session:
            if writes:
                session.info[_SCOPE] = connection.scope
            yield session

    async def _run_once(self, work: Callable[[Session], _T], *, writes: bool) -> _T:
        async with self.begin(writes=writes) as session:
            return await run_on(session, work)


class Unit(Generic[_S]):
    """One unit of work: a place at the gate, a session, a transaction. Entered once, by `async with` or `with`."""

    def __init__(
        self, core: _Core, *, writes: bool, until: float | None = None, prepare: bool = True
    ) -> None:
        self._core = core
        self._writes = writes
        self._until = until
        self._prepare = prepare
        self._gate: anyio.Semaphore | None = None
        self._session: AnySession | None = None
        self._outer: _Joinable | None = None

    async def __aenter__(self) -> _S:
        if self._prepare:
            await self._core.prepare()
        session = self._core.make_session(writes=self._writes, until=self._until)
        self._gate = await self._core.pass_gate(self._until)
        return cast("_S", self._enter(session))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._leave()
        try:
            await self._core.end_shielded(session, error)
        finally:
            if self._gate is not None:
                self._gate.release()
            # Only now: a hook may be slow, or open a unit of its own. Also after an error: a route may have committed
            # before it raised.
            await _tell_committed(session)

    def __enter__(self) -> Session:
        if self._core.source.is_async:
            raise SetupError("the driver is async: write `async with db.begin()`")
        if self._prepare:
            self._core.prepare_blocking()
        session = self._core.make_session(writes=self._writes, until=self._until)
        return cast("Session", self._enter(session))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = cast("Session", self._leave())
        try:
            self._core.end(session, error)
        finally:
            run_committed(session)

    def _enter(self, session: AnySession) -> AnySession:
        self._session = session
        self._outer = self._core.current.get()
        self._core.current.set(_Joinable(session, _current_task()))
        return session

    def _leave(self) -> AnySession:
        # Set, not reset by token: a test's fixture may leave in another context than it entered in.
        self._core.current.set(self._outer)
        if self._session is None:
            raise SetupError("this unit of work was not entered")
        return self._session


class _Core:
    """What a database and its units share: the engine of this process, the gate, and how a unit ends."""

    def __init__(self, source: Source, settings: EngineSettings, tables: _Tables) -> None:
        self.source: Source = source
        self.settings: EngineSettings = settings
        self.tables: dict[str, Description] = {}
        self.current: ContextVar[_Joinable | None] = ContextVar("splice_unit", default=None)
        self._tables = tables
        # By process id: what crossed a fork is kept, unused, so that nothing ever closes the parent's sockets.
        self._opened: dict[int, Opened] = {}
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.Semaphore] = WeakKeyDictionary()

    def open(self) -> Opened:
        opened = self._opened.get(os.getpid())
        if opened is not None and opened.is_stranded:
            del self._opened[os.getpid()]
            opened = None
        # setdefault, since threads may race here: they all get the first.
        opened = opened or self._opened.setdefault(os.getpid(), self.source.open())
        if self.source.has_sockets:
            opened.loop = _running_loop() or opened.loop
        return opened

    async def close(self) -> None:
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None and self.source.owned:
            await _dispose(opened.engine)

    @contextmanager
    def rebound(self, bind: Bind | AnyConnection) -> Iterator[None]:
        kept = self.source, self._tables, self._opened, self._gates
        with elsewhere(self.source, bind, self.settings) as source:
            self.source, self._tables = source, _Tables()
            self._opened, self._gates = {}, WeakKeyDictionary()
            try:
                yield
            finally:
                self.source, self._tables, self._opened, self._gates = kept

    def make_tables(self, session: Session) -> bool:
        make = self._tables.making()
        if make is not None:
            make(session)
        return make is not None

    async def prepare(self) -> None:
        for prepare in self._preparations():
            await repeated(functools.partial(self._prepare_once, prepare))

    def prepare_blocking(self) -> None:
        for prepare in self._preparations():
            repeated_blocking(functools.partial(self._prepare_once_blocking, prepare))

    async def _prepare_once(self, prepare: _Preparation) -> None:
        async with Unit[Any](self, writes=True, prepare=False) as session:
            await run_on(session, prepare)

    def _prepare_once_blocking(self, prepare: _Preparation) -> None:
        with Unit[Any](self, writes=True, prepare=False) as session:
            prepare(session)

    def _preparations(self) -> Iterator[_Preparation]:
        """What has still to be done before the first unit of work; done once the caller comes back for more."""
        opened, prepare = self.open(), self._tables.preparing()
        if prepare is not None and not opened.prepared:
            yield prepare
            opened.prepared = True

    def make_session(self, *, writes: bool, until: float | None) -> AnySession:
        session = self.open().session(writes=writes, until=until)
        session.info[HAS_PLACE] = True
        session.info[UNTIL] = until
        keep_committed(_sync_twin(session))
        return session

    async def pass_gate(self, until: float | None) -> anyio.Semaphore | None:
        if self.source.is_single and self.joinable() is not None:
            return None  # A unit inside of a unit is a savepoint there, and would wait for itself.
        gate = self._gate()
        with anyio.move_on_after(seconds_to(until, self.settings.checkout_timeout_seconds)):
            await gate.acquire()
            return gate
        raise TooBusy("No connection to the database came free in time", retry_after_seconds=1)

    def joinable(self) -> AnySession | None:
        """The session of this task's unit: another task must not share it, and would outlive it unseen."""
        current = self.current.get()
        if current is None or current.task is None or current.task is not _current_task():
            return None
        return current.session

    async def end_shielded(self, session: AnySession, error: BaseException | None) -> None:
        """End a unit even while its request is being cancelled, but not longer than a statement may take."""
        with anyio.move_on_after(self.settings.statement_timeout_seconds, shield=True) as scope:
            await run_on(session, functools.partial(self.end, error=error))
        if scope.cancelled_caught:
            await drop_connection(session)
            if error is None:
                raise CommitUnknown

    def end(self, session: Session, error: BaseException | None) -> None:
        """Commit or roll back, and close; driver errors come out translated."""
        try:
            if error is None:
                self._commit(session)
            elif isinstance(error, sa.exc.TimeoutError):
                # A plain `with` passes no gate, and learns from the pool itself that it is exhausted.
                with self._named("write"):
                    raise error
        finally:
            release(session)

    def run_named(self, work: Callable[[Session], _T], session: Session) -> _T:
        """Run a function of the user's; driver errors come out translated."""
        with self._named("write"):
            return work(session)

    def _commit(self, session: Session) -> None:
        with self._named("delete" if session.deleted else "write"):
            session.flush()
        begin_commit(session)
        with self._named("commit"):
            session.commit()

    @contextmanager
    def _named(self, moment: Moment) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            problem = translate(error, self.tables, moment)
            if problem is None:
                raise
            raise problem from error

    def _gate(self) -> anyio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._gates:
            width = 1 if self.source.is_single else _width(self.open().engine)
            self._gates[loop] = anyio.Semaphore(width, fast_acquire=True)
        return self._gates[loop]


def begin_commit(session: Session) -> None:
    """Note that the request of a session has come to its COMMIT: should it be cut off, nobody knows what is stored."""
    scope = session.info.get(_SCOPE)
    if scope is not None and session.in_transaction():
        scope[COMMITTING] = True


_Preparation: TypeAlias = Callable[[Session], None]
"""What has to be done before the first unit of work, as a unit of its own."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """Who makes the tables: `create=`, migrations, or nobody here."""

    create: sa.MetaData | None = None
    migrations: Mode = "ignore"

    def __post_init__(self) -> None:
        if self.create is not None and self.migrations != "ignore":
            raise SetupError(
                f'create= and migrations="{self.migrations}" would both make the tables; leave create= out, since '
                "migrations do it"
            )

    def preparing(self) -> _Preparation | None:
        if self.create is not None:
            return functools.partial(create_tables, metadata=self.create)
        return (
            None if self.migrations == "ignore" else functools.partial(bring_up_to_date, mode=self.migrations)
        )

    def making(self) -> _Preparation | None:
        """The same for an empty database, which a check would only refuse."""
        return (
            self.preparing()
            if self.migrations != "check"
            else functools.partial(bring_up_to_date, mode="upgrade")
        )


@dataclass(frozen=True, slots=True)
class _Joinable:
    """The session of a unit that is open, and the task that it belongs to."""

    session: AnySession
    task: asyncio.Task[Any] | None


def _width(engine: Engine | AsyncEngine) -> int:
    """How many units may run at once: as many as there are connections, less one that is left to the health check."""
    pool = engine.pool
    if isinstance(pool, StaticPool):
        return 1  # All of its users would share one transaction.
    overflow = getattr(pool, "_max_overflow", -1)
    if not isinstance(pool, QueuePool) or overflow < 0 or pool.size() == 0:
        return sys.maxsize
    return max(1, pool.size() + overflow - 1)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _current_task() -> asyncio.Task[Any] | None:
    return asyncio.current_task() if _running_loop() else None


def _says_that_it_writes(connection: HTTPConnection) -> bool:
    """Whether a request takes SQLite's write lock at its first statement.

    A WebSocket does not: it may stay open for hours, and one that only reads would keep every writer out. Where it
    turns to writing, it may be refused for what others wrote since it began to read: `db.begin()` for each message.
    """
    scope = connection.scope
    return scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and not scope.get(READS, False)


def _until(connection: HTTPConnection) -> float | None:
    """When the client will have given up, by `time.monotonic`."""
    seconds = wait_seconds(connection.headers)
    return None if seconds is None else time.monotonic() + seconds


def seconds_to(until: float | None, most: float) -> float:
    """What is left until a time of `time.monotonic`, and no more than that is usual."""
    return most if until is None else max(0.0, min(most, until - time.monotonic()))


async def _tell_committed(session: AnySession) -> None:
    if has_committed(_sync_twin(session)):
        # The place was passed on: with a sync driver, slow hooks must not open a thread each.
        session.info.pop(HAS_PLACE, None)
        await run_on(session, run_committed)


def _sync_twin(session: AnySession) -> Session:
    return session.sync_session if isinstance(session, AsyncSession) else session


async def _dispose(engine: Engine | AsyncEngine) -> None:
    """Close the connections, but do not wait for a server that has gone away."""
    with anyio.move_on_after(_DISPOSE_SECONDS, shield=True):
        await _disposed(engine)


async def _disposed(engine: Engine | AsyncEngine) -> None:
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        await anyio.to_thread.run_sync(engine.dispose, abandon_on_cancel=True)
