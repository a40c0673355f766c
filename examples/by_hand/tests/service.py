"""An app of the example, started, and a witness of what it stores."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BY_HAND = Path(__file__).parents[1]
WITNESS_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg2",
    "mariadb": "mariadb+pymysql",
}

Rows = list[tuple[str | None, str | None]]


@dataclass
class Witness:
    """Wraps an app and looks at its table, over a connection of its own, whenever an answer starts."""

    app: ASGIApp
    engine: Engine
    seen_as_answer_started: Rows | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def look_then_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.seen_as_answer_started = self.rows()
            await send(message)

        await self.app(scope, receive, look_then_send)

    def rows(self) -> Rows:
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT name, email FROM users ORDER BY id"))
            return [(row.name, row.email) for row in rows]


@dataclass(frozen=True)
class Service:
    """A started app: `client` calls it, `witness` sees what it stored."""

    client: TestClient
    witness: Witness

    @property
    def rows(self) -> Rows:
        return self.witness.rows()

    def create(self, name: str, email: str) -> int:
        answer = self.client.post("/users/", json={"name": name, "email": email})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def call_each_method(self, path: str) -> list[Response]:
        """The answers of the three routes that address one user."""
        replaced = self.client.put(path, json={"name": "Ada", "email": "ada@example.org"})
        return [self.client.get(path), replaced, self.client.delete(path)]


@contextmanager
def started(name: str, folder: Path, url: str) -> Iterator[Service]:
    """Serve one of the apps in `folder` until the end of the block; what it raises is a 500, as for clients."""
    with imported(name, folder, url) as module:
        witness = Witness(module.app, witness_engine(url))
        with TestClient(witness, raise_server_exceptions=False) as client:
            yield Service(client, witness)


@contextmanager
def imported(name: str, folder: Path, url: str) -> Iterator[ModuleType]:
    """Import an app as `uvicorn` does in its folder, with DATABASE_URL set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.syspath_prepend(folder)
        try:
            yield importlib.import_module(name)
        finally:
            for module in ("models", "schemas", name):
                sys.modules.pop(module, None)


def with_lengths(copy: Path) -> Path:
    """Copy the example with the one change that its start on MariaDB asks for: String(255) for String."""
    shutil.copytree(BY_HAND, copy, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    models = copy / "models.py"
    models.write_text(models.read_text(encoding="utf-8").replace("Column(String", "Column(String(255)"))
    return copy


def witness_engine(url: str) -> Engine:
    address = make_url(url)
    driver = WITNESS_DRIVERS[address.get_backend_name()]
    return create_engine(address.set(drivername=driver), poolclass=NullPool)
