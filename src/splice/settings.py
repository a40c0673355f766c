"""What a project says of itself: `[tool.splice]` in pyproject.toml, files of Alembic's, and what the environment adds.

Only TOML is read: nothing of the project is imported, and nothing here needs Alembic.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from splice.errors import SetupError

__all__ = ["DATABASE_URL", "Settings", "expanded", "find_settings"]

DATABASE_URL: Final = "DATABASE_URL"
"""The variable of the environment that says where the database is."""

_FOLDER: Final = "migrations"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a project keeps its application, its models, its database and its migrations.

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


def expanded(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """What a text stands for: `$NAME` is a variable, so that no password stands in the list of processes.

    Raises:
        SetupError: The variable is not set.
    """
    if not text.startswith("$"):
        return text
    name = text[1:].strip("{}")
    if not environ.get(name):
        raise SetupError(f"the environment variable {name} is not set; export it, or write the URL itself")
    return environ[name]


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
