"""What the settings of a project refer to, its modules imported: its database, and the tables of its models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from splice.errors import SetupError
from splice.loading import databases_of, load
from splice.settings import DATABASE_URL, Settings, expanded

__all__ = ["Bind", "bind_of", "metadata_of"]

Bind: TypeAlias = "str | Engine | AsyncEngine"


def bind_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Bind | None:
    """The database to work on: of the command line, of `DATABASE_URL`, of the settings; None where nobody says.

    Raises:
        SetupError: What the settings refer to is not there, or no database.
    """
    if not settings.chosen and environ.get(DATABASE_URL):
        return environ[DATABASE_URL]
    if settings.database is not None:
        said = expanded(settings.database, environ)
        return said if "://" in said else _engine(settings, said)
    return None if settings.app is None else _engine(settings, settings.app)


def metadata_of(settings: Settings) -> tuple[sa.MetaData, ...]:
    """The tables of the project's models.

    Raises:
        SetupError: No setting leads to them, or what is referred to is not there or has none.
    """
    if settings.metadata:
        return tuple(_metadata(reference, load(settings.root, reference)) for reference in settings.metadata)
    found = [*_metadata_of_database(settings)]
    if found:
        return tuple(found)
    raise SetupError(
        'no models were found; say where they are, under [tool.splice] in pyproject.toml: metadata = "models:Base"'
    )


def _engine(settings: Settings, reference: str) -> Bind:
    found = load(settings.root, reference)
    if isinstance(found, str | Engine | AsyncEngine):
        return found
    for database in (*databases_of(found), found):
        engine = getattr(database, "engine", None)
        if isinstance(engine, Engine | AsyncEngine):
            return engine
    raise SetupError(
        f"{reference} leads to no database; give the URL in {DATABASE_URL}, or refer to the Database: "
        'database = "main:db" under [tool.splice] in pyproject.toml'
    )


def _metadata(reference: str, found: object) -> sa.MetaData:
    tables = found if isinstance(found, sa.MetaData) else getattr(found, "metadata", None)
    if not isinstance(tables, sa.MetaData):
        raise SetupError(
            f"{reference} is neither a MetaData nor a base of models; refer to the class that your models inherit from"
        )
    return tables


def _metadata_of_database(settings: Settings) -> Iterator[sa.MetaData]:
    """The tables behind the Resources on the databases that the settings refer to, each metadata once."""
    references = [text for text in (settings.app, settings.database) if text and "://" not in text]
    objects = [load(settings.root, reference) for reference in references]
    databases = [database for found in objects for database in (*databases_of(found), found)]
    seen: set[int] = set()
    for database in databases:
        for description in dict(getattr(database, "tables", {})).values():
            metadata = description.model.metadata
            if id(metadata) not in seen:
                seen.add(id(metadata))
                yield metadata
