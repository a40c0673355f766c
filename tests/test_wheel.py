"""The wheel stands on its own: what a user gets from `pip install splice` serves the file in the README."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.databases.servers import free_port
from tests.docs.blocks import blocks
from tests.docs.runner import ROOT, answers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONSTRAINTS = ["--constraint", ROOT / "constraints.txt"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["--no-deps", "--build-constraint", ROOT / "constraints.txt", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", *build, ROOT], check=True)
    return next(folder.glob("splice-*.whl"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory, wheel) -> Path:
    """The programs of an environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", *CONSTRAINTS, wheel], check=True
    )
    return folder / "bin"


def test_the_wheel_says_that_it_is_typed(wheel):
    """Type checkers read the annotations of an installed splice."""
    assert "splice/py.typed" in ZipFile(wheel).namelist()


def test_the_wheel_holds_the_package_alone(wheel):
    """No tests and no examples are installed."""
    folders = {name.split("/")[0] for name in ZipFile(wheel).namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == {"splice"}


def test_the_file_of_the_readme_runs_from_the_wheel(environment, tmp_path):
    """`uvicorn main:app` serves the README's file with nothing but the wheel installed."""
    program = next(block for block in blocks(ROOT / "README.md") if block.title == "main.py")
    (tmp_path / "main.py").write_text(program.text, encoding="utf-8")
    port = free_port()

    with subprocess.Popen([environment / "uvicorn", "main:app", "--port", str(port)], cwd=tmp_path) as server:
        try:
            assert answers(server, port)
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/docs").status == 200
        finally:
            server.terminate()


def test_a_missing_driver_names_the_command_that_brings_it(environment):
    """Where PostgreSQL's driver is not installed, the error holds the pip command."""
    code = "from splice import Database; Database('postgresql://localhost/app').engine"

    said = subprocess.run(
        [environment / "python", "-c", code], capture_output=True, text=True, check=False
    ).stderr

    assert "pip install" in said


@pytest.fixture(scope="session")
def standard(tmp_path_factory, wheel) -> Path:
    """The programs of an environment that holds the wheel with the command line and migrations."""
    folder = tmp_path_factory.mktemp("standard")
    venv.create(folder, with_pip=True)
    subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", *CONSTRAINTS, f"{wheel}[standard]"],
        check=True,
    )
    return folder / "bin"


@pytest.mark.parametrize("command", [["serve", "main:app"], ["db", "upgrade"], ["--help"]], ids=" ".join)
def test_without_the_command_line_its_command_says_what_brings_it(environment, command):
    """The library alone has no typer."""
    said = subprocess.run([environment / "splice", *command], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout) == (1, "")
    assert 'pip install "splice[standard]"' in said.stderr or 'pip install "splice[cli]"' in said.stderr
    assert "Traceback" not in said.stderr


def test_a_database_is_served_from_the_wheel(standard, tmp_path):
    """The command line needs nothing but the wheel and what it asks for."""
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)")
    connection.close()
    port = free_port()

    with subprocess.Popen(
        [standard / "splice", "serve", "shop.db", "--port", str(port)], cwd=tmp_path
    ) as server:
        try:
            assert answers(server, port)
            assert (
                urllib.request.urlopen(f"http://127.0.0.1:{port}/items").read() == b'{"items":[],"next":null}'
            )
        finally:
            server.terminate()


def test_migrations_run_from_the_wheel(standard, tmp_path):
    """The environment of Alembic is a file of the package, and is installed with it."""
    program = next(block for block in blocks(ROOT / "README.md") if block.title == "main.py")
    text = program.text.replace("create=Base.metadata", 'migrations="check"')
    (tmp_path / "main.py").write_text(text, encoding="utf-8")

    for command in (["init", "--app", "main:app"], ["revision", "-m", "users"], ["upgrade"], ["check"]):
        subprocess.run([standard / "splice", "db", *command], cwd=tmp_path, check=True)

    with sqlite3.connect(tmp_path / "app.db") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
    connection.close()
