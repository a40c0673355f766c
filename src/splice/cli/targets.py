"""What a person names on the command line: an application, models, or a database."""

from __future__ import annotations

import keyword
import os
import re
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from splice import engines
from splice.cli.loading import application_of, mapped_classes
from splice.engines import is_in_memory, read_url
from splice.errors import SetupError
from splice.loading import import_from
from splice.settings import DATABASE_URL, Settings, expanded

__all__ = [
    "Application",
    "DatabaseTarget",
    "Models",
    "Target",
    "has_password",
    "hidden_arguments",
    "read_target",
    "resolve_url",
    "shown",
]

_MODULE: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SUFFIXES: Final = frozenset({".db", ".db3", ".sqlite", ".sqlite3", ".s3db"})
_HEADER: Final = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Application:
    """An object of a module that serves already; `folder` is where the module is imported from."""

    module: str
    attribute: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Models:
    """A module or package with mapped classes, and the database that has their tables."""

    module: str
    folder: Path
    url: str


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """A database alone."""

    url: str


Target: TypeAlias = Application | Models | DatabaseTarget


def read_target(text: str | None, database: str | None, project: Settings) -> Target:
    """Tell what is meant; user code is imported where only that can tell.

    Without a text it is the project's application, else the database of the environment. `database` is `--database`,
    and what begins with `$` names a variable of the environment.

    Raises:
        SetupError: There is no such thing; the message says what would be one.
    """
    if text is None:
        return _unnamed(database, project)
    text = expanded(text)
    if "://" in text:
        return _database(text, database)
    path = Path(text)
    if path.is_file() and path.suffix != ".py":
        return _database(_url_of_file(path), database)
    if path.suffix in _SUFFIXES or ("/" in text and not path.exists() and path.suffix != ".py"):
        raise SetupError(f"there is no file {text}{_near(path)}")
    return _python(text, database)


def _unnamed(database: str | None, project: Settings) -> Target:
    if project.app is not None and database is None:
        module, _, attribute = project.app.partition(":")
        return Application(module, attribute or "app", project.root)
    url = database or os.environ.get(DATABASE_URL)
    if not url:
        raise SetupError(
            "what is to be served? Name an application (main:app), models (models.py), or a database (app.db or its "
            'URL); or write app = "main:app" under [tool.splice] in pyproject.toml'
        )
    return _database(expanded(url), None)


# A database.


def _database(url: str, database: str | None) -> DatabaseTarget:
    if database is not None:
        raise SetupError(
            "the target is a database already; leave --database out, or name the models to serve"
        )
    return DatabaseTarget(resolve_url(url))


def resolve_url(text: str, *, must_exist: bool = True) -> str:
    """A database URL, or the path of an SQLite file as one; checked without connecting.

    Raises:
        SetupError: It cannot be read, its driver is missing, or the file is not there or no database.
    """
    text = expanded(text)
    url = read_url(text if "://" in text else _url_of_file(Path(text)))
    if url.get_backend_name() == "sqlite":
        _check_file(url, must_exist=must_exist)
    # As it was written: a driver chosen here would be frozen into the program.
    return text if "://" in text else _url_of_file(Path(text))


def _url_of_file(path: Path) -> str:
    if _is_no_text(str(path)):
        raise SetupError(f"the name of the file {path} is not in UTF-8; rename it")
    return URL.create("sqlite", database=str(path)).render_as_string()


def _is_no_text(name: str) -> bool:
    """Whether a name has bytes that Python has kept as they were."""
    return name.encode("utf-8", "replace") != name.encode("utf-8", "surrogateescape")


def _check_file(url: URL, *, must_exist: bool) -> None:
    if is_in_memory(url) and must_exist:
        raise SetupError("a database in memory is empty and is gone when splice ends; name a file")
    path = Path(url.database or "")
    if is_in_memory(url) or str(path).startswith("file:"):
        return
    if path.is_dir():
        raise SetupError(f"{path} is a folder; name the database file in it")
    if not path.exists():
        if must_exist:
            raise SetupError(f"there is no file {path}{_near(path)}")
        return
    try:
        with path.open("rb") as file:
            header = file.read(len(_HEADER))
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}; check its rights") from error
    if header not in {b"", _HEADER}:
        raise SetupError(f"{path} is not an SQLite database")


def _near(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; {folder} does not exist either"
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    near = get_close_matches(path.name, names, n=1)
    return f"; did you mean {folder / near[0]}?" if near else ""


def has_password(url: str) -> bool:
    """Whether a URL holds what must not be shown; one that cannot be read may."""
    try:
        return engines.has_password(make_url(url))
    except (sa.exc.ArgumentError, ValueError):
        return True


def hidden_arguments(*given: str | None) -> list[str] | None:
    """The command line of this process without the passwords among these arguments; None where it needs no change.

    What a process was started with, every user of the machine can read; its environment only its own user can.
    """
    secret = next((text for text in given if text is not None and "://" in text and has_password(text)), None)
    written = list(sys.orig_argv)
    if secret is None or os.name != "posix" or not any(text.endswith(secret) for text in written):
        return None
    os.environ[DATABASE_URL] = secret
    return [
        text.removesuffix(secret) + f"${DATABASE_URL}" if text.endswith(secret) else text for text in written
    ]


def shown(url: str) -> str:
    """A URL without its password."""
    return engines.shown(make_url(url))


# Python.


def _python(text: str, database: str | None) -> Target:
    name, colon, attribute = text.partition(":")
    module, folder = _module(name)
    if colon:
        if database is not None:
            raise SetupError(_OWN_DATABASE.format(text))
        return Application(module, attribute or "app", folder)
    loaded = import_from(folder, module)
    application, classes = application_of(loaded), mapped_classes(loaded, folder)
    if application is not None and not (database is not None and classes):
        if database is not None:
            raise SetupError(_OWN_DATABASE.format(f"{module}:{application}"))
        return Application(module, application, folder)
    if not classes:
        raise SetupError(
            f"{text} has neither a FastAPI application nor a class mapped by SQLAlchemy; write app = FastAPI(), or a "
            "subclass of your DeclarativeBase with a __tablename__"
        )
    return Models(module, folder, _url_for_models(text, database, len(classes)))


_OWN_DATABASE: Final = (
    "{} is an application, which has a database of its own; leave --database out, and set it where the application "
    "makes its Database"
)


def _url_for_models(text: str, database: str | None, count: int) -> str:
    url = database or os.environ.get(DATABASE_URL)
    if not url:
        raise SetupError(
            f"{text} has {count} model{'s' if count > 1 else ''}, but which database has the rows? Add --database "
            f"sqlite:///app.db (or set {DATABASE_URL}); with --create, missing tables are made"
        )
    return resolve_url(url, must_exist=False)


def _module(name: str) -> tuple[str, Path]:
    """A dotted name or a path as the module to import, and from which folder."""
    path = Path(name)
    if path.suffix == ".py" or path.is_dir():
        return _module_of_path(path)
    if not _MODULE.fullmatch(name):
        raise SetupError(
            f"{name!r} is neither a file, a module nor a database URL; examples: main:app, models.py, app.db, "
            "postgresql://user@host/database"
        )
    return name, Path.cwd()


def _module_of_path(path: Path) -> tuple[str, Path]:
    if not path.exists():
        raise SetupError(f"there is no file {path}{_near(path)}")
    resolved = path.resolve()
    parts = [] if resolved.name == "__init__.py" else [resolved.stem]
    folder = resolved.parent
    if resolved.is_dir() and not (resolved / "__init__.py").exists():
        raise SetupError(f"{path} is a folder without __init__.py; name the file with the models")
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise SetupError(f"{path} cannot be imported, its name is none for a Python module; rename it")
    return ".".join(parts), folder
