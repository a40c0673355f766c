"""The pytest plugin: options, the marker, and the fixtures that stand between an application and its test databases."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final, cast

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from starlette.types import ASGIApp

from splice.database import Database
from splice.errors import SetupError
from splice.loading import databases_of, load
from splice.settings import find_settings
from splice.testing.isolation import Ground, isolated
from splice.testing.lifespans import running, with_state
from splice.testing.loops import for_any_loop
from splice.testing.places import Databases, Files, Place, fit, read_target
from splice.testing.sessions import PortalSession
from splice.testing.statements import Statements
from splice.testing.stores import Loan, Preparation, Store, create_what_is_mapped, make_tables, migrate

__all__ = [
    "anyio_backend",
    "app",
    "async_client",
    "async_database",
    "async_session",
    "async_session_for",
    "client",
    "database",
    "databases",
    "prepare_database",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "session",
    "session_for",
    "statements",
]

_ADDRESS: Final = "http://testserver"


# What pytest asks of a plugin.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Settings, each said in pytest's own configuration."""
    parser.addini("splice_app", 'The application under test: "main:app".')
    parser.addini("splice_database", 'Where tests run: "sqlite" (the default), "postgresql", or a URL.')
    parser.addini("splice_tables", 'How tables are made: as the Database says, by "create", or by "migrate".')
    parser.getgroup("splice").addoption(
        "--database", dest="splice_database", help="Where tests run: sqlite, postgresql, or a URL."
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and the server of this run."""
    config.addinivalue_line(
        "markers", "real_commits: give the test databases of its own, in which commits are real (splice)."
    )
    server = _Server(getattr(config, "workerinput", {}).get("splice_postgresql"))
    config.stash[_SERVER] = server
    config.add_cleanup(server.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the workers of pytest-xdist one PostgreSQL for all of them."""
    if _wanted(node.config) == "postgresql":
        # A test is told why there is none; here it would only be an error of pytest's own.
        with suppress(SetupError):
            node.workerinput["splice_postgresql"] = node.config.stash[_SERVER].address


class _Server:
    """The PostgreSQL of a run, started when it is first asked for."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._ends = ExitStack()

    @property
    def address(self) -> str:
        if self._address is None:
            self._address = self._start()
        return self._address

    def _start(self) -> str:
        if sys.platform == "win32":
            raise SetupError(
                "a PostgreSQL is started on Unix only; give --database=postgresql://… of a running one"
            )
        # Not at the top: accounts are Unix's own.
        from splice.testing.servers import postgresql

        server = self._ends.enter_context(postgresql())
        return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}"

    def close(self) -> None:
        self._ends.close()


_SERVER: Final = pytest.StashKey[_Server]()


def _wanted(config: pytest.Config) -> str:
    return str(config.getoption("splice_database") or config.getini("splice_database") or "sqlite")


def _target(config: pytest.Config) -> URL:
    wanted = _wanted(config)
    if wanted == "postgresql":
        return read_target(config.stash[_SERVER].address)
    return read_target("sqlite://" if wanted == "sqlite" else wanted)


@contextmanager
def _plainly() -> Iterator[None]:
    """Wrong use is told by its message alone: where in this file it was noticed helps nobody."""
    try:
        yield
    except SetupError as error:
        if error.__cause__ is not None:
            raise
        raise pytest.fail.Exception(f"splice: {error}", pytrace=False) from None


# The application.


@pytest.fixture
def app(pytestconfig: pytest.Config) -> ASGIApp:
    """The application under test: what `splice_app` names. Override it for one that is made by a function."""
    with _plainly():
        return cast("ASGIApp", load(pytestconfig.rootpath, _app_name(pytestconfig)))


def _app_name(config: pytest.Config) -> str:
    name = str(config.getini("splice_app")) or find_settings(config.rootpath).app
    if not name:
        raise SetupError(
            'no application is named; say splice_app = "main:app" in the configuration of pytest, or override the '
            "fixture `app`"
        )
    return name


@pytest.fixture
def databases(app: ASGIApp) -> Sequence[Database[Any]]:
    """The Databases of the application, in whose place test databases are put."""
    found = databases_of(app)
    if not found:
        pytest.fail(
            "splice: the application has no Database; call install(app, db), or override the fixture `databases` to "
            "return [db]",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def prepare_database(pytestconfig: pytest.Config) -> Preparation:
    """A function of a Session and a Database that fills an empty database, once a run; override it to add rows."""
    wanted = str(pytestconfig.getini("splice_tables"))
    match wanted:
        case "":
            return make_tables
        case "create":
            return create_what_is_mapped
        case "migrate":
            return functools.partial(migrate, settings=find_settings(pytestconfig.rootpath))
    return pytest.fail(f'splice: splice_tables is {wanted!r}; say "create" or "migrate"', pytrace=False)


# Test databases.


@pytest.fixture(scope="session")
def _portal() -> Iterator[BlockingPortal]:
    """A thread with an event loop, for whatever outlives a test, and for applications in `def` tests."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def _store(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, _portal: BlockingPortal
) -> Iterator[Store]:
    def place_of(db: Database[Any]) -> Place:
        target = _target(pytestconfig)
        if target.get_backend_name() == "sqlite":
            return Files(tmp_path_factory.mktemp("splice"))
        return Databases(fit(target, db), _portal.call)

    store = Store(_portal, place_of)
    yield store
    store.close()


@pytest.fixture
def _commits(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("real_commits") is not None


@pytest.fixture
def _ground(
    databases: Sequence[Database[Any]], prepare_database: Preparation, _store: Store, _commits: bool
) -> Iterator[Ground]:
    loan = Loan(prepare_database, _commits, pooled=True)
    with ExitStack() as ends:
        with _plainly():
            lent = ends.enter_context(_store.lend(databases, loan))
        yield ends.enter_context(_store.portal.wrap_async_context_manager(isolated(lent)))


@for_any_loop
async def _loop_ground(
    databases: Sequence[Database[Any]], prepare_database: Preparation, _store: Store, _commits: bool
) -> AsyncIterator[Ground]:
    loan = Loan(prepare_database, _commits, pooled=False)
    with ExitStack() as ends:
        with _plainly():
            lent = ends.enter_context(_store.lend(databases, loan))
        async with isolated(lent) as ground:
            yield ground


@pytest.fixture
def _async_ground(request: pytest.FixtureRequest, databases: Sequence[Database[Any]]) -> Ground:
    """Sync drivers have no event loop to belong to, so that `session` goes together with `async_client`."""
    in_loop = any(db.is_async for db in databases)
    return cast("Ground", request.getfixturevalue("_loop_ground" if in_loop else "_ground"))


@pytest.fixture
def database(_ground: Ground) -> Database[Any]:
    """The application's first Database, on a test database; for `def` tests."""
    return _ground.databases[0]


@pytest.fixture
def async_database(_async_ground: Ground) -> Database[Any]:
    """The application's first Database, on a test database; for `async def` tests."""
    return _async_ground.databases[0]


# What tests work with.


@pytest.fixture
def session_for(_ground: Ground, _portal: BlockingPortal) -> Iterator[Callable[[Database[Any]], Session]]:
    """A function that opens a session on one of several Databases; for `def` tests."""
    with ExitStack() as ends:

        def open_session(db: Database[Any]) -> Session:
            opened = _ground.session(db)
            plain = PortalSession(opened, _portal) if isinstance(opened, AsyncSession) else opened
            ends.callback(plain.close)
            return cast("Session", plain)

        yield open_session


@pytest.fixture
def session(_ground: Ground, session_for: Callable[[Database[Any]], Session]) -> Session:
    """A session of the test's own on the application's first Database; for `def` tests."""
    return session_for(_ground.databases[0])


@for_any_loop
async def async_session_for(_async_ground: Ground) -> AsyncIterator[Callable[[Database[Any]], AsyncSession]]:
    """A function that opens a session on one of several Databases; for `async def` tests."""
    opened: list[AsyncSession] = []

    def open_session(db: Database[Any]) -> AsyncSession:
        session = _ground_session(_async_ground, db)
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()


def _ground_session(ground: Ground, db: Database[Any]) -> AsyncSession:
    session = ground.session(db)
    if isinstance(session, Session):
        raise SetupError(f"the driver of {db!r} is sync; use `session`, in `async def` tests too")
    return session


@pytest.fixture
def async_session(
    _async_ground: Ground, async_session_for: Callable[[Database[Any]], AsyncSession]
) -> AsyncSession:
    """A session of the test's own on the application's first Database; for `async def` tests."""
    with _plainly():
        return async_session_for(_async_ground.databases[0])


@pytest.fixture
def client(app: ASGIApp, _ground: Ground, _portal: BlockingPortal) -> Iterator[TestClient]:
    """A client of the application, whose lifespan runs around the test; for `def` tests."""
    made = TestClient(app)
    made.portal = _portal
    with _portal.wrap_async_context_manager(running(app, made.app_state)):
        yield made
        made.close()


@for_any_loop
async def async_client(app: ASGIApp, _async_ground: Ground) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application, whose lifespan runs around the test, in its event loop; for `async def` tests."""
    state: dict[str, Any] = {}
    transport = httpx2.ASGITransport(with_state(app, state))
    async with (
        running(app, state),
        httpx2.AsyncClient(transport=transport, base_url=_ADDRESS, follow_redirects=True) as made,
    ):
        yield made


@pytest.fixture
def statements(databases: Sequence[Database[Any]]) -> Statements:
    """Counts the SQL of the application's Databases: `with statements.at_most(3): …`."""
    return Statements(lambda: databases)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: SQLAlchemy's async drivers know nothing else."""
    return "asyncio"
