"""schemathesis, as a user runs it against `make run`: every phase, every check, its defaults, nothing found.

Its configuration stands beside the example, where each exception has its reason.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/users"
CONFIGURATION = ("schemathesis.toml", "schemathesis_hooks.py")
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("driver_name", ["aiosqlite"])
def test_a_short_run_finds_nothing(
    driver_name: str, new_database: Callable[[str], str], unused_port: int, tmp_path: Path
):
    """A few hundred requests, the same every time; the long runs go on with the other databases."""
    with serving(new_database(driver_name), unused_port, tmp_path) as address:
        finished = run(address, tmp_path, "--max-examples=10", "--seed=1")

    assert_clean(finished)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("driver_name", ["aiosqlite", "asyncpg", "asyncmy"])
def test_a_long_run_finds_nothing(
    driver_name: str, new_database: Callable[[str], str], unused_port: int, tmp_path: Path
):
    """Thousands of requests, others every time; the output names the seed."""
    with serving(new_database(driver_name), unused_port, tmp_path) as address:
        finished = run(address, tmp_path, "--max-examples=300")

    assert_clean(finished)


def assert_clean(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 0, finished.stdout
    assert re.findall(r"✅ (\w+)$", finished.stdout, re.MULTILINE) == list(PHASES), finished.stdout


def run(address: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it in a folder with the configuration of the example, and leave there what it writes."""
    for name in CONFIGURATION:
        shutil.copy(EXAMPLE / name, folder)
    command = [sys.executable, "-m", "schemathesis.cli", "run", "--no-color"]
    return subprocess.run(
        [*command, f"{address}/openapi.json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@contextlib.contextmanager
def serving(database_url: str, port: int, folder: Path) -> Iterator[str]:
    """Serve examples/users, with its people, from a process of its own; whatever it logs as an error fails the test."""
    environment = os.environ | {"DATABASE_URL": database_url, "PORT": str(port)}
    log = folder / "server.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "examples.users"]
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield ready(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(30)
    assert "Traceback" not in log.read_text(), log.read_text()


def ready(address: str) -> str:
    """The address, once the service behind it can answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/ready", timeout=5)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return address


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
