"""One running application a module and dialect: the HTTP contract is the same on every database.

A module says what it serves by `Base` (its models) and `build` (from a `Database` to an application); its tests ask
for `client` or `service`, and find every table empty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from splice import Database
from tests.databases.administration import Administration
from tests.databases.drivers import DRIVERS, REPRESENTATIVES, Driver, Place
from tests.databases.plugin import reason_to_skip

WITNESSES = {"sqlite": "sqlite3", "postgresql": "psycopg-sync", "mariadb": "pymysql"}


@dataclass(frozen=True)
class Service:
    """A running application, and a way of one's own to its database."""

    app: FastAPI
    db: Database[Any]
    client: TestClient
    driver: Driver
    witness: Database[Session]
    metadata: sa.MetaData

    @property
    def dialect(self) -> str:
        return self.driver.dialect

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[str]]:
        """The statements that the application sends within the block."""
        statements: list[str] = []

        def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        engine = getattr(self.db.engine, "sync_engine", self.db.engine)
        sa.event.listen(engine, "before_cursor_execute", watch)
        try:
            yield statements
        finally:
            sa.event.remove(engine, "before_cursor_execute", watch)

    def store(self, *entities: Any) -> None:
        """Store rows without the application, in this order."""
        with self.witness.begin() as session:
            for entity in entities:
                session.add(entity)
                session.flush()

    def stored(self, statement: Any) -> list[tuple[Any, ...]]:
        """What is committed."""
        with self.witness.begin(writes=False) as session:
            return [tuple(row) for row in session.execute(statement)]

    def empty(self) -> None:
        """Delete every row of every table."""
        with self.witness.begin() as session:
            if self.dialect == "mariadb":
                session.execute(sa.text("SET foreign_key_checks = 0"))
            for table in reversed(self.metadata.sorted_tables):
                session.execute(table.delete())

    def client_of(self, app: Any, **options: Any) -> TestClient:
        """A client of another application, or of this one seen differently, on the same event loop."""
        other = TestClient(app, **options)
        other.portal = self.client.portal
        return other


@contextlib.contextmanager
def serving(module: Any, driver: Driver, place: Place) -> Iterator[Service]:
    """Run what a module builds on a new database."""
    db: Database[Any] = Database(_bind(driver, place), create=module.Base.metadata)
    app = module.build(db)
    witness: Database[Session] = Database(_bind(DRIVERS[WITNESSES[driver.dialect]], place))
    with TestClient(app, raise_server_exceptions=False) as client:
        try:
            yield Service(app, db, client, driver, witness, module.Base.metadata)
        finally:
            witness.engine.dispose()
            if isinstance(db.engine, sa.Engine):
                db.engine.dispose()  # An engine that was given is not closed with its Database.


def _bind(driver: Driver, place: Place) -> Any:
    # psycopg is one name for two drivers; splice takes the asynchronous one unless it is given an engine.
    url = driver.url(place).render_as_string(hide_password=False)
    return sa.create_engine(url) if driver.name == "psycopg-sync" else url


@pytest.fixture(scope="module")
def serve(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    administrations: Callable[[str], Administration],
) -> Callable[[str], contextlib.AbstractContextManager[Service]]:
    """Run what this module builds on a new database for a driver of this name."""

    @contextlib.contextmanager
    def serve(name: str) -> Iterator[Service]:
        driver = DRIVERS[name]
        if reason := reason_to_skip(driver.dialect):
            pytest.skip(reason)
        with contextlib.ExitStack() as ends:
            if driver.dialect == "sqlite":
                place = Place(str(tmp_path_factory.mktemp("database") / "test.db"))
            else:
                place = ends.enter_context(administrations(driver.dialect).database())
            yield ends.enter_context(serving(request.module, driver, place))

    return serve


@pytest.fixture(scope="module", params=REPRESENTATIVES)
def running(
    request: pytest.FixtureRequest, serve: Callable[[str], contextlib.AbstractContextManager[Service]]
) -> Iterator[Service]:
    """The module's application, once per dialect, for all tests of the module."""
    with serve(request.param) as service:
        yield service


@pytest.fixture
def service(running: Service, request: pytest.FixtureRequest) -> Service:
    """The running application, its tables empty."""
    request.node.user_properties.append(("driver", running.driver.name))
    running.empty()
    return running


@pytest.fixture
def client(service: Service) -> TestClient:
    """A client of the running application, whose tables are empty."""
    return service.client
