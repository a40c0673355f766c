"""The fixtures that give a test a real and empty database, and the count of what was tested on which.

| fixture | gives |
|---|---|
| `database_url` | the URL of a new database, once per dialect: aiosqlite, asyncpg, asyncmy |
| `driver`, `driver_url` | each of the eight drivers, and the URL of a new database for it |
| `new_database` | a function from a driver (or its name) to the URL of one more new database |

All URLs are text, with the password in it. To run on some drivers only, name them:
`@pytest.mark.parametrize("driver", ["asyncpg", "psycopg2"], indirect=True)`, and likewise for `database_url`.

Environment: `SPLICE_DATABASES=sqlite,postgresql` leaves the others out;
`SPLICE_REQUIRE_DATABASES=sqlite,mariadb` makes the run fail unless a test ran on each of them.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.databases.administration import Administration, administration
from tests.databases.drivers import DRIVERS, REPRESENTATIVES, Driver, Place
from tests.databases.servers import Server, mariadb, mariadb_is_installed, postgresql

DIALECTS = ("sqlite", "postgresql", "mariadb")
PROGRAMS = {"postgresql": postgresql, "mariadb": mariadb}


class Servers:
    """The servers of this run by dialect; each is started when it is first asked for."""

    def __init__(self, running: dict[str, Server]) -> None:
        self.running = running
        self.ends = ExitStack()

    def __getitem__(self, dialect: str) -> Server:
        if dialect not in self.running:
            self.running[dialect] = self.ends.enter_context(PROGRAMS[dialect]())
        return self.running[dialect]

    def start_all(self) -> None:
        """Start what this machine has, side by side."""
        wanted = [dialect for dialect in PROGRAMS if reason_to_skip(dialect) is None]
        with ThreadPoolExecutor() as threads:
            list(threads.map(self.__getitem__, wanted))


SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    known = getattr(config, "workerinput", {}).get("servers", {})
    servers = Servers({dialect: Server(**values) for dialect, values in known.items()})
    config.stash[SERVERS] = servers
    config.add_cleanup(servers.ends.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give an xdist worker the servers that the first of them made the controller start."""
    servers = node.config.stash[SERVERS]
    if not servers.running:
        servers.start_all()
    node.workerinput["servers"] = {dialect: asdict(server) for dialect, server in servers.running.items()}


def reason_to_skip(dialect: str) -> str | None:
    """Why a dialect cannot be tested here; None if it can."""
    if dialect not in os.environ.get("SPLICE_DATABASES", ",".join(DIALECTS)).split(","):
        return f"{dialect} is left out by SPLICE_DATABASES"
    if dialect == "mariadb" and not mariadb_is_installed():
        return "mariadbd is not installed"
    return None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio: SQLAlchemy's async drivers know nothing else."""
    return "asyncio"


@pytest.fixture(scope="session")
def administrations(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Administration]]:
    """One connection per server that creates and drops databases for all tests of a process."""
    opened: dict[str, Administration] = {}
    with ExitStack() as ends:

        def connect(dialect: str) -> Administration:
            if dialect not in opened:
                server = pytestconfig.stash[SERVERS][dialect]
                opened[dialect] = ends.enter_context(administration(server))
            return opened[dialect]

        yield connect


@pytest.fixture
def new_database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    administrations: Callable[[str], Administration],
) -> Iterator[Callable[[Driver | str], str]]:
    """Make a new, empty database for a driver and say its URL; it is dropped after the test."""
    numbers = itertools.count()
    with ExitStack() as ends:

        def make(driver: Driver | str) -> str:
            chosen = DRIVERS[driver] if isinstance(driver, str) else driver
            if reason := reason_to_skip(chosen.dialect):
                pytest.skip(reason)
            url = chosen.url(place(chosen.dialect)).render_as_string(hide_password=False)
            request.node.user_properties.append(("driver", chosen.name))
            return url

        def place(dialect: str) -> Place:
            if dialect == "sqlite":
                return Place(str(tmp_path / f"{next(numbers)}.db"))
            return ends.enter_context(administrations(dialect).database())

        yield make


@pytest.fixture(params=REPRESENTATIVES)
def database_url(request: pytest.FixtureRequest, new_database: Callable[[Driver | str], str]) -> str:
    """The URL of a new, empty database; the test runs once per dialect."""
    return new_database(request.param)


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each driver in turn."""
    return DRIVERS[request.param]


@pytest.fixture
def driver_url(driver: Driver, new_database: Callable[[Driver | str], str]) -> str:
    """The URL of a new, empty database for `driver`; the test runs once per driver."""
    return new_database(driver)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = tested(terminalreporter)
    parts = [describe(dialect, counts, terminalreporter.config) for dialect in DIALECTS]
    terminalreporter.write_line(f"databases tested: {', '.join(parts)}")
    for dialect in missing(counts):
        terminalreporter.write_line(f"required, but not tested: {dialect}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and session.exitstatus == pytest.ExitCode.OK and missing(tested(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def tested(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests ran on each driver."""
    reports = [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]
    called = [report for report in reports if report.when == "call"]
    return Counter(
        value for report in called for value in {v for k, v in report.user_properties if k == "driver"}
    )


def missing(counts: Counter[str]) -> list[str]:
    """The dialects that SPLICE_REQUIRE_DATABASES names and no test ran on."""
    done = {DRIVERS[name].dialect for name in counts}
    required = os.environ.get("SPLICE_REQUIRE_DATABASES", "").split(",")
    return [dialect for dialect in required if dialect and dialect not in done]


def describe(dialect: str, counts: Counter[str], config: pytest.Config) -> str:
    """One dialect of the summary: `postgresql 15.7 (asyncpg 12, psycopg2 3)`."""
    drivers = [
        f"{name} {counts[name]}" for name in DRIVERS if counts[name] and DRIVERS[name].dialect == dialect
    ]
    if not drivers:
        return f"{dialect} not tested"
    return f"{dialect} {version_of(dialect, config)} ({', '.join(drivers)})"


def version_of(dialect: str, config: pytest.Config) -> str:
    if dialect == "sqlite":
        return sqlite3.sqlite_version
    # Cases of `tests/faults` may have made a server of their own instead.
    server = config.stash[SERVERS].running.get(dialect)
    return "of its own" if server is None else server.version
