"""What a `Database` was given → engines of this process, and how sessions on them are made.

Nothing here connects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from splice.engines import (
    DialectName,
    EngineSettings,
    for_writing,
    is_in_memory,
    make_engine,
    read_url,
    says_async,
)
from splice.errors import SetupError
from splice.limits import with_deadline

__all__ = ["AnyConnection", "AnySession", "Bind", "Opened", "Source", "elsewhere", "source_of"]

AnySession: TypeAlias = AsyncSession | Session
AnyConnection: TypeAlias = AsyncConnection | Connection
Bind: TypeAlias = "str | URL | Engine | AsyncEngine | sessionmaker[Any] | async_sessionmaker[Any]"
_Maker: TypeAlias = "sessionmaker[Any] | async_sessionmaker[Any]"


@dataclass(frozen=True, slots=True)
class Source:
    """Where engines come from, and what is known before there is one.

    `is_local` is said of a database that cannot be away, `is_single` of one connection that all units share; `maker` is
    the user's own sessionmaker.
    """

    url: URL
    dialect: DialectName
    is_async: bool
    is_local: bool
    is_single: bool
    owned: bool
    open: Callable[[], Opened]
    maker: _Maker | None = None

    @property
    def has_server(self) -> bool:
        """Whether it can be away."""
        return not self.is_local and self.dialect != "sqlite"

    @property
    def has_sockets(self) -> bool:
        """Whether connections belong to an event loop; SQLite's, and so a database in memory, outlive it."""
        return self.owned and self.is_async and self.dialect != "sqlite"


@dataclass(slots=True, eq=False)
class Opened:
    """An engine of this process, and how sessions on it are made."""

    engine: Engine | AsyncEngine
    reading: _Maker
    writing: _Maker
    prepared: bool = False
    loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)

    def session(self, *, writes: bool, until: float | None = None) -> AnySession:
        """A session whose transactions end by a time of `time.monotonic`, where the engine was made here."""
        make: _Maker = self.writing if writes else self.reading
        bind = make.kw.get("bind")
        if until is not None and isinstance(bind, Engine | AsyncEngine):
            return cast("AnySession", make(bind=with_deadline(bind, until)))
        return cast("AnySession", make())

    @property
    def is_stranded(self) -> bool:
        """Whether its connections belong to a closed event loop, so that they can be neither used nor closed."""
        return self.loop is not None and self.loop.is_closed()


def source_of(bind: Bind, settings: EngineSettings) -> Source:
    """Where the engines of a bind come from.

    Raises:
        SetupError: The bind is of another kind, its URL cannot be read, or its driver is missing.
    """
    if isinstance(bind, Engine | AsyncEngine):
        return _source_of_engine(bind, _sessions(bind))
    if isinstance(bind, sessionmaker | async_sessionmaker):
        return _source_of_maker(bind)
    if isinstance(bind, str | URL):
        return _source_of_url(read_url(bind), settings)
    raise SetupError(f"Database takes a URL, an engine or a sessionmaker, not {type(bind).__name__}")


@contextmanager
def elsewhere(source: Source, bind: Bind | AnyConnection, settings: EngineSettings) -> Iterator[Source]:
    """Where the sessions of a source come from until the end of the block.

    On a connection each session's transaction is a savepoint. A sessionmaker of the user's own goes along, and works
    there too wherever else it is called.
    """
    if isinstance(bind, AsyncConnection | Connection):
        with _moved(
            source.maker or _sessions(bind), bind=bind, join_transaction_mode="create_savepoint"
        ) as maker:
            yield _source_of_maker(maker)
    elif source.maker is not None and isinstance(bind, str | URL | Engine | AsyncEngine):
        made = isinstance(bind, str | URL)
        engine = make_engine(read_url(bind), settings) if isinstance(bind, str | URL) else bind
        with _moved(source.maker, bind=engine) as maker:
            yield replace(_source_of_maker(maker), owned=made)
    else:
        yield source_of(bind, settings)


@contextmanager
def _moved(maker: Any, **options: Any) -> Iterator[_Maker]:
    kept = dict(maker.kw)
    maker.configure(**options)
    try:
        yield maker
    finally:
        maker.kw.clear()
        maker.kw.update(kept)


def _source_of_url(url: URL, settings: EngineSettings) -> Source:
    def open_engine() -> Opened:
        engine = make_engine(url, settings)
        return Opened(engine, _sessions(engine), _sessions(for_writing(engine)))

    return Source(
        url=url,
        dialect=_dialect_name(url.get_backend_name()),
        is_async=says_async(url),
        is_local=is_in_memory(url),
        is_single=False,
        owned=True,
        open=open_engine,
    )


def _source_of_maker(maker: _Maker) -> Source:
    bind = maker.kw.get("bind")
    if isinstance(bind, AsyncConnection | Connection):
        return replace(_source_of_engine(bind.engine, maker), is_single=True, is_local=True, maker=maker)
    if isinstance(bind, Engine | AsyncEngine):
        return replace(_source_of_engine(bind, maker), maker=maker)
    raise SetupError("the sessionmaker has no engine; make it as sessionmaker(engine)")


def _source_of_engine(engine: Engine | AsyncEngine, sessions: _Maker) -> Source:
    return Source(
        url=engine.url,
        dialect=_dialect_name(engine.dialect.name),
        is_async=isinstance(engine, AsyncEngine),
        is_local=is_in_memory(engine.url),
        is_single=False,
        owned=False,
        open=lambda: Opened(engine, sessions, sessions),
    )


def _dialect_name(name: str) -> DialectName:
    if name not in {"sqlite", "postgresql", "mariadb", "mysql"}:
        raise SetupError(f"splice speaks sqlite, postgresql, mariadb and mysql, not {name}")
    return cast("DialectName", name)


def _sessions(bind: Engine | AsyncEngine | AnyConnection) -> _Maker:
    # Closed for good: a session kept for a background task raises, where it would silently take a connection again.
    if isinstance(bind, AsyncEngine | AsyncConnection):
        return async_sessionmaker(bind, expire_on_commit=False, close_resets_only=False)
    return sessionmaker(bind, expire_on_commit=False, close_resets_only=False)
