"""What a project says about its migrations: `[tool.splice]` in pyproject.toml, files of Alembic's, DATABASE_URL.

Nothing here needs Alembic, and nothing of the project is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from splice.errors import SetupError

__all__ = ["DATABASE_URL", "Bind", "Settings", "bind_of", "find_settings", "load", "metadata_of"]

DATABASE_URL: Final = "DATABASE_URL"

_FOLDER: Final = "migrations"

Bind: TypeAlias = "str | Engine | AsyncEngine"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a project keeps its migrations, and where its models and its database are.

    `app`, `database` and `metadata` are references as `module:attribute`; `database` may be a URL. `ini` and `toml` are
    files of an Alembic project, if it is one. A database that is `chosen` was named on the command line.
    """

    root: Path
    folder: Path
    app: str | None = None
    database: str | None = field(default=None, repr=False)
    metadata: tuple[str, ...] = ()
    ini: Path | None = None
    toml: Path | None = None
    chosen: bool = False

    @property
    def is_alembic(self) -> bool:
        """Whether the project has settings of Alembic's own."""
        return self.ini is not None or self.toml is not None


def find_settings(
    start: Path | None = None,
    *,
    app: str | None = None,
    database: str | None = None,
    metadata: Sequence[str] = (),
    folder: str | None = None,
) -> Settings:
    """Read the settings of the project that a folder is in; what is given here wins over the file.

    The first folder from `start` upwards counts whose pyproject.toml has `[tool.splice]` or `[tool.alembic]`, or which
    has an alembic.ini; where there is none, `start` itself does, with the defaults.

    Raises:
        SetupError: The file cannot be read, or has an entry that is not known or of the wrong kind.
    """
    here = (start or Path.cwd()).absolute()
    root = next((place for place in (here, *here.parents) if _is_project(place)), here)
    said = _section(root, "splice")
    _check_section(said)
    named = tuple(metadata) or _texts(said.get("metadata"))
    return Settings(
        root=root,
        folder=root / (folder or said.get("migrations", _FOLDER)),
        app=app or said.get("app"),
        database=database or said.get("database"),
        metadata=named,
        ini=_existing(root / "alembic.ini"),
        toml=root / "pyproject.toml" if _section(root, "alembic") else None,
        chosen=database is not None,
    )


def bind_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Bind | None:
    """The database to work on: of the command line, of `DATABASE_URL`, of the settings; None where nobody says.

    Raises:
        SetupError: What the settings refer to is not there, or no database.
    """
    if not settings.chosen and environ.get(DATABASE_URL):
        return environ[DATABASE_URL]
    if settings.database is not None:
        said = _expanded(settings.database, environ)
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


def load(root: Path, reference: str) -> Any:
    """Import what `module:attribute` refers to, from the project's folder too.

    Raises:
        SetupError: The module cannot be imported, or has no such attribute.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise SetupError(f"{reference!r} is no reference; write it as module:attribute, such as models:Base")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SetupError(f"{module_name} has no {attribute!r}; correct {reference!r}")
        found = getattr(found, part)
    return found


def _is_project(folder: Path) -> bool:
    return (
        (folder / "alembic.ini").is_file()
        or bool(_section(folder, "splice"))
        or bool(_section(folder, "alembic"))
    )


def _section(folder: Path, name: str) -> dict[str, Any]:
    file = folder / "pyproject.toml"
    if not file.is_file():
        return {}
    try:
        tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{file} cannot be read: {error}") from None
    section = tools.get(name, {}) if isinstance(tools, dict) else {}
    return section if isinstance(section, dict) else {}


_ENTRIES: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"app": (str,), "database": (str,), "metadata": (str, list), "migrations": (str,)}
)


def _check_section(said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if name in _ENTRIES and not isinstance(value, _ENTRIES[name]):
            raise SetupError(f"[tool.splice] {name} in pyproject.toml is to be a text, not {value!r}")


def _texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(map(str, value))


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise SetupError(
                f"there is no module {name}; correct the reference, or run the command in the project's folder"
            ) from None
        raise SetupError(f"{name} cannot be imported: {error}") from error
    except SetupError:
        raise
    except Exception as error:
        raise SetupError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _engine(settings: Settings, reference: str) -> Bind:
    found = load(settings.root, reference)
    if isinstance(found, str | Engine | AsyncEngine):
        return found
    for database in (*_installed(found), found):
        engine = getattr(database, "engine", None)
        if isinstance(engine, Engine | AsyncEngine):
            return engine
    raise SetupError(
        f"{reference} leads to no database; give the URL in {DATABASE_URL}, or refer to the Database: "
        'database = "main:db" under [tool.splice] in pyproject.toml'
    )


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """`$NAME` is the variable of the environment: so that no password stands in the list of processes."""
    if not text.startswith("$"):
        return text
    name = text[1:].strip("{}")
    if not environ.get(name):
        raise SetupError(f"the environment variable {name} is not set; export it, or write the URL itself")
    return environ[name]


def _installed(app: Any) -> Sequence[Any]:
    """The databases of an application with `install`; read by name, since applications lie far above."""
    return tuple(getattr(getattr(getattr(app, "state", None), "splice", None), "databases", ()))


def _metadata(reference: str, found: Any) -> sa.MetaData:
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
    databases = [database for found in objects for database in (*_installed(found), found)]
    seen: set[int] = set()
    for database in databases:
        for description in dict(getattr(database, "tables", {})).values():
            metadata = description.model.metadata
            if id(metadata) not in seen:
                seen.add(id(metadata))
                yield metadata
