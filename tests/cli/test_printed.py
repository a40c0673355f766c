"""`splice serve --print` and `--output`: the program, instead of serving it."""

from __future__ import annotations

import ast
import functools
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.running import COMMAND, environment

if sys.platform != "win32":
    import pty


def test_both_files_are_printed_under_their_names(shop, run):
    """Piped, it is plain text: the models first, then the program; what was left out stands on stderr."""
    said = run("serve", "shop.db", "--print")

    models, main = said.out.removeprefix("# models.py\n").split("\n# main.py\n")
    assert said.code == 0
    assert "class Customer(Base):" in models
    assert "app = FastAPI(" in main
    assert "\x1b" not in said.out
    assert "password_hash looks secret" in said.err
    for text in (models, main):
        ast.parse(text)


def test_models_of_ones_own_need_the_program_alone(shop, run):
    """For models there is one file, which imports them; no tables are made."""
    said = run("serve", "models.py", "--database", "sqlite:///new.db", "--create", "--print")

    assert said.out.startswith('# main.py\n"""A REST API for models.py."""\n')
    assert "from models import Base, Customer, Order\n" in said.out
    assert not (shop / "new.db").exists()


def test_reading_alone_is_written_down(shop, run):
    """--no-write limits the verbs of models, as a bare database has them limited by itself."""
    said = run("serve", "models.py", "-d", "sqlite:///shop.db", "--no-write", "--print")

    assert 'Resource(Customer, db, only={"list", "read"})' in said.out


def test_patterns_choose(shop, run):
    """--include and --exclude name tables, for a database and for models; of models their names fit too."""
    of_database = run("serve", "shop.db", "--include", "CUST*", "--print").out
    of_models = run("serve", "models.py", "-d", "shop.db", "--exclude", "order", "--print").out

    assert served(of_database) == served(of_models) == ["Customer"]


def served(text: str) -> list[str]:
    """The models that a printed program serves."""
    return re.findall(r"Resource\((\w+),", text)


def test_a_module_called_main_is_not_shadowed(shop, run):
    """Models in a file main.py get a program of another name."""
    (shop / "main.py").write_text((shop / "models.py").read_text())

    said = run("serve", "main.py", "-d", "shop.db", "--print")

    assert said.out.startswith("# api.py\n")
    assert "from main import Customer, Order\n" in said.out


def test_a_package_is_served_with_its_modules(shop, run):
    """Models are found in every module of a package, and imported from where they are defined."""
    (shop / "store").mkdir()
    (shop / "store" / "__init__.py").write_text("")
    (shop / "store" / "people.py").write_text((shop / "models.py").read_text())

    for target in ("store", "store/people.py", "store.people"):
        assert (
            "from store.people import Customer, Order\n"
            in run("serve", target, "-d", "shop.db", "--print").out
        )


def test_classes_on_one_table_get_paths_of_their_own(shop, run):
    """A subclass without a table of its own cannot have the path of its parent's."""
    (shop / "models.py").write_text(
        (shop / "models.py").read_text() + "\n\nclass Guest(Customer):\n    pass\n"
    )

    said = run("serve", "models.py", "-d", "shop.db", "--print")

    assert 'app.include_router(Resource(Guest, db, prefix="/Guest"))\n' in said.out


def test_files_are_written_to_a_folder(shop, run):
    """The folder is made, and the path of the database is right from there."""
    said = run("serve", "shop.db", "--output", "api")

    assert said.code == 0
    assert sorted(path.name for path in (shop / "api").iterdir()) == ["main.py", "models.py"]
    assert '"sqlite:///file:../shop.db?mode=ro&uri=true"' in (shop / "api" / "main.py").read_text()
    assert "cd api && splice serve main:app --reload" in said.err


def test_files_that_are_there_are_kept(shop, run):
    """Nothing is replaced unless --force says so."""
    run("serve", "shop.db", "--output", "api")
    (shop / "api" / "main.py").write_text("precious")

    refused = run("serve", "shop.db", "--output", "api")

    assert (refused.code, (shop / "api" / "main.py").read_text()) == (1, "precious")
    assert "--force" in refused.err
    assert run("serve", "shop.db", "--output", "api", "--force").code == 0
    assert (shop / "api" / "main.py").read_text() != "precious"


def test_names_in_the_database_are_text_in_the_program(shop, run):
    """A table can be called what it likes: what is printed compiles, and none of it runs."""
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute('CREATE TABLE "\'; import os # ""x""" (id INTEGER PRIMARY KEY, "a""b\'c" TEXT)')

    said = run("serve", "shop.db", "--print")

    models, main = said.out.split("\n# main.py\n")
    assert said.code == 0
    assert sum(isinstance(node, ast.Import) for node in ast.walk(ast.parse(main))) == 1
    compile(models, "models.py", "exec")


def test_code_is_in_utf_8_whatever_else_is_printed(shop):
    """A terminal of another encoding gets escapes in lists; a file of code has to be what Python reads."""
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute('CREATE TABLE "größe" (id INTEGER PRIMARY KEY)')
    ascii_only = environment(PYTHONIOENCODING="ascii")
    printed, listed = (
        subprocess.run([COMMAND, *words], cwd=shop, env=ascii_only, capture_output=True, check=True).stdout
        for words in (["serve", "shop.db", "--print"], ["routes", "shop.db"])
    )

    assert '__tablename__ = "größe"' in printed.decode()
    assert b"/gr\\xf6\\xdfe" in listed


def test_output_that_nobody_takes_is_no_failure(shop):
    """As by `splice routes shop.db >&-`."""
    closed = subprocess.run(
        ["sh", "-c", '"$0" routes shop.db >&-', str(COMMAND)],
        cwd=shop,
        env=environment(),
        capture_output=True,
        check=False,
    )

    assert (closed.returncode, closed.stderr) == (0, b"")


def test_looking_changes_nothing(shop, run):
    """Reading what is in a file leaves it byte by byte as it was."""
    before = (shop / "shop.db").read_bytes()

    assert run("serve", "shop.db", "--print").code == 0

    assert (shop / "shop.db").read_bytes() == before
    assert not (shop / "shop.db-wal").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_a_terminal_gets_colours_and_progress(shop):
    """What is plain when piped is highlighted for a person, who also sees how far the reading is."""
    said = on_a_terminal(["serve", "shop.db", "--print"], shop)

    assert "\x1b[38" in said
    assert "reading sqlite:///shop.db" in said
    assert "━" in said


def on_a_terminal(arguments: list[str], folder: Path) -> str:
    """What the command writes to a terminal of its own."""
    here, there = pty.openpty()
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        stdin=there,
        stdout=there,
        stderr=there,
        env=os.environ | {"TERM": "xterm-256color"},
    ):
        os.close(there)
        said = b"".join(iter(functools.partial(read_some, here), b""))
    os.close(here)
    return said.decode()


def read_some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so at the end.
        return b""
