"""Where test databases are: files of SQLite in a folder, or databases of their own on a server.

A database that a URL names is never touched: on its server others are made beside it, and dropped. URLs that come from
here name no driver; `fit` gives them the one that suits a `Database`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from splice.database import Database
from splice.engines import make_engine, read_url, says_async
from splice.errors import SetupError

__all__ = ["Databases", "Files", "Place", "bind_for", "engine_for", "fit", "read_target"]

_DRIVERS: Final[Mapping[tuple[str, bool], tuple[str, ...]]] = MappingProxyType(
    {
        ("sqlite", True): ("aiosqlite",),
        ("sqlite", False): ("pysqlite",),
        ("postgresql", True): ("asyncpg", "psycopg"),
        ("postgresql", False): ("psycopg", "psycopg2"),
        ("mariadb", True): ("asyncmy",),
        ("mariadb", False): ("pymysql",),
    }
)
"""The drivers tried, in this order, by family and whether the tested Database is async."""

_FAMILY: Final[Mapping[str, str]] = MappingProxyType({"mysql": "mariadb", "postgres": "postgresql"})
_NAME_LENGTH: Final = 40
_ACCESS_DENIED: Final = 1044


def read_target(text: str) -> URL:
    """Read the URL of a server, or of SQLite, on which test databases are to be made.

    Raises:
        SetupError: It cannot be read, or is of a database that splice does not speak.
    """
    name = text.split(":", maxsplit=1)[0].split("+", maxsplit=1)[0]
    if name not in {"sqlite", "postgres", "postgresql", "mariadb", "mysql"}:
        raise SetupError(
            f"the database to test on is {text.split(':', maxsplit=1)[0]!r}; say sqlite, postgresql, or a URL such as "
            "mariadb://user:password@localhost"
        )
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Neither the text nor the parser's message is repeated: both may hold the password.
        raise SetupError("the URL of the database to test on cannot be read") from None
    return url


def fit(url: URL, db: Database[Any]) -> URL:
    """The URL with the driver by which a `Database` is tested there: its own one, where that speaks to this database.

    Raises:
        SetupError: The driver is missing, or is async where the Database is not, or the other way round.
    """
    name = url.get_backend_name()
    driver = url.get_driver_name() if "+" in url.drivername else _driver(_family(url), db)
    fitted = read_url(url.set(drivername=f"{name}+{driver}"))
    if driver != "psycopg" and says_async(fitted) != db.is_async:
        kind, other = ("an async", "sync") if db.is_async else ("a sync", "async")
        raise SetupError(
            f"{driver} is {other}, but the application's Database has {kind} driver; leave the driver out of the URL "
            f"to test on: {name}://…"
        )
    return fitted


def _driver(family: str, db: Database[Any]) -> str:
    if _family(db.url) == family:
        return db.url.get_driver_name()
    candidates = _DRIVERS[family, db.is_async]
    return next((name for name in candidates if importlib.util.find_spec(name)), candidates[0])


def _family(url: URL) -> str:
    name = url.get_backend_name()
    return _FAMILY.get(name, name)


def engine_for(url: URL, db: Database[Any], *, pooled: bool) -> Engine | AsyncEngine:
    """An engine on a test database with the settings of a `Database`; one without a pool serves any event loop."""
    options = _options(url, db) | ({} if pooled else {"poolclass": NullPool})
    return make_engine(url, replace(db.settings, options=options), is_async=db.is_async)


def bind_for(url: URL, db: Database[Any]) -> URL | Engine | AsyncEngine:
    """What a `Database` is rebound to for commits; a URL where it can be, since only then writers begin as they do."""
    needs_engine = db.settings.options or says_async(url) != db.is_async
    return engine_for(url, db, pooled=True) if needs_engine else url


def _options(url: URL, db: Database[Any]) -> dict[str, Any]:
    """Options are meant for one kind of database, and those about the pool for many users."""
    if _family(url) != _family(db.url):
        return {}
    return {
        name: value
        for name, value in db.settings.options.items()
        if not name.startswith(("pool", "max_overflow"))
    }


class Place(Protocol):
    """Makes databases, and drops what it has made."""

    def make(self) -> URL:
        """A new, empty database."""

    def copy(self, template: URL) -> URL | None:
        """A new database that holds what another one does, which nobody is connected to; None if that cannot be."""

    def drop(self, url: URL) -> None:
        """Drop a database that was made here."""


@dataclass(frozen=True)
class Files:
    """SQLite files in a folder."""

    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def make(self) -> URL:
        """A name for a file: SQLite makes it at the first connection."""
        return URL.create("sqlite", database=str(self.folder / f"{next(self.numbers)}.db"))

    def copy(self, template: URL) -> URL | None:
        """A copy of the file."""
        made = self.make()
        if Path(str(template.database)).exists():  # There is none before somebody has connected.
            shutil.copyfile(str(template.database), str(made.database))
        return made

    def drop(self, url: URL) -> None:
        """Remove the file, and what SQLite keeps beside it."""
        for ending in ("", "-wal", "-shm"):
            Path(f"{url.database}{ending}").unlink(missing_ok=True)


@dataclass(frozen=True)
class Databases:
    """Databases on a server, named so that neither people nor other processes have one of the same name.

    `server` names the driver to use, and a database to enter by; `run` runs a function of an event loop's thread.
    """

    server: URL
    run: Callable[..., Any]
    run_id: str = field(default_factory=functools.partial(secrets.token_hex, 4))
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def make(self) -> URL:
        """An empty database with the settings that splice wants."""
        return self._create("CHARACTER SET utf8mb4" if self._is_mariadb else "TEMPLATE template0")

    def copy(self, template: URL) -> URL | None:
        """A copy made by PostgreSQL; MariaDB and MySQL have none."""
        return None if self._is_mariadb else self._create(f"TEMPLATE {self._quoted(template)}")

    def drop(self, url: URL) -> None:
        """Drop it, whoever is still connected; a test that fails may leave connections."""
        force = "" if self._is_mariadb else " WITH (FORCE)"
        with contextlib.suppress(sa.exc.DBAPIError, OSError):
            self.run(self._execute, f"DROP DATABASE IF EXISTS {self._quoted(url)}{force}")

    def _create(self, clause: str) -> URL:
        base = re.sub(r"\W", "_", self.server.database or "app")[:_NAME_LENGTH]
        made = self.server.set(
            drivername=self.server.get_backend_name(),
            database=f"{base}_test_{self.run_id}_{next(self.numbers)}",
        )
        self._say(f"CREATE DATABASE {self._quoted(made)} {clause}")
        return made

    def _say(self, statement: str) -> None:
        try:
            self.run(self._execute, statement)
        except (sa.exc.DBAPIError, OSError) as error:
            raise SetupError(self._fix(error)) from None

    def _fix(self, error: Exception) -> str:
        user, address = self.server.username, f"{self.server.host}:{self.server.port or 'its port'}"
        words = next(iter(str(getattr(error, "orig", error)).splitlines()), type(error).__name__)
        if not _is_refusal(error):
            return f"the server to test on, {address}, does not let the tests in: {words}"
        grant = f"GRANT ALL ON *.* TO '{user}'@'%'" if self._is_mariadb else f'ALTER ROLE "{user}" CREATEDB'
        return f"{user} may not create databases on the server to test on; run there as its administrator: {grant}"

    @property
    def _is_mariadb(self) -> bool:
        return _family(self.server) == "mariadb"

    def _quoted(self, url: URL) -> str:
        mark = "`" if self._is_mariadb else '"'
        return f"{mark}{url.database}{mark}"

    async def _execute(self, statement: str) -> None:
        entered = (
            self.server if self._is_mariadb or self.server.database else self.server.set(database="postgres")
        )
        if says_async(entered):
            engine = create_async_engine(entered, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            async with engine.connect() as connection:
                await connection.exec_driver_sql(statement)
            return
        with sa.create_engine(entered, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as plain:
            plain.exec_driver_sql(statement)


def _is_refusal(error: Exception) -> bool:
    """Whether the user may not do what was said; MariaDB and MySQL number that 1044."""
    arguments = getattr(getattr(error, "orig", None), "args", ()) or (None,)
    return isinstance(error, sa.exc.ProgrammingError) or arguments[0] == _ACCESS_DENIED
