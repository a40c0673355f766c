"""Engines, units of work and the bridge: the only module that knows sync from async.

Everything that touches the database is a function of a sync `Session`; `run_on` runs it for either kind of driver.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Final, Generic, TypeAlias, cast, overload
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
import sqlalchemy as sa
from fastapi import Depends, params
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_session,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.util import await_only
from starlette.requests import HTTPConnection
from typing_extensions import TypeVar

from splice.description import Description
from splice.engines import (
    DialectName,
    EngineSettings,
    for_writing,
    is_async,
    is_in_memory,
    make_engine,
    read_url,
)
from splice.errors import CommitUnknown, DatabaseUnavailable, SetupError, TooBusy
from splice.faults import translate

__all__ = ["AnySession", "Database", "Unit", "call_hook", "run_on"]

T = TypeVar("T")
S = TypeVar("S", bound="AsyncSession | Session", default=Any)

AnySession: TypeAlias = AsyncSession | Session
Bind: TypeAlias = "str | URL | Engine | AsyncEngine | sessionmaker[Any] | async_sessionmaker[Any]"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_PLACED: Final = "splice_placed"
_PING_SECONDS: Final = 2.0
_INVALIDATE_SECONDS: Final = 2.0
_CREATE_SECONDS: Final = 60

_log: Final = logging.getLogger("splice")


async def run_on(session: AnySession, work: Callable[[Session], T]) -> T:
    """Run a function of a sync `Session` on whichever session there is.

    An `AsyncSession` runs it through SQLAlchemy's greenlet bridge, a `Session` in one worker thread.
    """
    if isinstance(session, AsyncSession):
        return await session.run_sync(work)
    return await anyio.to_thread.run_sync(work, session, limiter=_thread_limiter(session))


def call_hook(session: Session, hook: Callable[..., Any], *args: Any) -> Any:
    """Call a user's hook from inside a function that `run_on` runs.

    A `def` hook gets the `Session`, an `async def` hook the `AsyncSession` around it, and is awaited.

    Raises:
        SetupError: The hook is async, but the session comes from a sync driver.
    """
    if not _is_async_callable(hook):
        return hook(session, *args)
    around = async_session(session)
    if around is None:
        raise SetupError(f"{hook!r} is async, but the database driver is not; write the hook as a plain def")
    work: Awaitable[Any] = hook(around, *args)
    return await_only(work)


class Database(Generic[S]):
    """One database: its engine, its units of work, and the resources on it.

    Args:
        bind: A URL, with or without a driver, or an engine or sessionmaker that exists. One that exists is used as it
            is: none of its settings are changed, and it is not closed.
        create: Tables to create at the first start; for first steps, migrations do the rest.
        pool_size: Connections, and so units of work at once; of an engine made here.
        checkout_timeout_seconds: How long a unit waits for a connection before the answer is 503.
        statement_timeout_seconds: How long one statement may take on a server; of an engine made here.
        engine_options: Passed to `create_engine`, where they win over what splice sets; of an engine made here.

    Raises:
        SetupError: The URL cannot be read, its driver is missing, or the bind is of another kind.
    """

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
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None: ...

    @overload
    def __init__(
        self: Database[Session],
        bind: Engine | sessionmaker[Any],
        *,
        create: sa.MetaData | None = None,
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None: ...

    def __init__(
        self,
        bind: Bind,
        *,
        create: sa.MetaData | None = None,
        pool_size: int = 10,
        checkout_timeout_seconds: float = 3,
        statement_timeout_seconds: float = 30,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        settings = EngineSettings(
            pool_size=pool_size,
            checkout_timeout_seconds=checkout_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
            options=engine_options,
        )
        self._settings = settings
        self._source = _source_of(bind, settings)
        self._create = create
        self._tables: dict[str, Description] = {}
        self._opened: dict[int, _Opened] = {}
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.Semaphore] = WeakKeyDictionary()
        self._current: ContextVar[_Joinable | None] = ContextVar("splice_unit", default=None)
        self.session = Depends(self._request_session, scope="function")

    def __repr__(self) -> str:
        return f"Database({self._source.label})"

    @property
    def dialect(self) -> DialectName:
        """The name of the database's SQL; known without an engine."""
        return self._source.dialect

    @property
    def is_async(self) -> bool:
        """Whether sessions are `AsyncSession`; known without an engine."""
        return self._source.is_async

    @property
    def engine(self) -> Engine | AsyncEngine:
        """The engine of this process, made at first use; it connects when a unit needs it."""
        return self._open().engine

    @property
    def tables(self) -> Mapping[str, Description]:
        """What is known about tables, by table name: which field a constraint is about."""
        return MappingProxyType(self._tables)

    def register(self, description: Description) -> None:
        """Make a described model known, so that errors of its table can name fields."""
        self._tables[description.table] = description

    def begin(self, *, writes: bool = True) -> Unit[S]:
        """A unit of work for scripts: commits at the end of the block, rolls back when the block raises.

        `async with` gives the driver's kind of session; `with` is for sync drivers. `writes=False` spares SQLite's write
        lock, it does not forbid writing.
        """
        return Unit(self, writes=writes)

    async def run(self, work: Callable[[Session], T], *, writes: bool = True) -> T:
        """Run a function of a sync `Session` as one unit of work.

        Inside a unit of this database in the same task, a request's or one of `begin`, it joins that unit.
        """
        joined = self._joinable()
        if joined is not None:
            return await run_on(joined.session, work)
        async with self.begin(writes=writes) as session:
            return await run_on(session, work)

    async def start(self) -> None:
        """Make the engine, and the tables of `create=`; several processes may do so at once."""
        await self._prepare(self._open())

    async def close(self) -> None:
        """Close the engine's connections, unless the engine was given by the user."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None and self._source.owned:
            with anyio.CancelScope(shield=True):
                await _dispose(opened.engine)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start, and close at the end; can be given to `FastAPI(lifespan=...)` as it is."""
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
        opened = self._open()
        if self._source.in_memory:
            return  # It cannot be away, and its one connection may be in use.
        try:
            with anyio.fail_after(_PING_SECONDS):
                await _probe(opened.reading())
        except Exception as error:
            raise DatabaseUnavailable from error

    async def _request_session(self, connection: HTTPConnection) -> AsyncIterator[Any]:
        # A WebSocket has no method, and may write.
        async with self.begin(writes=connection.scope.get("method") not in _SAFE_METHODS) as session:
            yield session

    def _open(self) -> _Opened:
        """The engine of this process: one that crossed a fork is kept, untouched, so that nothing closes its sockets."""
        opened = self._opened.get(os.getpid())
        if opened is not None and opened.is_stranded:
            del self._opened[os.getpid()]
            opened = None
        # setdefault, since threads may race here: they all get the first.
        return opened or self._opened.setdefault(os.getpid(), self._source.open())

    async def _prepare(self, opened: _Opened) -> None:
        opened.bind_to(asyncio.get_running_loop(), self._source)
        if self._create is not None and not opened.created:
            async with Unit(self, writes=True, prepared=True) as session:
                await run_on(session, functools.partial(_create_tables, metadata=self._create))
            opened.created = True

    def _prepare_sync(self, opened: _Opened) -> None:
        if self._create is not None and not opened.created:
            with Unit(self, writes=True, prepared=True) as session:
                _create_tables(session, metadata=self._create)
            opened.created = True

    def _gate(self, opened: _Opened) -> anyio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._gates:
            self._gates[loop] = anyio.Semaphore(opened.width, fast_acquire=True)
        return self._gates[loop]

    async def _enter_gate(self, opened: _Opened) -> anyio.Semaphore:
        gate = self._gate(opened)
        with anyio.move_on_after(self._settings.checkout_timeout_seconds):
            await gate.acquire()
            return gate
        raise TooBusy("no database connection came free in time", retry_after_seconds=1)

    def _joinable(self) -> _Joinable | None:
        current = self._current.get()
        return (
            current
            if current is not None and current.task is not None and current.task is _current_task()
            else None
        )

    def _end(self, session: Session, error: BaseException | None) -> None:
        """Commit or roll back, and close; driver errors come out translated."""
        try:
            if error is None:
                self._commit(session)
        finally:
            _release(session)

    def _commit(self, session: Session) -> None:
        moment: Any = "delete" if session.deleted else "write"
        try:
            session.flush()
            moment = "commit"
            session.commit()
        except Exception as error:
            problem = translate(error, self._tables, moment)
            if problem is None:
                raise
            raise problem from error

    async def _end_shielded(self, session: AnySession, error: BaseException | None) -> None:
        """End the unit even while the request is being cancelled, but not longer than a statement may take."""
        with anyio.move_on_after(self._settings.statement_timeout_seconds, shield=True) as scope:
            await run_on(session, lambda sync: self._end(sync, error))
        if scope.cancelled_caught:
            await _invalidate(session)
            if error is None:
                raise CommitUnknown


class Unit(Generic[S]):
    """One unit of work: a place at the gate, a session, a transaction. Entered once, by `with` or `async with`."""

    def __init__(self, database: Database[S], *, writes: bool, prepared: bool = False) -> None:
        self._database = database
        self._writes = writes
        self._prepared = prepared
        self._gate: anyio.Semaphore | None = None
        self._session: AnySession | None = None
        self._outer: _Joinable | None = None

    async def __aenter__(self) -> S:
        opened = self._database._open()
        if not self._prepared:
            await self._database._prepare(opened)
        self._gate = await self._database._enter_gate(opened)
        return cast("S", self._enter(opened))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._leave()
        try:
            await self._database._end_shielded(session, error)
        finally:
            if self._gate is not None:
                self._gate.release()

    def __enter__(self) -> Session:
        if self._database.is_async:
            raise SetupError("the driver is async: write `async with db.begin()`")
        opened = self._database._open()
        if not self._prepared:
            self._database._prepare_sync(opened)
        return cast("Session", self._enter(opened))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database._end(cast("Session", self._leave()), error)

    def _enter(self, opened: _Opened) -> AnySession:
        session = (opened.writing if self._writes else opened.reading)()
        session.info[_PLACED] = True
        self._session = session
        self._outer = self._database._current.get()
        self._database._current.set(_Joinable(session, _current_task()))
        return session

    def _leave(self) -> AnySession:
        # Set, not reset by token: a test's fixture may leave in another context than it entered in.
        self._database._current.set(self._outer)
        if self._session is None:
            raise SetupError("this unit of work was not entered")
        return self._session


@dataclass(frozen=True, slots=True)
class _Joinable:
    """A session that work of the same task may share."""

    session: AnySession
    task: asyncio.Task[Any] | None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where engines come from, and what is known before there is one."""

    label: str
    dialect: DialectName
    is_async: bool
    in_memory: bool
    owned: bool
    open: Callable[[], _Opened]


@dataclass(slots=True, eq=False)
class _Opened:
    """An engine of this process."""

    engine: Engine | AsyncEngine
    reading: Callable[[], AnySession]
    writing: Callable[[], AnySession]
    width: int
    created: bool = False
    loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)

    @property
    def is_stranded(self) -> bool:
        """Whether its connections belong to an event loop that is closed, and so cannot be used or closed any more."""
        return self.loop is not None and self.loop.is_closed()

    def bind_to(self, loop: asyncio.AbstractEventLoop, source: _Source) -> None:
        # SQLite has no sockets: its connections, and a database in memory, outlive the loop.
        if source.is_async and source.owned and source.dialect != "sqlite":
            self.loop = loop


def _source_of(bind: Bind, settings: EngineSettings) -> _Source:
    if isinstance(bind, str | URL):
        return _source_of_url(read_url(bind), settings)
    if isinstance(bind, Engine | AsyncEngine):
        return _source_of_engine(bind, _sessions(bind))
    if isinstance(bind, sessionmaker | async_sessionmaker):
        return _source_of_engine(_engine_of(bind), bind)
    raise SetupError(f"Database takes a URL, an engine or a sessionmaker, not {type(bind).__name__}")


def _source_of_url(url: URL, settings: EngineSettings) -> _Source:
    def open_engine() -> _Opened:
        engine = make_engine(url, settings)
        return _Opened(engine, _sessions(engine), _sessions(for_writing(engine)), _width(engine))

    return _Source(
        label=url.render_as_string(hide_password=True),
        dialect=_dialect_name(url.get_backend_name()),
        is_async=is_async(url),
        in_memory=is_in_memory(url),
        owned=True,
        open=open_engine,
    )


def _source_of_engine(engine: Engine | AsyncEngine, sessions: Callable[[], AnySession]) -> _Source:
    return _Source(
        label=engine.url.render_as_string(hide_password=True),
        dialect=_dialect_name(engine.dialect.name),
        is_async=isinstance(engine, AsyncEngine),
        in_memory=is_in_memory(engine.url),
        owned=False,
        open=lambda: _Opened(engine, sessions, sessions, _width(engine)),
    )


def _dialect_name(name: str) -> DialectName:
    if name not in {"sqlite", "postgresql", "mariadb", "mysql"}:
        raise SetupError(f"splice speaks sqlite, postgresql, mariadb and mysql, not {name}")
    return cast("DialectName", name)


def _engine_of(maker: sessionmaker[Any] | async_sessionmaker[Any]) -> Engine | AsyncEngine:
    bind = maker.kw.get("bind")
    if isinstance(bind, AsyncConnection | sa.Connection):
        return bind.engine
    if isinstance(bind, Engine | AsyncEngine):
        return bind
    raise SetupError("the sessionmaker has no engine; make it as sessionmaker(engine)")


def _sessions(engine: Engine | AsyncEngine) -> Callable[[], AnySession]:
    # Closed for good: a session kept for a background task raises, where it would silently take a connection again.
    if isinstance(engine, AsyncEngine):
        return async_sessionmaker(engine, expire_on_commit=False, close_resets_only=False)
    return sessionmaker(engine, expire_on_commit=False, close_resets_only=False)


def _width(engine: Engine | AsyncEngine) -> int:
    """How many units may run at once without one waiting for another's connection."""
    pool = engine.pool
    if isinstance(pool, StaticPool):
        return 1  # All of its users would share one transaction.
    return pool.size() if isinstance(pool, QueuePool) and pool.size() > 0 else sys.maxsize


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _thread_limiter(session: Session) -> anyio.CapacityLimiter | None:
    """A session that has its place, or a connection already, must not queue behind threads that wait for one."""
    if session.info.get(_PLACED) or session.in_transaction():
        return anyio.CapacityLimiter(1)
    return None


def _is_async_callable(hook: Callable[..., Any]) -> bool:
    while isinstance(hook, functools.partial):
        hook = hook.func
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004


def _release(session: Session) -> None:
    """Roll back what is open and give the connection back, or throw it away; raises nothing but cancellation."""
    try:
        session.rollback()
        session.close()
    except Exception as error:
        _log.warning("a session could not be closed, its connection is dropped: %s", type(error).__name__)
        session.invalidate()


async def _invalidate(session: AnySession) -> None:
    with anyio.move_on_after(_INVALIDATE_SECONDS, shield=True):
        try:
            await run_on(session, Session.invalidate)
        except Exception as error:
            _log.warning("a connection could not be dropped: %s", type(error).__name__)


async def _dispose(engine: Engine | AsyncEngine) -> None:
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        await anyio.to_thread.run_sync(engine.dispose)


async def _probe(session: AnySession) -> None:
    try:
        await run_on(session, lambda sync: sync.scalar(sa.select(1)))
    finally:
        with anyio.move_on_after(_INVALIDATE_SECONDS, shield=True):
            await run_on(session, _release)


def _create_tables(session: Session, *, metadata: sa.MetaData) -> None:
    """Create what is missing, one process at a time."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_CREATE_SECONDS}s'"))
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_CREATE_SECONDS}s'"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("splice.create"))))
        metadata.create_all(connection)
    elif connection.dialect.name == "sqlite":
        metadata.create_all(connection)
    else:
        _create_tables_mariadb(connection, metadata)


def _create_tables_mariadb(connection: sa.Connection, metadata: sa.MetaData) -> None:
    # The comment is run by MariaDB alone: its limit would end the wait for the lock, MySQL's is for plain reads.
    unlimited = "/*M! SET STATEMENT max_statement_time=0 FOR */"
    name = "CONCAT('splice.', MD5(DATABASE()))"
    connection.exec_driver_sql(f"{unlimited} SELECT GET_LOCK({name}, {_CREATE_SECONDS})")
    try:
        metadata.create_all(connection)
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK({name})")
