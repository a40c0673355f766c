"""`splice serve`, with real processes, files and requests."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from splice import Database
from splice.cli import screen
from splice.cli.serving import Address
from tests.cli.running import COMMAND, serving, splice
from tests.databases.servers import free_port


def test_a_file_is_served_read_only(shop):
    """A bare SQLite file is an API at once, whose rows cannot be changed; the person is told what there is."""
    before = dump(shop / "shop.db")
    with serving("shop.db", cwd=shop) as served:
        assert [row["name"] for row in served.get("/customers")["items"]] == ["Ada", "Bob"]
        assert served.get("/Order Details?limit=1") == {"items": [], "next": None}
        assert served.get("/totals")["items"] == [{"customer_id": 1, "total": 14.99}]
        assert httpx2.post(f"{served.url}/customers", json={"name": "Eve"}).status_code == 405
        assert httpx2.get(f"{served.url}/totals/1").status_code == 404

        assert "password_hash" not in served.get("/customers/1")
        assert served.end() == 0
    assert served.leftovers == []
    assert dump(shop / "shop.db") == before
    for words in (
        "5 tables",
        "read only",
        f"{served.url}/docs",
        "curl '",
        "password_hash looks secret",
        "a view",
    ):
        assert words in served.said


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_many_tables_are_served(tmp_path):
    """Beyond the number of routers that FastAPI can nest."""
    with closing(sqlite3.connect(tmp_path / "many.db")) as connection:
        for number in range(500):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, password_hash TEXT)")

    with serving("many.db", cwd=tmp_path) as served:
        assert served.get("/t499") == {"items": [], "next": None}
        assert served.get("/t0/1")["status"] == 404
        assert "500 tables" in served.said


def test_who_may_be_reached_by_others_says_so(capsys):
    """Whoever opens a service without authentication to a network should know."""
    screen.announce(FastAPI(), Address("0.0.0.0", 8000), "shop.db", None)
    opened = capsys.readouterr().out
    screen.announce(FastAPI(), Address("127.0.0.1", 8000), "shop.db", None)

    assert "Open to the network" in opened
    assert "Open to the network" not in capsys.readouterr().out


def test_writing_has_to_be_asked_for(shop):
    """With --write rows are made, changed and deleted; where there is no key they are not."""
    with serving("shop.db", "--write", "--exclude", "orders", cwd=shop) as served:
        made = httpx2.post(f"{served.url}/customers", json={"name": "Eve"})
        assert made.status_code == 201
        assert httpx2.delete(f"{served.url}{made.headers['location']}").status_code == 204
        assert httpx2.post(f"{served.url}/visits", json={"page": "/"}).status_code == 405
        assert httpx2.get(f"{served.url}/orders").status_code == 404


def test_models_are_served_with_their_tables(shop):
    """Models and a database that is not there yet: --create makes it, and everything can be written."""
    with serving("models.py", "--database", "sqlite:///new.db", "--create", cwd=shop) as served:
        assert httpx2.post(f"{served.url}/customers", json={"name": "Ada"}).status_code == 201
        assert served.get("/customers")["items"] == [{"id": 1, "name": "Ada"}]
    assert "reading and writing" in served.said
    assert (shop / "new.db").exists()


def test_an_application_is_served_as_it_is(shop):
    """`main:app`, with its own routes and database, its middleware made once; Ctrl-C ends it."""
    with (shop / "main.py").open("a", encoding="utf-8") as program:
        program.write(MIDDLEWARE)
    with serving("main:app", cwd=shop) as served:
        assert served.get("/hello") == "hello"
        assert served.get("/openapi.json")["info"]["title"] == "mine"

        assert served.end(signal.SIGINT) == 0
    assert "main:app · 1 table" in served.said
    assert served.said.count("middleware made") == 1


MIDDLEWARE = """

class Made:
    def __init__(self, app):
        print("middleware made")
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


app.add_middleware(Made)
"""


def test_a_change_of_the_models_starts_it_again(shop):
    """With --reload the folder of the models is watched."""
    with serving("models.py", "-d", "sqlite:///new.db", "--create", "--reload", cwd=shop) as served:
        assert (
            "email" not in served.get("/openapi.json")["components"]["schemas"]["CustomerRead"]["properties"]
        )
        models = shop / "models.py"
        added = "    email: Mapped[str | None] = mapped_column(String(9))\n    orders:"
        time.sleep(1)  # The watcher compares times of files.
        models.write_text(models.read_text().replace("    orders:", added))

        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                schemas = served.get("/openapi.json")["components"]["schemas"]
            except httpx2.TransportError:
                schemas = {}
            if "email" in schemas.get("CustomerRead", {}).get("properties", {}):
                break
            time.sleep(0.2)
        else:
            pytest.fail(served.said)

        assert served.end() == 0
    assert served.leftovers == []


def test_a_closed_terminal_ends_it(shop):
    """As SIGTERM does: nothing is left behind."""
    with serving("shop.db", cwd=shop) as served:
        assert served.end(signal.SIGHUP) == 0

    assert served.leftovers == []


def test_what_is_printed_is_what_is_served(shop, run):
    """The program of --output says the same in its OpenAPI document as the service, and runs by itself."""
    assert run("serve", "shop.db", "--output", "api").code == 0
    with serving("shop.db", cwd=shop) as served:
        expected = served.get("/openapi.json")

    with serving("main:app", cwd=shop / "api") as served:
        assert served.get("/openapi.json") == expected
        assert len(served.get("/customers")["items"]) == 2


def test_the_program_of_models_is_written_beside_them(shop, run):
    """It imports them, so elsewhere it could not start; there it says the same as the service."""
    elsewhere = run("serve", "models.py", "--database", "sqlite:///shop.db", "--output", "api")
    written = run("serve", "models.py", "--database", "sqlite:///shop.db", "--output", ".", "--force")

    assert (elsewhere.code, written.code) == (1, 0)
    assert "--output ." in elsewhere.err
    with serving("models.py", "--database", "sqlite:///shop.db", cwd=shop) as served:
        expected = served.get("/openapi.json")
    with serving("main:app", cwd=shop) as served:
        assert served.get("/openapi.json") == expected


def test_an_application_that_cannot_start_says_why(shop):
    """What stops the start of a user's own application is one sentence too, though uvicorn has a traceback."""
    (shop / "failing.py").write_text(failing("SetupError('the cellar is empty; fill it')"))

    done = splice("serve", "failing:app", "--port", str(free_port()), cwd=shop)

    assert done.returncode == 1
    assert "ERROR:    the cellar is empty; fill it\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_stops_the_start_is_named_even_if_more_is_said_of_it(shop):
    """SQLAlchemy adds the statement and a link to its errors; the traceback is there for those who ask."""
    (shop / "failing.py").write_text(failing("OperationalError('SELECT 1', {}, Exception('no such table'))"))
    command = ["serve", "failing:app", "--port", str(free_port())]

    done, debugged = splice(*command, cwd=shop), splice(*command, "--debug", cwd=shop)

    assert "ERROR:    sqlalchemy.exc.OperationalError: (builtins.Exception) no such table\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in debugged.stderr


def failing(error: str) -> str:
    """An application whose start raises."""
    return (
        "from contextlib import asynccontextmanager\n"
        "from fastapi import FastAPI\n"
        "from sqlalchemy.exc import OperationalError\n"
        "from splice.errors import SetupError\n\n"
        "@asynccontextmanager\n"
        "async def lifespan(app):\n"
        f"    raise {error}\n"
        "    yield\n\n"
        "app = FastAPI(lifespan=lifespan)\n"
    )


def test_the_module_is_the_command(shop):
    """`python -m splice` does the same."""
    python = COMMAND.with_name("python")

    done = subprocess.run(
        [python, "-m", "splice", "--version"], cwd=shop, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("splice ")


@pytest.mark.parametrize(
    ("database_url", "workers"), [("asyncpg", "2"), ("asyncmy", "1")], indirect=["database_url"]
)
def test_a_server_is_served(database_url, workers, tmp_path):
    """PostgreSQL, by two processes, and MariaDB; the password is in no argument, file or word that is printed."""
    asyncio.run(make_guests(database_url))
    password = sa.engine.make_url(database_url).password

    with serving(database_url, "--workers", workers, "--write", cwd=tmp_path) as served:
        assert httpx2.post(f"{served.url}/guests", json={"name": "Ada"}).status_code == 201
        assert [row["name"] for row in served.get("/guests")["items"]] == ["Ada"]
        written = "".join(path.read_text() for path in served.temporary.glob("splice-*/*.py"))
        pids = family(served.process.pid)
        arguments = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in pids]

        assert served.end() == 0
    assert served.leftovers == []
    assert served.said.count("Application startup complete") == int(workers)

    assert 'os.environ["DATABASE_URL"]' in written
    assert len(pids) > int(workers) - 1
    for text in (written, served.said, *arguments):
        assert f":{password}@" not in text


async def make_guests(url: str) -> None:
    db = Database(url)
    async with db.begin() as session:
        key = "SERIAL" if db.dialect == "postgresql" else "INTEGER AUTO_INCREMENT"
        await session.execute(
            sa.text(f"CREATE TABLE guests (id {key} PRIMARY KEY, name VARCHAR(20) NOT NULL)")
        )
    await db.close()


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]
