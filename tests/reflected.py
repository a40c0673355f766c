"""A database served from the models that were made of it, for tests."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.pool import NullPool

from splice import Database, Resource, install
from splice.reflection import Model, Reflection, reflect
from splice.sources import models_source

__all__ = ["Served", "connected", "imported", "pages", "reflected", "served", "sync_url"]

NUMBERS = itertools.count()


def sync_url(url: str) -> str:
    """The same database for a driver that needs no event loop."""
    for name, plain in (("+aiosqlite", ""), ("+asyncpg", "+psycopg"), ("+asyncmy", "+pymysql")):
        url = url.replace(name, plain)
    return url


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(sync_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def reflected(url: str, **options: Any) -> Reflection:
    """What a database holds."""
    with connected(url) as connection:
        return reflect(connection, **options)


def imported(source: str, folder: Path) -> ModuleType:
    """The module that a text makes, with its mappers configured."""
    name = f"models_{next(NUMBERS)}"
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    # Not those of every registry: other tests make models that do not fit together, on purpose.
    module.Base.registry.configure()
    return module


@dataclass(frozen=True)
class Served:
    """A database behind HTTP."""

    reflection: Reflection
    module: ModuleType
    client: TestClient

    def model(self, table: str) -> Model:
        return next(model for model in self.reflection.models if model.table == table)


@contextmanager
def served(url: str, folder: Path, *, write: bool = False, **options: Any) -> Iterator[Served]:
    """Serve a database from the text of its models until the end of the block."""
    reflection = reflected(url, **options)
    module = imported(models_source(reflection, "a database"), folder)
    db = Database(url)
    app = FastAPI()
    install(app, db)
    for model in reflection.models:
        verbs = model.writes if write else model.reads
        app.include_router(Resource(getattr(module, model.name), db, only=verbs, prefix=model.path))
    with TestClient(app) as client:
        yield Served(reflection, module, client)


def pages(client: TestClient, path: str) -> Iterator[dict[str, Any]]:
    """Every row of a list, page by page."""
    for offset in itertools.count(step=1000):
        answer = client.get(path, params={"limit": 1000, "offset": offset})
        assert answer.status_code == 200, answer.text
        items: Sequence[dict[str, Any]] = answer.json()["items"]
        yield from items
        if len(items) < 1000:
            return
