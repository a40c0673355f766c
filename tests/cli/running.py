"""The command as a person runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

__all__ = ["SHOP", "Served", "environment", "make_shop", "serving", "splice"]

COMMAND = Path(sys.executable).with_name("splice")
START_SECONDS = 30

SHOP = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, email VARCHAR(80) UNIQUE, password_hash VARCHAR(80)
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), total NUMERIC(10, 2)
);
CREATE TABLE visits (page TEXT, seconds INTEGER);
CREATE VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE TABLE "Order Details" ("order" INTEGER NOT NULL, line INTEGER NOT NULL, what TEXT, PRIMARY KEY ("order", line));
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.org', 'x'), (2, 'Bob', NULL, NULL);
INSERT INTO orders VALUES (1, 1, 9.99), (2, 1, 5);
INSERT INTO visits VALUES ('/', 3);
"""


def make_shop(path: Path) -> Path:
    """A small database with a bit of everything."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SHOP)
    return path


def environment(**more: str) -> dict[str, str]:
    """The environment of a command, without what this process happens to have."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **more}


def splice(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass
class Served:
    """A command that serves, and a client of it."""

    process: subprocess.Popen[str]
    folder: Path
    log: Path
    temporary: Path
    url: str = ""

    def get(self, path: str) -> Any:
        return httpx2.get(f"{self.url}{path}").json()

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def leftovers(self) -> list[str]:
        """Temporary folders that are there."""
        return [path.name for path in self.temporary.glob("splice-*")]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextlib.contextmanager
def hang_up_heard() -> Iterator[None]:
    """A suite that runs under nohup ignores SIGHUP, and what it starts would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def serving(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run `splice serve …` at a free port until the block ends."""
    temporary = cwd / "temporary"
    temporary.mkdir(exist_ok=True)
    log = cwd / "serve.log"
    with log.open("w", encoding="utf-8") as output, hang_up_heard():
        process = subprocess.Popen(
            [COMMAND, "serve", *arguments, "--port", "0"],
            cwd=cwd,
            env=environment(TMPDIR=str(temporary), PYTHONUNBUFFERED="1", **(env or {})),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    served = Served(process, cwd, log, temporary)
    try:
        served.url = wait_until_up(served)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_up(served: Served) -> str:
    """The address that the command prints, once somebody answers there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and served.process.poll() is None:
        found = re.search(r"http://[\w.:\[\]]+:\d+", served.said)
        if found:
            with contextlib.suppress(httpx2.TransportError):
                httpx2.get(f"{found[0]}/openapi.json")
                return found[0]
        time.sleep(0.05)
    message = f"the service did not start:\n{served.said}"
    raise AssertionError(message)
