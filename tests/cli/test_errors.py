"""What goes wrong is one sentence with the fix, on stderr, and never a traceback or a password."""

from __future__ import annotations

import errno
import importlib
import socket
import sys
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from splice.cli import connections
from splice.unreachable import database_failure
from tests.cli.running import splice

CASES = {
    "no target": (["serve"], 1, "what is to be served? Name an application (main:app)"),
    "no file": (["serve", "shpo.db"], 1, "there is no file shpo.db; did you mean shop.db?"),
    "no folder": (["serve", "nowhere/shop.db"], 1, "nowhere does not exist either"),
    "damaged": (["serve", "damaged.db"], 1, "error: damaged.db cannot be read as an SQLite database"),
    "no file in a URL": (
        ["serve", "sqlite:///shpo.db"],
        1,
        "there is no file shpo.db; did you mean shop.db?",
    ),
    "memory": (["serve", "sqlite://"], 1, "a database in memory is empty"),
    "no database": (["serve", "models.py", "-d", "text.db"], 1, "text.db is not an SQLite database"),
    "text": (["serve", "text.db"], 1, "text.db is not an SQLite database"),
    "no tables": (["serve", "empty.db"], 1, "empty.db has no tables"),
    "all excluded": (["serve", "shop.db", "--exclude", "*"], 1, "a pattern of exclude fits"),
    "no module": (["serve", "modles"], 1, "there is no module modles in"),
    "near module": (["serve", "modles"], 1, "did you mean models?"),
    "no such file": (["serve", "modles.py"], 1, "there is no file modles.py; did you mean models.py?"),
    "no attribute": (["serve", "main:api"], 1, "main has no 'api'; its application is app: main:app"),
    "no application": (
        ["serve", "models:Customer"],
        1,
        "models:Customer is the class Customer, not a FastAPI",
    ),
    "a function": (["serve", "main:hello"], 1, "main:hello is the function hello, not a FastAPI application"),
    "nothing in it": (["serve", "nothing.py"], 1, "has neither a FastAPI application nor a class mapped"),
    "syntax": (["serve", "broken.py"], 1, "broken.py, line 2: invalid syntax"),
    "exception": (["serve", "failing.py"], 1, "failing.py, line 4: ZeroDivisionError: division by zero"),
    "missing package": (["serve", "needy.py"], 1, "needy.py, line 1: No module named 'flying_carpet'"),
    "unset": (
        ["serve", "asking.py"],
        1,
        "asking.py, line 2: the environment variable NO_SUCH_URL is not set",
    ),
    "keyword": (
        ["serve", "class.py"],
        1,
        "class.py cannot be imported, its name is none for a Python module",
    ),
    "no text": (["serve", "odd\udcff.db"], 1, "is not in UTF-8; rename it"),
    "exit": (["serve", "leaving.py"], 1, "ended the program while it was imported"),
    "no --database": (["serve", "models.py"], 1, "models.py has 2 models, but which database has the rows?"),
    "no rows' file": (["serve", "models.py", "-d", "sqlite:///new.db"], 1, "add --create to make it"),
    "own database": (["serve", "main:app", "-d", "shop.db"], 1, "leave --database out"),
    "database twice": (["serve", "shop.db", "-d", "shop.db"], 1, "the target is a database already"),
    "unset variable": (["serve", "$NO_SUCH"], 1, "the environment variable NO_SUCH is not set"),
    "no driver": (["serve", "postgresql+pg8000://h/d"], 1, "run: pip install pg8000"),
    "other database": (["serve", "oracle://h/d"], 1, "splice does not speak 'oracle'"),
    "unreadable URL": (["serve", "postgresql://u:secret@h:port/d"], 1, "the database URL cannot be read"),
    "nobody there": (
        ["serve", "postgresql://u:secret@127.0.0.1:1/d"],
        1,
        "no database answers at 127.0.0.1:1",
    ),
    "nobody there 2": (
        ["serve", "mariadb://u:secret@127.0.0.1:1/d"],
        1,
        "no database answers at 127.0.0.1:1",
    ),
    "unknown host": (
        ["serve", "postgresql://u:secret@host.invalid/d"],
        1,
        "the host 'host.invalid' is not known",
    ),
    "unfit options": (["serve", "main:app", "--write"], 2, "--write is for models and databases"),
    "printed program": (["serve", "main:app", "--print"], 2, "is a program already"),
    "reload": (["serve", "shop.db", "--reload"], 2, "a bare database has none"),
    "reload and workers": (["serve", "main:app", "--reload", "--workers", "2"], 2, "leave --workers out"),
    "wrong port": (["serve", "shop.db", "--port", "x"], 2, "Invalid value for '--port'"),
    "foreign host": (
        ["serve", "shop.db", "--host", "192.0.2.1"],
        1,
        "192.0.2.1 is no address of this machine",
    ),
    "unknown command": (["serv"], 2, "Did you mean 'serve'?"),
    "unknown option": (["serve", "--wirte"], 2, "--wirte"),
    "refused request": (["explain", "main:app", "/customers?nam=x"], 1, "did you mean 'name'?"),
    "no such path": (["explain", "main:app", "/customer"], 1, "did you mean /customers?"),
    "body": (["explain", "main:app", "POST /customers", "--body", "{"], 1, "400 The body cannot be read"),
    "three words": (["explain", "main:app", "a", "b"], 2, "give a target and a request"),
    "plan elsewhere": (["explain", "main:app", "/customers", "--plan", "--dialect", "mysql"], 2, "--dialect"),
}


@pytest.fixture
def odd(shop):
    """The shop, and files that are not what they seem."""
    (shop / "text.db").write_text("This is no database at all.")
    (shop / "empty.db").write_text("")
    (shop / "damaged.db").write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    (shop / "nothing.py").write_text("x = 1\n")
    (shop / "broken.py").write_text("import os\nx = = 1\n")
    (shop / "failing.py").write_text("import os\n\ndef f():\n    return 1 / 0\n\nf()\n")
    (shop / "needy.py").write_text("import flying_carpet\n")
    (shop / "asking.py").write_text('import os\nurl = os.environ["NO_SUCH_URL"]\n')
    (shop / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    (shop / "class.py").write_text("x = 1\n")
    (shop / "odd\udcff.db").write_text("")
    return shop


@pytest.mark.parametrize(("arguments", "code", "sentence"), CASES.values(), ids=CASES)
def test_an_error_is_one_sentence(odd, run, arguments, code, sentence):
    """It begins with `error:`, holds what to do, and is all that is said."""
    said = run(*arguments)

    assert said.code == code
    assert sentence in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert "secret" not in said.err + said.out
    assert said.out == ""


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_a_server_that_says_nothing_is_not_waited_for(shop, run, monkeypatch, scheme):
    """Something else may listen at that port."""
    monkeypatch.setattr(connections, "_CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"

        said = run("serve", f"{scheme}://u:secret@{place}/d")

    assert said.code == 1
    assert said.err.startswith(f"error: no database answers at {place}")


def test_a_file_that_may_not_be_read_is_said(shop, run, monkeypatch):
    """The file is there; its rights are wrong."""

    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    assert "shop.db cannot be read: Permission denied; check its rights" in run("serve", "shop.db").err


def test_a_port_in_use_is_said(shop, run):
    """Another port to try is named, and nothing is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = run("serve", "shop.db", "--port", str(port))

    assert said.code == 1
    assert f"error: port {port} of 127.0.0.1 is in use" in said.err
    assert f"--port {port + 1}\n" in said.err


def test_debug_shows_the_traceback(odd, run):
    """--debug may stand anywhere, and shows what the sentence leaves out."""
    assert "Traceback (most recent call last)" in run("serve", "failing.py", "--debug").err
    assert "Traceback (most recent call last)" in run("--debug", "serve", "failing.py").err


def test_debug_can_be_in_the_environment(odd, run, monkeypatch):
    """SPLICE_DEBUG=1 is the same; 0 is not."""
    monkeypatch.setenv("SPLICE_DEBUG", "1")
    assert "Traceback" in run("serve", "failing.py").err

    monkeypatch.setenv("SPLICE_DEBUG", "0")
    assert "Traceback" not in run("serve", "failing.py").err


def test_a_missing_table_is_named(shop, run):
    """Tables are never made without being asked for."""
    models = shop / "models.py"
    models.write_text(models.read_text().replace('__tablename__ = "orders"', '__tablename__ = "invoices"'))

    said = run("serve", "models.py", "--database", "shop.db")

    assert said.code == 1
    assert "the database has no table invoices, which models maps; add --create" in said.err


def test_a_model_that_cannot_be_served_can_be_left_out(shop, run):
    """What stops a Resource stops here too, and names the option that goes on without it."""
    models = shop / "models.py"
    models.write_text(
        models.read_text().replace("Mapped[str | None] = mapped_column(String(80))", "Mapped[str]")
    )

    said = run("serve", "models.py", "--database", "shop.db")

    assert said.code == 1
    assert "password_hash is required but clients may not write it" in said.err
    assert "--exclude Customer" in said.err


def test_a_broken_pyproject_is_named(shop, run):
    """The file that cannot be read is said."""
    (shop / "pyproject.toml").write_text("[tool.splice\n")

    said = run("serve")

    assert said.code == 1
    assert "pyproject.toml" in said.err


def test_models_that_do_not_fit_together_are_said(shop, run):
    """What SQLAlchemy finds wrong with relationships is one sentence too."""
    models = shop / "models.py"
    models.write_text(models.read_text().replace('back_populates="orders"', 'back_populates="invoices"'))

    said = run("serve", "models.py", "--database", "shop.db")

    assert said.code == 1
    assert "the models do not fit together, says SQLAlchemy: Mapper" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg-async", "asyncmy"], indirect=True)
def test_a_database_that_is_not_there_is_named(database_url, run):
    """The server answers, but has no such database."""
    url = sa.engine.make_url(database_url).set(database="nowhere").render_as_string(hide_password=False)

    assert "there is no database 'nowhere' at 127.0.0.1" in run("serve", url, "--print").err


@pytest.mark.parametrize("database_url", ["asyncmy"], indirect=True)
def test_a_wrong_password_is_not_repeated(database_url, run):
    """The user is named, the password is not."""
    url = sa.engine.make_url(database_url).set(password="hunter2").render_as_string(hide_password=False)

    said = run("serve", url, "--print")

    assert "does not let user 'splice' in" in said.err
    assert "hunter2" not in said.err


def test_a_wrong_password_is_told_by_its_code():
    """PostgreSQL's drivers bear the SQLSTATE of a refused password."""
    error = asyncpg.exceptions.InvalidPasswordError("password authentication failed")

    failure = database_failure(error, sa.engine.make_url("postgresql://ada:hunter2@h:5432/shop"))

    assert (
        str(failure)
        == "the database at h:5432 does not let user 'ada' in; check name and password in the URL"
    )


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_package_names_the_extra(monkeypatch, capsys, package):
    """Without what the command line needs, the one sentence is how to get it."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
    )

    assert sys.modules["splice.cli"].main(["--version"]) == 1
    assert capsys.readouterr().err == (
        f'error: the command splice needs {package}; run: pip install "splice[cli]"\n'
    )


def test_migrations_name_their_extra_too(shop):
    """Where only the migrations' packages are missing, everything else works."""
    (shop / "tomlkit.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tomlkit'\", name='tomlkit')"
    )
    without = {"PYTHONPATH": str(shop)}

    refused = splice("db", "upgrade", "-x", cwd=shop, env=without)

    assert refused.returncode == 1
    assert refused.stderr == 'error: splice db needs tomlkit; run: pip install "splice[migrations]"\n'


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
def test_a_parameter_that_the_driver_does_not_know_is_named(database_url, run):
    """One that another driver would take, for instance."""
    said = run("serve", f"{database_url}?search_path=sales", "--print")

    assert said.code == 1
    assert "the driver asyncpg knows no parameter 'search_path'" in said.err
