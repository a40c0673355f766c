"""From a URL to an engine: the right driver, and the settings that keep each database from losing or blocking work.

Nothing here connects. Engines that users make themselves never pass through this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import math
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection, Dialect, Engine, ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from splice.drivers import classify, sqlstate_of
from splice.errors import SetupError
from splice.hosts import hosts_apart, hosts_of
from splice.limits import (
    limit_mariadb,
    limit_postgresql,
    limit_sqlite,
    limit_sqlite_statement,
    mariadb_limit,
    milliseconds,
    set_in_transaction,
    start_clock,
)
from splice.locks import PGBOUNCER

__all__ = [
    "DialectName",
    "EngineSettings",
    "for_writing",
    "has_password",
    "is_in_memory",
    "make_engine",
    "read_url",
    "says_async",
    "shown",
]

DialectName: TypeAlias = Literal["sqlite", "postgresql", "mariadb", "mysql"]

_BEGIN_OPTION: Final = "splice_begin"

_DRIVERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sqlite": ("aiosqlite",),
        "postgresql": ("asyncpg", "psycopg"),
        "mariadb": ("asyncmy",),
        "mysql": ("asyncmy",),
    }
)
"""The drivers tried, in this order, for a URL that names none."""

_PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"psycopg": '"psycopg[binary]"', "psycopg2": "psycopg2-binary", "mysqldb": "mysqlclient"}
)
"""What brings a driver, where that is not a package of the driver's name."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What a user may choose about an engine that is made from a URL; `options` go to `create_engine` and win.

    `pgbouncer` is said of a PgBouncer that gives each transaction another back end.
    """

    pool_size: int = 10
    checkout_timeout_seconds: float = 3
    statement_timeout_seconds: float = 30
    lock_timeout_seconds: float = 5
    start_timeout_seconds: float = 30
    pgbouncer: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def read_url(text: str | URL) -> URL:
    """Read a database URL, and choose a driver where it names none.

    `postgres://` is taken as `postgresql://`, several hosts may stand as libpq has them, and its `sslmode` is spelt as
    asyncpg wants it.

    Raises:
        SetupError: The URL cannot be read, names a database that splice does not speak, or its driver is missing.
    """
    url = _parse(text)
    name, _, driver = url.drivername.partition("+")
    name = "postgresql" if name == "postgres" else name
    if name not in _DRIVERS:
        raise SetupError(
            f"splice does not speak {name!r}; a database URL starts with one of {', '.join(_DRIVERS)}"
        )
    url = url.set(drivername=f"{name}+{driver or _choose_driver(name)}")
    if name != "postgresql" and len(hosts_of(url)) > 1:
        raise SetupError("only a PostgreSQL URL takes several hosts; give one, such as that of a proxy")
    _check_driver(url)
    _check_sqlite_path(url)
    return _spell_for_asyncpg(url) if url.get_driver_name() == "asyncpg" else url


def says_async(url: URL) -> bool:
    """Whether the driver of the URL is used through asyncio; psycopg, which can do both, is."""
    return url.get_driver_name() == "psycopg" or _dialect_class(url).is_async


def has_password(url: URL) -> bool:
    """Whether a URL holds what must not be shown, in its place or among the parameters of a driver."""
    return bool(url.password) or any(_is_password(name) for name in url.query)


def shown(url: URL) -> str:
    """The text of a URL without its password."""
    secret = [name for name in url.query if _is_password(name)]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def _is_password(parameter: str) -> bool:
    # libpq has password and sslpassword, PyMySQL passwd.
    return any(word in parameter.lower() for word in ("password", "passwd", "pwd"))


def is_in_memory(url: URL) -> bool:
    """Whether the database lives in one connection and dies with it."""
    path = url.database or ":memory:"
    return url.get_backend_name() == "sqlite" and (":memory:" in path or url.query.get("mode") == "memory")


def make_engine(url: URL, settings: EngineSettings, *, is_async: bool | None = None) -> Engine | AsyncEngine:
    """An engine that has not connected yet, with the settings of its database.

    Args:
        url: Where the database is, its driver named.
        settings: What a user has chosen.
        is_async: Which of the two kinds it is to be, for a driver that can do both; what the URL says if left out.

    Raises:
        SetupError: The folder of an SQLite file does not exist.
    """
    _check_folder(url)
    given = dict(settings.options)
    connect_args = {**_connect_args(url, settings), **given.pop("connect_args", {})}
    options = {"hide_parameters": True, **_pool_options(url, settings, given), **_isolation(url), **given}
    if settings.pgbouncer:
        options["execution_options"] = {PGBOUNCER: True, **given.get("execution_options", {})}
    chosen = says_async(url) if is_async is None else is_async
    make: Callable[..., Engine | AsyncEngine] = create_async_engine if chosen else sa.create_engine
    engine = make(url, connect_args=connect_args, **options)
    _prepare(engine.sync_engine if isinstance(engine, AsyncEngine) else engine, settings)
    return engine


def for_writing(engine: Engine | AsyncEngine) -> Engine | AsyncEngine:
    """The same engine and pool, whose transactions say at their start that they will write."""
    return engine.execution_options(**{_BEGIN_OPTION: "BEGIN IMMEDIATE"})


def _parse(text: str | URL) -> URL:
    if not text:
        raise SetupError(
            "the database URL is empty; give one such as sqlite:///app.db (is DATABASE_URL set?)"
        )
    try:
        return make_url(hosts_apart(text) if isinstance(text, str) else text)
    except (sa.exc.ArgumentError, ValueError):
        # Neither the text nor the parser's message is repeated: both may hold the password.
        raise SetupError(
            "the database URL cannot be read; write it as postgresql://user:password@host:5432/database, and escape "
            "special characters of the password by urllib.parse.quote_plus"
        ) from None


def _choose_driver(name: str) -> str:
    candidates = _DRIVERS[name]
    return next((driver for driver in candidates if importlib.util.find_spec(driver)), candidates[0])


def _check_driver(url: URL) -> None:
    try:
        _dialect_class(url).import_dbapi()
    except sa.exc.NoSuchModuleError:
        raise SetupError(
            f"SQLAlchemy has no driver {url.get_driver_name()!r} for {url.get_backend_name()}; leave the driver out of "
            f"the URL: {url.get_backend_name()}://…"
        ) from None
    except ImportError:
        raise SetupError(_missing_driver(url.get_backend_name(), url.get_driver_name())) from None


def _missing_driver(name: str, driver: str) -> str:
    package = _PACKAGES.get(driver, driver)
    extra = {"postgresql": "postgresql", "mariadb": "mariadb", "mysql": "mariadb"}.get(name)
    or_extra = f' (or pip install "splice[{extra}]")' if extra and driver in _DRIVERS[name] else ""
    return f"the driver {driver!r} is not installed; run: pip install {package}{or_extra}"


def _dialect_class(url: URL) -> type[Dialect]:
    return url.get_dialect()


def _check_sqlite_path(url: URL) -> None:
    if url.get_backend_name() == "sqlite" and (url.host or url.username or url.port):
        raise SetupError(
            "an SQLite URL has three slashes before a relative path: sqlite:///app.db, and four before /"
        )


def _check_folder(url: URL) -> None:
    """SQLite makes the file, but not its folder, and would only say that it is unable to open the file."""
    path = url.database or ""
    if url.get_backend_name() != "sqlite" or is_in_memory(url) or path.startswith("file:"):
        return
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise SetupError(
            f"the folder of the SQLite file does not exist; make {folder}, or change the database URL"
        )


def _spell_for_asyncpg(url: URL) -> URL:
    mode = url.query.get("sslmode")
    return url if mode is None else url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def _pool_options(url: URL, settings: EngineSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    if "poolclass" in given or "pool" in given:
        return {}
    if is_in_memory(url):
        # Not a StaticPool: there, two units at once would share one transaction.
        single = AsyncAdaptedQueuePool if says_async(url) else QueuePool
        return {
            "poolclass": single,
            "pool_size": 1,
            "max_overflow": 0,
            "pool_timeout": settings.checkout_timeout_seconds,
        }
    return {
        "pool_size": settings.pool_size,
        # One more than the gate lets through, so that the health check never waits for a unit of work.
        "max_overflow": 1,
        "pool_timeout": settings.checkout_timeout_seconds,
        "pool_pre_ping": url.get_backend_name() != "sqlite",
    }


def _isolation(url: URL) -> dict[str, Any]:
    # InnoDB's default, REPEATABLE READ, mixes a snapshot for plain reads with the newest rows for locking ones, and
    # locks gaps; READ COMMITTED is what PostgreSQL does, so the same code means the same on both.
    return {"isolation_level": "READ COMMITTED"} if url.get_backend_name() in {"mariadb", "mysql"} else {}


def _connect_args(url: URL, settings: EngineSettings) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        # isolation_level None switches off the driver's own BEGIN, which comes too late, and never before a SELECT.
        return {"timeout": settings.lock_timeout_seconds, "isolation_level": None, "check_same_thread": False}
    if url.get_backend_name() == "postgresql":
        return _postgresql_connect_args(url, settings)
    return _mariadb_connect_args(settings)


def _postgresql_connect_args(url: URL, settings: EngineSettings) -> dict[str, Any]:
    seconds = _connect_seconds(settings)
    # PgBouncer refuses connections that are opened with any setting but these.
    parameters = {} if settings.pgbouncer else _postgresql_parameters(settings)
    if url.get_driver_name() == "asyncpg":
        named = {"application_name": "splice", **parameters}
        return {"server_settings": named, "timeout": seconds, **_unprepared(url, settings)}
    ours = " ".join(f"-c {name}={value}" for name, value in parameters.items())
    # What the URL says stands later on the command line, and so wins.
    options = f"{ours} {url.query.get('options', '')}".strip()
    defaults = {"application_name": "splice", "connect_timeout": seconds}
    said = {name: value for name, value in defaults.items() if name not in url.query}
    return ({"options": options} if options else {}) | said | _unprepared(url, settings)


def _postgresql_parameters(settings: EngineSettings) -> dict[str, str]:
    return {
        "TimeZone": "UTC",
        "lock_timeout": str(milliseconds(settings.lock_timeout_seconds)),
        "statement_timeout": str(milliseconds(settings.statement_timeout_seconds)),
        # A unit that neither works nor ends holds locks: twice the longest statement is enough thought.
        "idle_in_transaction_session_timeout": str(2 * milliseconds(settings.statement_timeout_seconds)),
    }


def _unprepared(url: URL, settings: EngineSettings) -> dict[str, Any]:
    """What keeps a driver from using a statement that it has prepared on another back end."""
    if not settings.pgbouncer:
        return {}
    if url.get_driver_name() == "psycopg":
        return {"prepare_threshold": None}
    if url.get_driver_name() != "asyncpg":
        return {}
    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__splice_{uuid.uuid4()}__",
    }


def _mariadb_connect_args(settings: EngineSettings) -> dict[str, Any]:
    locks = max(1, math.ceil(settings.lock_timeout_seconds))
    modes = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"
    return {
        "charset": "utf8mb4",
        "connect_timeout": _connect_seconds(settings),
        "init_command": f"SET time_zone='+00:00', sql_mode=CONCAT_WS(',', NULLIF(@@sql_mode, ''), '{modes}'), "
        # The first is about rows, the second about tables, whose default is a day.
        f"innodb_lock_wait_timeout={locks}, lock_wait_timeout={locks}, "
        # By default rows that are equal in their first 1,024 bytes are sorted anyhow, and pages of them would overlap.
        f"max_sort_length={_SORTED_BYTES} {mariadb_limit(settings.statement_timeout_seconds)}",
    }


_SORTED_BYTES: Final = 65_536
"""More than a cursor holds, and few enough for the least sort buffer that works with it."""


def _connect_seconds(settings: EngineSettings) -> int:
    # libpq takes whole seconds, and 2 at least.
    return max(2, math.ceil(settings.checkout_timeout_seconds))


def _prepare(engine: Engine, settings: EngineSettings) -> None:
    if engine.dialect.name != "sqlite":
        sa.event.listen(engine, "handle_error", _leave_lost)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, settings)
    elif engine.dialect.name == "postgresql":
        _prepare_postgresql(engine, settings)
    else:
        _prepare_mariadb(engine, settings)


def _prepare_postgresql(engine: Engine, settings: EngineSettings) -> None:
    parameters, seconds = _postgresql_parameters(settings), settings.statement_timeout_seconds

    def begin(connection: Connection) -> None:
        if not _is_autocommit(connection):
            limit_postgresql(connection, seconds)

    def begin_behind_pgbouncer(connection: Connection) -> None:
        if not _is_autocommit(connection):
            set_in_transaction(connection, parameters, seconds)

    sa.event.listen(engine, "begin", begin_behind_pgbouncer if settings.pgbouncer else begin)
    if isinstance(engine.url.query.get("host"), tuple):
        sa.event.listen(engine, "handle_error", _leave_standby)


def _leave_standby(context: ExceptionContext) -> None:
    """A host that takes no writes any more is left: of several there is another that does."""
    if sqlstate_of(context.original_exception) == "25006":
        context.is_disconnect = True


def _leave_lost(context: ExceptionContext) -> None:
    """A connection that is lost is not reset: SQLAlchemy, which does not know all the ways, would log the attempt."""
    fault = classify(context.original_exception)
    if fault is not None and fault.kind == "connection_lost":
        context.is_disconnect = True


def _prepare_sqlite(engine: Engine, settings: EngineSettings) -> None:
    _adapt_types(engine.dialect, {sa.DateTime: _SqliteDateTime, sa.TIMESTAMP: _SqliteDateTime})
    sa.event.listen(engine, "connect", functools.partial(_set_up_sqlite, in_memory=is_in_memory(engine.url)))
    seconds = float(settings.options.get("connect_args", {}).get("timeout", settings.lock_timeout_seconds))

    statement_seconds = settings.statement_timeout_seconds

    def begin(connection: Connection) -> None:
        if not _is_autocommit(connection):
            limit_sqlite(connection, seconds)
            connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))

    sa.event.listen(engine, "begin", begin)
    sa.event.listen(engine, "invalidate", _let_go)
    sa.event.listen(
        engine,
        "before_cursor_execute",
        lambda connection, *_: limit_sqlite_statement(connection, statement_seconds),
    )


def _is_autocommit(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _let_go(dbapi_connection: Any, _: ConnectionPoolEntry, __: BaseException | None) -> None:
    """Stop what a connection that is given up still does, and give its locks back.

    Python closes it only once nothing refers to its cursors any more, and that may be much later.
    """
    driver = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    if driver is dbapi_connection:
        with contextlib.suppress(Exception):
            driver.rollback()
        return
    with contextlib.suppress(RuntimeError):  # Without an event loop nobody can wait for it.
        asyncio.get_running_loop().create_task(_ended(driver))


async def _ended(driver: Any) -> None:
    """End the statement at once; aiosqlite's thread rolls back next, and then closes."""
    with contextlib.suppress(Exception):
        await driver.interrupt()
        await driver.rollback()


def _set_up_sqlite(dbapi_connection: Any, record: ConnectionPoolEntry, *, in_memory: bool) -> None:
    start_clock(getattr(dbapi_connection, "driver_connection", dbapi_connection), record)
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys=ON")
        if not in_memory:
            _switch_to_wal(cursor)
        # NORMAL would keep the file sound, but a power cut could undo commits that were already answered.
        cursor.execute("PRAGMA synchronous=FULL")
    finally:
        cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Retried by hand: SQLite does not wait for its busy timeout here, and several processes may start at once."""
    deadline = time.monotonic() + 5
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except Exception as error:
            if "readonly" in str(error):
                return
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            cursor.fetchall()
            return


def _prepare_mariadb(engine: Engine, settings: EngineSettings) -> None:
    _adapt_types(engine.dialect, {sa.DateTime: _MariadbDateTime})
    seconds = settings.statement_timeout_seconds
    sa.event.listen(engine, "begin", lambda connection: limit_mariadb(connection, seconds))
    compiler = type(engine.dialect.type_compiler_instance)
    precise = type(compiler.__name__, (_FullPrecision, compiler), {})
    # On this dialect object only: the class, and so every other engine, keeps what it had.
    engine.dialect.type_compiler_instance = precise(engine.dialect)


def _adapt_types(dialect: Dialect, implementations: Mapping[type[Any], type[Any]]) -> None:
    dialect.colspecs = {**dialect.colspecs, **implementations}  # shadows the class's, on purpose


class _FullPrecision:
    """Types without a stated precision keep microseconds and double precision, as on every other database."""

    def visit_FLOAT(self, type_: Any, **options: Any) -> str:  # noqa: N802  # SQLAlchemy's name
        if type_.precision is None:
            return "DOUBLE"
        inherited: Any = super()
        return str(inherited.visit_FLOAT(type_, **options))

    def visit_DATETIME(self, type_: Any, **_: Any) -> str:  # noqa: N802  # SQLAlchemy's name
        return _with_precision(type_, "DATETIME")

    def visit_TIMESTAMP(self, type_: Any, **_: Any) -> str:  # noqa: N802  # SQLAlchemy's name
        return _with_precision(type_, "TIMESTAMP")

    def visit_TIME(self, type_: Any, **_: Any) -> str:  # noqa: N802  # SQLAlchemy's name
        return _with_precision(type_, "TIME")


def _with_precision(type_: Any, name: str) -> str:
    stated = getattr(type_, "fsp", None)
    return f"{name}({6 if stated is None else stated})"


class _ZonedAsUtc(sa.DateTime):
    """A `DateTime(timezone=True)` for a database without zones: UTC is stored, and comes back as aware UTC."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        inner = super().bind_processor(dialect)
        return _chain(_to_utc, inner) if self.timezone else inner

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str] | None:
        inner: Callable[[Any], str] = super().literal_processor(dialect)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return _chain(_to_utc, inner) if self.timezone else inner

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        inner = super().result_processor(dialect, coltype)
        return _chain(inner, _from_utc) if self.timezone else inner


class _SqliteDateTime(_ZonedAsUtc, sqlite.DATETIME):
    """SQLite's text form, in UTC."""


class _MariadbDateTime(_ZonedAsUtc):
    """The driver's own form, in UTC."""


def _chain(first: Callable[[Any], Any] | None, second: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if first is None or second is None:
        return first or second or _unchanged
    before, after = first, second
    return lambda value: after(before(value))


def _unchanged(value: Any) -> Any:
    return value


def _to_utc(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _from_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
