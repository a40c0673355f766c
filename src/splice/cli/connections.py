"""A look into a database before it is served: connected once, read only, closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from splice.engines import EngineSettings, make_engine, read_url
from splice.unreachable import database_failure

__all__ = ["looked_into", "missing_tables", "on_engine", "read_only", "spelt"]

_CONNECT_SECONDS: Final = 10

_T = TypeVar("_T")


def looked_into(url: str, work: Callable[[Connection], _T]) -> _T:
    """Run a function of a sync connection to the database of a URL.

    Raises:
        SetupError: The database cannot be opened; the message says why.
    """
    return on_engine(_reading_engine(read_url(url)), work)


def on_engine(engine: Engine | AsyncEngine, work: Callable[[Connection], _T]) -> _T:
    """Run a function of a sync connection on an engine of either kind, and close its connections.

    Raises:
        SetupError: The database cannot be opened; the message says why.
    """
    try:
        return _run_on(engine, work)
    except Exception as error:
        failure = database_failure(error, engine.url)
        if failure is None:
            raise
        raise failure from error


def _run_on(engine: Engine | AsyncEngine, work: Callable[[Connection], _T]) -> _T:
    if isinstance(engine, AsyncEngine):
        return asyncio.run(_on_async_engine(engine, work))
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def _on_async_engine(engine: AsyncEngine, work: Callable[[Connection], _T]) -> _T:
    try:
        # Whoever answers in another protocol, or not at all, would be waited for without end.
        async with asyncio.timeout(_CONNECT_SECONDS):
            connection = await engine.connect()
        async with aclosing(connection):
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _reading_engine(url: URL) -> Engine | AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return make_engine(url, EngineSettings())
    return sa.create_engine(read_only(url).set(drivername="sqlite+pysqlite"), poolclass=NullPool)


def spelt(url: URL) -> str:
    """The text of a URL, its password included, with the colon of `file:` as a person writes it."""
    return url.render_as_string(hide_password=False).replace("///file%3A", "///file:", 1)


def read_only(url: URL) -> URL:
    """The same database; an SQLite file can then only be read, and is not even switched to its write-ahead log."""
    path = url.database or ""
    if url.get_backend_name() != "sqlite" or path.startswith("file:"):
        return url
    return url.set(database=f"file:{quote(path)}").update_query_dict({"mode": "ro", "uri": "true"})


def missing_tables(connection: Connection, tables: Iterable[sa.Table]) -> list[str]:
    """The names of those tables that the database does not have, neither as a table nor as a view."""
    inspector = sa.inspect(connection)
    wanted = list(dict.fromkeys(tables))
    there = {schema: _relations(inspector, schema) for schema in {table.schema for table in wanted}}
    return [table.fullname for table in wanted if _spelt(table.name) not in there[table.schema]]


def _relations(inspector: Any, schema: str | None) -> set[str]:
    if schema is not None and schema not in inspector.get_schema_names():
        return set()
    names = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
    return {_spelt(name) for name in names}


def _spelt(name: str) -> str:
    # MariaDB may keep names in lower case, SQLite compares them without it.
    return name.lower()
