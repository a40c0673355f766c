"""A run from its start to its end: where databases come from, what is in them, and that nothing is left of them."""

from __future__ import annotations

import re
import socket

import psycopg
import pytest
from sqlalchemy import make_url

SEES_NOTHING = """
def test_writes(client):
    assert client.post("/users", json={"name": "ada"}).status_code == 201
    assert False, "on purpose"

def test_finds_nothing(client):
    assert client.get("/users").json()["items"] == []
"""


def test_a_failing_test_leaves_nothing(project):
    """What a test has written before it failed is undone too."""
    result = project.run_here(a=SEES_NOTHING)

    result.assert_outcomes(passed=1, failed=1)


DELETES = """
import pytest

@pytest.mark.parametrize("commits", [False, pytest.param(True, marks=pytest.mark.real_commits)])
def test_deletes_everything(client, session, commits):
    from main import User

    assert client.get("/users").json()["items"] == []
    session.add(User(name="eve"))
    session.commit()
    assert client.delete("/users/1").status_code == 204
"""


@pytest.mark.parametrize("options", [(), ("--database=sqlite:///app.db",)])
def test_the_file_of_the_application_is_not_touched(project, monkeypatch, options):
    """Neither the Database's own file nor one that is named to test on is opened."""
    file = project.pytester.path / "app.db"
    monkeypatch.setenv("SUITE_URL", f"sqlite:///{file}")
    file.write_bytes(b"not even a database")

    result = project.run_here(*options, a=DELETES)

    result.assert_outcomes(passed=2)
    assert file.read_bytes() == b"not even a database"


def test_a_server_is_left_as_it_was(project, new_database):
    """The database of a URL is not touched, and those beside it are dropped at the end."""
    url = make_url(new_database("asyncpg"))
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE users (id int)")
        connection.execute("INSERT INTO users VALUES (7)")

    result = project.run(f"--database={address}", a=DELETES)

    result.assert_outcomes(passed=2)
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT id FROM users").fetchall() == [(7,)]
        beside = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        assert connection.execute(beside, (f"{url.database}_test_%",)).fetchall() == []


ON_ONE_SERVER = """
import pytest
from pathlib import Path

@pytest.mark.parametrize("number", range(6))
def test_says_its_server(client, database, number, worker_id):
    assert client.post("/users", json={"name": "ada"}).status_code == 201
    Path(f"{number}.said").write_text(f"{database.url.port} {worker_id}")
"""


def test_workers_share_one_embedded_postgresql(project):
    """With pytest-xdist one server is started for all workers, and stopped with the run."""
    result = project.run("-p", "xdist", "-n2", "--dist=each", "--database=postgresql", a=ON_ONE_SERVER)

    result.assert_outcomes(passed=12)
    said = [file.read_text().split() for file in project.pytester.path.glob("*.said")]
    (port,) = {port for port, _ in said}
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)


TWO = """
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase): ...


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)


here, there = Database("sqlite:////nowhere/1.db"), Database("sqlite+pysqlite:////nowhere/2.db")
app = FastAPI()
install(app, here, there)
app.include_router(Resource(Item, here, prefix="/here"))
app.include_router(Resource(Item, there, prefix="/there"))
"""
ON_TWO = """
from main import Item, here, there

def test_each_has_its_rows(client, session_for):
    session_for(here).add(Item(id=1))
    session_for(there).add_all([Item(id=1), Item(id=2)])
    client.post("/here", json={})
    kept = session_for(there)
    kept.add(Item(id=5))
    kept.commit()
    assert [item["id"] for item in client.get("/here").json()["items"]] == [1]
    assert [item["id"] for item in client.get("/there").json()["items"]] == [5]

def test_nothing_is_left(client):
    assert client.get("/here").json()["items"] == client.get("/there").json()["items"] == []
"""


def test_each_database_of_an_application_is_isolated(project):
    """An application on two databases, one by an async driver and one by a sync one, gets two test databases."""
    project.files["main.py"] = TWO

    project.run_here(a=ON_TWO).assert_outcomes(passed=2)


PREPARES = """
import pytest

@pytest.fixture(scope="session")
def prepare_database(prepare_database):
    def prepare(session, db):
        from main import User

        prepare_database(session, db)
        session.add(User(name="root"))

    return prepare
"""
FINDS_ROOT = """
import pytest

@pytest.mark.parametrize("commits", [False, pytest.param(True, marks=pytest.mark.real_commits)])
def test_finds_root(client, commits):
    (root,) = client.get("/users").json()["items"]
    assert client.delete(f"/users/{root['id']}").status_code == 204
"""


def test_rows_can_be_there_for_every_test(project):
    """`prepare_database` is overridden in terms of itself; each test finds its rows, though others delete them."""
    project.conftest += PREPARES

    project.run_here(a=FINDS_ROOT, b=FINDS_ROOT).assert_outcomes(passed=4)


REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None

def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))
    op.create_table("posts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.Integer))
    op.execute("INSERT INTO users (name) VALUES ('root')")
"""


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [("splice_tables = migrate", "bind"), ("", 'bind, migrations="check"')],
    ids=["by the setting", "by the Database"],
)
def test_tables_can_be_made_by_migrations(project, settings, arguments):
    """The setting or the Database says that tables come from migrations, and what these insert is there."""
    project.files["migrations/versions/0001_users.py"] = REVISION
    project.files["main.py"] = project.files["main.py"].replace("Database(bind)", f"Database({arguments})")
    project.settings += settings

    project.run_here(a=FINDS_ROOT).assert_outcomes(passed=2)


MADE_BY_A_FUNCTION = """
import pytest
from fastapi import FastAPI

from splice import Database, Resource, install

@pytest.fixture
def app():
    from main import User

    db = Database("sqlite:////nowhere/app.db")
    made = FastAPI()
    install(made, db)
    made.include_router(Resource(User, db))
    return made
"""


def test_an_application_can_be_made_for_each_test(project):
    """A function that makes applications goes into the fixture `app`, and the tables are made once."""
    project.conftest += MADE_BY_A_FUNCTION
    project.settings = project.settings.replace("splice_app = main:app", "")

    project.run_here(a=DELETES).assert_outcomes(passed=2)


def test_the_settings_of_the_project_name_the_application(project):
    """`[tool.splice]` of pyproject.toml says it for the command line, and so for the tests."""
    project.files["pyproject.toml"] = '[tool.splice]\napp = "main:app"\n'
    project.settings = project.settings.replace("splice_app = main:app", "splice_database = sqlite")

    project.run_here(a=DELETES).assert_outcomes(passed=2)


WITH_STATE = """
import anyio
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from splice import Database, install

@asynccontextmanager
async def lifespan(app):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        yield {"greeting": "hello"}
        tasks.cancel_scope.cancel()

app = FastAPI(lifespan=lifespan)
install(app, Database("sqlite:////nowhere/app.db"))

@app.get("/greeting")
def greet(request: Request) -> str:
    return request.state.greeting
"""
GREETED = """
import pytest

@pytest.fixture(scope="session")
def prepare_database():
    return lambda session, db: None

def test_plain(client):
    assert client.get("/greeting").json() == "hello"

async def test_in_the_loop(async_client):
    assert (await async_client.get("/greeting")).json() == "hello"
"""


def test_the_lifespan_runs_around_a_test(project):
    """Its state reaches the requests of both clients, and its task groups are left as they were entered."""
    project.files["main.py"] = WITH_STATE

    project.run_here(a=GREETED).assert_outcomes(passed=2)


def test_the_kit_is_asked_for(project):
    """Without the line in conftest.py there is neither a fixture nor an option."""
    project.conftest = ""
    project.settings = "[pytest]\n"

    result = project.run_here(a="def test_one(session_for): ...\n")

    result.assert_outcomes(errors=1)
    assert "splice" not in project.pytester.runpytest_subprocess("--fixtures", "-q").stdout.str()


COUNTS = """
def test_it(client, statements):
    with statements.exactly(2):
        client.get("/users")
"""


def test_failures_are_told_without_the_frames_of_the_kit(project):
    """The traceback of a count that is too high ends in the test, with the statements below it."""
    result = project.run_here(a=COUNTS)

    shown = result.stdout.str()
    assert re.search(r"1 statement, not 2\nE +1\. SELECT .* FROM users", shown)
    assert "splice/testing" not in shown
