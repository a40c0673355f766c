"""A running application, with the tables that it serves and a way of one's own to its database."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from splice import Resource
from tests.databases.drivers import DRIVERS

__all__ = ["Served", "environment", "load", "serve", "witness"]

WITNESSES = {"sqlite": "sqlite3", "postgresql": "psycopg-sync", "mariadb": "pymysql"}


@dataclass(frozen=True)
class Served:
    """A running application; `resources` are keyed by the name of their table in the database."""

    client: TestClient
    resources: Mapping[str, Resource[Any]]
    engine: sa.Engine

    def path(self, table: str, *key: Any) -> str:
        """Where a table or one of its rows is."""
        return "/".join([self.resources[table].prefix, *(quote(str(part), safe="") for part in key)])

    def names(self, table: str) -> dict[str, str]:
        """What the columns of a table are called in JSON, as far as the model has them."""
        attributes = sa.inspect(self.resources[table].model).column_attrs
        return {column.name: attribute.key for attribute in attributes for column in attribute.columns}

    def methods(self, table: str, *key: Any) -> set[str]:
        """The methods that a path says it takes; none, where there is no such path."""
        answer = self.client.options(self.path(table, *key))
        return set() if answer.status_code == 404 else set(answer.headers["allow"].split(", "))


@contextlib.contextmanager
def serve(app: FastAPI, url: str) -> Iterator[Served]:
    """Run an application that works on the database at a URL."""
    engine = witness(url)
    with TestClient(app) as client:
        yield Served(client, {one.model.__table__.name: one for one in resources(app.routes)}, engine)
    engine.dispose()


def witness(url: str) -> sa.Engine:
    """An engine of SQLAlchemy's own, without the settings of splice."""
    given = sa.make_url(url)
    name = "mariadb" if given.get_backend_name() == "mysql" else given.get_backend_name()
    return sa.create_engine(given.set(drivername=DRIVERS[WITNESSES[name]].drivername))


def resources(routes: Iterable[BaseRoute]) -> Iterator[Resource[Any]]:
    """The resources that an application has included, however deep."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if isinstance(router, Resource):
            yield router
        elif router is not None:
            yield from resources(router.routes)


def load(folder: Path, url: str) -> FastAPI:
    """Import `main:app` from a folder, and leave no module of it behind."""
    modules = [path.stem for path in folder.glob("*.py")]
    with environment(url):
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            app: FastAPI = importlib.import_module("main").app
        finally:
            sys.path.remove(str(folder))
            for name in modules:
                sys.modules.pop(name, None)
    return app


@contextlib.contextmanager
def environment(url: str) -> Iterator[None]:
    """The environment of a service: where its database is."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    try:
        yield
    finally:
        del os.environ["DATABASE_URL"]
        if before is not None:
            os.environ["DATABASE_URL"] = before
