"""A project's migrations as Alembic knows them: its configuration, its revisions, and where a database stands."""

from __future__ import annotations

import ast
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from splice.errors import SetupError
from splice.migrations.environment import FOLDER
from splice.settings import Settings

__all__ = ["Project", "Standing", "label", "open_project", "stand", "versions_of"]

_FILE: Final = "%%(year)d-%%(month).2d-%%(day).2d_%%(rev)s_%%(slug)s"


@dataclass(frozen=True, slots=True)
class Project:
    """A project's migrations; `is_foreign` is said of an env.py that knows nothing of splice."""

    settings: Settings
    config: Config
    scripts: ScriptDirectory
    is_foreign: bool

    @property
    def place(self) -> str:
        """Where the revisions lie, as a person would say it."""
        folder = Path(self.scripts.versions)
        return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands: its revisions, those of them that the project does not have, and those to come."""

    current: tuple[str, ...]
    unknown: tuple[str, ...]
    pending: tuple[Script, ...]


def open_project(settings: Settings) -> Project:
    """Read a project's migrations.

    Raises:
        SetupError: There are none yet, or a revision cannot be read.
    """
    config = _alembic_config(settings) if settings.is_alembic else _config(settings)
    # As Alembic's own program with --quiet; an env.py may ask for the options given by -x.
    config.cmd_opts = Namespace(quiet=True, x=None)
    try:
        scripts = ScriptDirectory.from_config(config)
    except CommandError as error:
        raise SetupError(f"Alembic's settings cannot be used: {error}") from error
    if not settings.is_alembic and not versions_of(settings).is_dir():
        raise SetupError(
            f"there are no migrations in {settings.folder}; run: splice db init, or start in the folder of the "
            "project, whose pyproject.toml says where they are"
        )
    _read(scripts)
    return Project(settings, config, scripts, _is_foreign(Path(scripts.dir) / "env.py"))


def versions_of(settings: Settings) -> Path:
    """The folder of the revisions of a project without settings of Alembic's own."""
    return settings.folder / "versions"


def stand(project: Project, connection: Connection) -> Standing:
    """Look which revisions a database has, and which it still lacks."""
    current = MigrationContext.configure(connection, opts=_version_table(project)).get_current_heads()
    known = {script.revision: script for script in _walk(project.scripts)}
    done = {*_ancestors(known, current)}
    pending = [script for script in known.values() if script.revision not in done]
    unknown = tuple(revision for revision in current if revision not in known)
    return Standing(tuple(current), unknown, tuple(reversed(pending)))


def label(script: Script) -> str:
    """A revision as a person would say it."""
    return f"{script.revision} ({script.doc})" if script.doc else script.revision


def _config(settings: Settings) -> Config:
    own = (settings.folder / "env.py").is_file()
    config = Config()
    for name, value in {
        "script_location": str(settings.folder if own else FOLDER),
        "version_locations": str(versions_of(settings)),
        "path_separator": "newline",
        "prepend_sys_path": str(settings.root),
    }.items():
        config.set_main_option(name, value.replace("%", "%%"))
    config.set_main_option("file_template", _FILE)
    return config


def _alembic_config(settings: Settings) -> Config:
    return Config(settings.ini, settings.toml)


def _is_foreign(file: Path) -> bool:
    return file.is_file() and "splice.migrations" not in file.read_text(encoding="utf-8")


def _walk(scripts: ScriptDirectory) -> Iterator[Script]:
    return scripts.walk_revisions("base", "heads")


def _read(scripts: ScriptDirectory) -> None:
    try:
        list(_walk(scripts))
    except SetupError:
        raise
    except Exception as error:
        raise SetupError(f"the migrations cannot be read: {_first_line(error)}") from error


def _ancestors(known: dict[str, Script], current: tuple[str, ...]) -> Iterator[str]:
    """These revisions, and all that came before them."""
    left, seen = list(current), set[str]()
    while left:
        revision = left.pop()
        if revision in seen or revision not in known:
            continue
        seen.add(revision)
        yield revision
        left.extend(known[revision]._all_down_revisions)  # noqa: SLF001  # what it revises and what it depends on


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _version_table(project: Project) -> dict[str, Any]:
    """Where an env.py keeps the revision of the database, as far as it can be read without running it."""
    file = Path(project.scripts.dir) / "env.py"
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return {}
    names = {"version_table", "version_table_schema"}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    written = [keyword for call in calls for keyword in call.keywords if keyword.arg in names]
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = {str(item.arg): _text(item.value, constants) for item in written}
    from_file = {name: project.config.get_alembic_option(name) for name in names}
    return {name: found.get(name) or from_file[name] for name in names if found.get(name) or from_file[name]}


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str | None:
    value = constants.get(node.id) if isinstance(node, ast.Name) else node
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
