"""What `splice db init` and `splice db eject` write into a project; what is there already stays as it is."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomlkit

from splice.errors import SetupError
from splice.migrations import require_alembic
from splice.settings import Settings, find_settings

__all__ = ["Change", "eject_environment", "initialise"]

_FILE: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Change:
    """What was said on the command line."""

    app: str | None = None
    database: str | None = None
    metadata: tuple[str, ...] = ()
    folder: str | None = None


def initialise(here: Path, change: Change) -> Iterator[str]:
    """Add `[tool.splice]` to pyproject.toml and make the folder, and tell what was done and what comes next."""
    known = find_settings(here)
    if known.is_alembic:
        yield f"{known.root} is a project of Alembic's own; splice db uses it as it is. Try: splice db current"
        return
    wanted = _wanted(known.root, change)
    added = _add_section(known.root / _FILE, "splice", wanted)
    yield f"{_FILE}: {'[tool.splice] has ' + ', '.join(added) if added else '[tool.splice] is there'}"
    settings = find_settings(here)
    versions = settings.folder / "versions"
    yield f"{versions.relative_to(settings.root)}: {'is there' if versions.is_dir() else 'made'}"
    versions.mkdir(parents=True, exist_ok=True)
    if not (settings.metadata or settings.app or settings.database):
        yield f'Say where your models are, in {_FILE} under [tool.splice]: metadata = "models:Base"'
    yield 'Next: splice db revision -m "initial", then splice db upgrade'


def eject_environment(settings: Settings) -> Iterator[str]:
    """Copy env.py and script.py.mako, and write settings for Alembic's own program.

    Raises:
        SetupError: The project has an environment of its own.
    """
    require_alembic()
    from splice.migrations.environment import FOLDER

    if settings.is_alembic or (settings.folder / "env.py").exists():
        raise SetupError(
            f"the project has an environment of its own already; change {settings.folder / 'env.py'}"
        )
    (settings.folder / "versions").mkdir(parents=True, exist_ok=True)
    for name in ("env.py", "script.py.mako"):
        shutil.copyfile(FOLDER / name, settings.folder / name)
        yield f"{(settings.folder / name).relative_to(settings.root)}: yours to change"
    place = f"%(here)s/{settings.folder.relative_to(settings.root).as_posix()}"
    _add_section(
        settings.root / _FILE,
        "alembic",
        {
            "script_location": place,
            "version_locations": [f"{place}/versions"],
            "prepend_sys_path": ["%(here)s"],
            "file_template": "%%(year)d-%%(month).2d-%%(day).2d_%%(rev)s_%%(slug)s",
        },
    )
    yield f"{_FILE}: [tool.alembic] for the program alembic; splice db uses the same"


def _wanted(root: Path, change: Change) -> dict[str, Any]:
    """What the section is to have: what was said, else what a look at the files tells."""
    app, models = change.app or _guess_app(root), change.metadata or _guess_models(root)
    found: dict[str, Any] = {
        "app": app,
        "database": change.database,
        "metadata": models[0] if len(models) == 1 else list(models) or None,
        "migrations": change.folder or "migrations",
    }
    return {name: value for name, value in found.items() if value is not None}


def _add_section(file: Path, name: str, wanted: dict[str, Any]) -> list[str]:
    """Add what a section of a TOML file lacks, its comments and layout kept; the names of what was added."""
    document = tomlkit.parse(file.read_text(encoding="utf-8") if file.is_file() else "")
    tools: Any = document.setdefault("tool", tomlkit.table(is_super_table=True))
    section: Any = tools.setdefault(name, tomlkit.table())
    added = [key for key in wanted if key not in section]
    for key in added:
        section.add(key, wanted[key])
    if added:
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return added


def _guess_app(root: Path) -> str | None:
    """`main:app` where main.py or app.py makes a FastAPI by that name."""
    for file, name, call in _assigned(root, ("main.py", "app.py")):
        if call == "FastAPI":
            return f"{file.stem}:{name}"
    return None


def _assigned(root: Path, files: tuple[str, ...]) -> Iterator[tuple[Path, str, str]]:
    for file in (root / name for name in files):
        for node in _tree(file).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=call))):
                    yield file, name, call


def _guess_models(root: Path) -> tuple[str, ...]:
    """`models:Base` where models.py, or else main.py, has a class of DeclarativeBase."""
    for file in (root / "models.py", root / "main.py", root / "app.py"):
        for node in _tree(file).body:
            if isinstance(node, ast.ClassDef) and any(
                "DeclarativeBase" in ast.unparse(base) for base in node.bases
            ):
                return (f"{file.stem}:{node.name}",)
    return ()


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ast.Module(body=[], type_ignores=[])
