"""examples/users starts on whatever `DATABASE_URL` names: any driver, or none named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.docs.runner import ROOT

SERVE = """
import asyncio
from fastapi.testclient import TestClient
from examples.users.__main__ import app, prepare
asyncio.run(prepare())
with TestClient(app) as client:
    made = client.post("/users", json={"name": "Ada", "email": "ada@example.net"})
    taken = client.post("/users", json={"name": "Eve", "email": "ada@example.net"})
    page = client.get("/users", params={"email": "ada@example.net", "count": "exact"}).json()
    print(made.status_code, taken.status_code, taken.json()["errors"][0]["pointer"], page["total"])
"""


def served(url: str) -> str:
    """What a process with this `DATABASE_URL` answers."""
    environment = os.environ | {"DATABASE_URL": url}
    command = [sys.executable, "-W", "error", "-c", SERVE]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_flagship_runs_on_every_driver(driver_url: str):
    """Tables, people and requests, whichever driver the URL names."""
    assert served(driver_url) == "201 409 /email 1"


@pytest.mark.parametrize(
    ("scheme", "driver"),
    [
        ("sqlite", "aiosqlite"),
        ("postgresql", "asyncpg"),
        ("postgres", "asyncpg"),
        ("mariadb", "asyncmy"),
        ("mysql", "asyncmy"),
    ],
)
def test_the_flagship_chooses_a_driver(new_database: Callable[[str], str], scheme: str, driver: str):
    """A URL without a driver gets the one that is installed."""
    _, _, place = new_database(driver).partition("://")

    assert served(f"{scheme}://{place}") == "201 409 /email 1"


def test_a_missing_driver_is_named_with_the_command_that_brings_it():
    """A plain installation meets a PostgreSQL URL: the message is the fix."""
    hide = "import sys; sys.modules['asyncpg'] = sys.modules['psycopg'] = None\n"
    program = f"{hide}from splice import Database; Database(sys.argv[1])"
    command = [sys.executable, "-c", program, "postgresql://u:hunter2@h/d"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert "pip install asyncpg" in done.stderr
    assert "hunter2" not in done.stderr
