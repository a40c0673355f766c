"""A way of one's own to the database of a service: what is stored, and who is connected."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from splice.locks import lock_name_in_mariadb
from tests.databases.drivers import DRIVERS, Driver

__all__ = ["Witness"]

_DRIVERS = {"sqlite": "sqlite3", "postgresql": "psycopg-sync", "mariadb": "pymysql"}

_SESSIONS = {
    "postgresql": "SELECT pid, state LIKE 'idle in transaction%' FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    "mariadb": "SELECT p.id, p.command = 'Sleep' AND t.trx_id IS NOT NULL FROM information_schema.processlist p "
    "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id "
    "WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID()",
}
_KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}
_LOCK = {
    "sqlite": "BEGIN EXCLUSIVE",
    "postgresql": "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
    "mariadb": "LOCK TABLES {} WRITE",
}
_SLOW_COMMIT = (
    """CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(10); RETURN NULL; END $$""",
    """CREATE CONSTRAINT TRIGGER take_time AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION take_time()""",
)
_STAGES = ("START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT")

_LOCK_OF_TABLES = {
    "postgresql": "SELECT pg_advisory_lock(hashtext('splice.create'))",
    "mariadb": f"SELECT GET_LOCK({lock_name_in_mariadb()}, 5)",
}
_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User lock'",
}


@dataclass(frozen=True)
class Session:
    """Somebody else who is connected to the database."""

    number: int
    is_idle_in_transaction: bool


@dataclass(frozen=True)
class Witness:
    """Looks at a database without the service; keeps no connection."""

    engine: Engine

    @classmethod
    def of(cls, driver: Driver, url: str) -> Witness:
        """By the sync driver of the same database."""
        address = sa.make_url(url).set(drivername=DRIVERS[_DRIVERS[driver.dialect]].drivername)
        return cls(sa.create_engine(address, poolclass=NullPool))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        """What is committed."""
        with self._connected() as connection:
            return [tuple(row) for row in connection.execute(_statement(statement))]

    def values(self, statement: Any) -> list[Any]:
        """The first column of what is committed."""
        return [row[0] for row in self.rows(statement)]

    def names(self) -> list[str]:
        """The names of the entries, for the ledger."""
        return self.values("SELECT name FROM entries")

    def run(self, *statements: Any) -> None:
        """Run statements, each committed by itself."""
        with self._connected() as connection:
            for statement in statements:
                connection.execute(_statement(statement))

    def sessions(self) -> list[Session]:
        """Who else is connected; there are none to see on SQLite."""
        query = _SESSIONS.get(self.dialect)
        found = self.rows(query) if query else []
        return [Session(number, bool(is_idle)) for number, is_idle in found]

    def rolled_back(self) -> int:
        """How many transactions the database has rolled back; only PostgreSQL counts them for each database."""
        if self.dialect != "postgresql":
            return 0
        # Each session reports when it is idle, at most once a second.
        time.sleep(1)
        return self.values("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()")[0]

    def kill_sessions(self) -> int:
        """End everybody else's session, and say how many there were."""
        numbers = [session.number for session in self.sessions()]
        with self._connected() as connection:
            for number in numbers:
                # One that has ended by itself meanwhile is no longer there to be killed.
                with contextlib.suppress(sa.exc.OperationalError):
                    connection.exec_driver_sql(_KILL[self.dialect].format(number))
        return len(numbers)

    @contextlib.contextmanager
    def locking(self, table: str) -> Iterator[None]:
        """Keep everybody else from writing to a table; on SQLite, to any."""
        with self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(_LOCK[self.dialect].format(table))
            yield
            ending = "UNLOCK TABLES" if self.dialect == "mariadb" else "ROLLBACK"
            connection.exec_driver_sql(ending)

    @contextlib.contextmanager
    def making_tables(self) -> Iterator[Callable[[], int]]:
        """Hold the lock of `create=` until the end of the block; gives a function that counts who waits for it."""
        with self._connected() as connection:
            connection.exec_driver_sql(_LOCK_OF_TABLES[self.dialect])
            yield lambda: int(connection.exec_driver_sql(_WAITING[self.dialect]).scalar_one())

    @contextlib.contextmanager
    def delaying_commits(self) -> Iterator[None]:
        """Let each COMMIT of a new entry wait: on PostgreSQL for 10 s, on MariaDB, in all of it, for the block."""
        if self.dialect == "postgresql":
            self.run(*_SLOW_COMMIT)
            yield
            self.run("DROP FUNCTION take_time CASCADE")
            return
        with self._connected() as connection:
            # From another database, so that `kill_sessions` does not end this one.
            connection.exec_driver_sql("USE information_schema")
            for stage in _STAGES:
                connection.exec_driver_sql(f"BACKUP STAGE {stage}")
            yield
            # Ends with its connection, which may be gone together with the server.
            connection.invalidate()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection


def _statement(statement: Any) -> Any:
    return sa.text(statement) if isinstance(statement, str) else statement
