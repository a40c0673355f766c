"""The wheel stands on its own: what a user gets from `pip install splice` serves the file in the README."""

from __future__ import annotations

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
