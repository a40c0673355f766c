"""Programs that are not written yet: models or a database become the files that serve them.

What is served is this text, run from a folder; what `--print` shows is the same text.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from splice.checks import check_create
from splice.cli.connections import looked_into, missing_tables, read_only, spelt
from splice.cli.loading import mapped_classes, metadata_owner
from splice.cli.targets import DatabaseTarget, Models, has_password
from splice.description import describe
from splice.engines import read_url
from splice.errors import SetupError
from splice.loading import import_from
from splice.names import PATHS_IN_USE, path_of, unique
from splice.programs import Metadata, Program, Route, main_source
from splice.reflection import Model, Reflection, reflect
from splice.settings import DATABASE_URL
from splice.sources import models_source
from splice.terms import VERBS, Verb

__all__ = [
    "Choice",
    "Draft",
    "Progress",
    "Remark",
    "check_tables",
    "draft_database",
    "draft_models",
    "unfolded",
    "written_to",
]

_READING: Final[tuple[Verb, ...]] = ("list", "read")


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person should know of a part: that it is left out, or served in another way than the rest, and why."""

    kind: Literal["left out", "note"]
    what: str
    why: str


Progress: TypeAlias = Callable[[int, int, str], None]
"""Told how many tables are read, of how many, and the last one's name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person has chosen; `writes` is None where nothing was said."""

    writes: bool | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    create: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """Files that are an application together.

    `module` is the one with `app`; `folder` has the modules of the user's own that it imports. `url` goes into the
    environment as DATABASE_URL. `kind` and `report` are for the person: what is served, and what not, and why.
    """

    files: Mapping[str, str]
    module: str
    url: str
    program: Program
    folder: Path | None = None
    report: tuple[Remark, ...] = ()
    writes: bool = True


# From models.


def draft_models(target: Models, choice: Choice) -> Draft:
    """The program that serves models; the database is not asked for their tables.

    Raises:
        SetupError: A model cannot be served.
    """
    chosen, served = _chosen(target, choice)
    writes = choice.writes is not False
    _check_models(served, writes=writes)
    module = "api" if target.module.partition(".")[0] == "main" else "main"
    program = Program(
        title=_title_of(target),
        source=target.module if target.module.count(".") else f"{target.module}.py",
        url=None if has_password(target.url) else target.url,
        routes=tuple(_routes_of(served, writes=writes)),
        create=_created(served) if choice.create else None,
    )
    return Draft(
        files=MappingProxyType({f"{module}.py": main_source(program)}),
        module=module,
        url=target.url,
        program=program,
        folder=target.folder,
        report=(*_not_mapped(chosen, served), *_private(served)),
        writes=writes,
    )


def _chosen(target: Models, choice: Choice) -> tuple[list[type[Any]], list[type[Any]]]:
    """The models that were asked for, and those of them that have a table."""
    classes = mapped_classes(import_from(target.folder, target.module), target.folder)
    chosen = [cls for cls in classes if _is_chosen(cls, choice)]
    served = [cls for cls in chosen if isinstance(sa.inspect(cls).local_table, sa.Table)]
    if not served:
        raise SetupError(
            f"none of the {len(classes)} models of {target.module} is served; change --include or --exclude"
        )
    return chosen, served


def _title_of(target: Models) -> str:
    root = target.module.partition(".")[0]
    return _titled(target.folder.name if root in {"models", "main"} else root)


def _not_mapped(chosen: Sequence[type[Any]], served: Sequence[type[Any]]) -> Iterator[Remark]:
    for cls in chosen:
        if cls not in served:
            yield Remark("left out", cls.__name__, "mapped to no table")


def _private(served: Sequence[type[Any]]) -> Iterator[Remark]:
    for cls in served:
        names = [field.name for field in describe(cls).fields.values() if field.guessed_private]
        if names:
            yield Remark("note", cls.__name__, f"{', '.join(names)} looks secret and is private")


def _is_chosen(cls: type[Any], choice: Choice) -> bool:
    names = {cls.__name__, getattr(sa.inspect(cls).local_table, "name", cls.__name__)}
    wanted = not choice.include or _fits(names, choice.include)
    return wanted and not _fits(names, choice.exclude)


def _fits(names: Collection[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in names for pattern in patterns)


def _check_models(served: Sequence[type[Any]], *, writes: bool) -> None:
    for cls in served:
        try:
            description = describe(cls)
            if writes:
                check_create(description, None)
        except SetupError as error:
            raise SetupError(f"{error}; or leave the model out: --exclude {cls.__name__}") from error
        except sa.exc.SQLAlchemyError as error:
            said = " ".join(str(error).split())
            raise SetupError(f"the models do not fit together, says SQLAlchemy: {said}") from error


def check_tables(target: Models, choice: Choice) -> None:
    """Refuse to serve models on a database that does not have their tables.

    Raises:
        SetupError: It lacks one, and is not to make it.
    """
    if choice.create:
        return
    _, served = _chosen(target, choice)
    tables = [table for cls in served for table in sa.inspect(cls).tables if isinstance(table, sa.Table)]
    url = read_url(target.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise SetupError(
            f"there is no file {url.database}; add --create to make it, with the tables of your models"
        )
    missing = looked_into(target.url, lambda connection: missing_tables(connection, tables))
    if missing:
        named = f"table {missing[0]}" if len(missing) == 1 else f"tables {', '.join(missing)}"
        raise SetupError(
            f"the database has no {named}, which {target.module} maps; add --create to make what is missing, or bring "
            "the database up to date: splice db upgrade"
        )


def _created(served: Sequence[type[Any]]) -> Metadata:
    owners = {cls.metadata if hasattr(cls, "metadata") else cls.__table__.metadata: cls for cls in served}
    if len(owners) > 1:
        names = ", ".join(cls.__name__ for cls in owners.values())
        raise SetupError(
            f"the models have {len(owners)} MetaData between them (those of {names}), and --create makes the tables of "
            "one; serve them apart, by --include"
        )
    owner, attribute = metadata_owner(served[0])
    return Metadata(owner.__module__, owner.__name__, attribute)


def _routes_of(served: Sequence[type[Any]], *, writes: bool) -> Iterator[Route]:
    taken = set(PATHS_IN_USE)
    for cls in served:
        table = sa.inspect(cls).local_table
        path = path_of(table.name, table.schema)
        # Two models may share a table.
        path = unique(path, taken, f"/{cls.__name__}", f"{path}-rows")
        taken.add(path)
        yield Route(
            model=cls.__name__,
            module=cls.__module__,
            only=None if writes else _READING,
            prefix=None if path == f"/{table.name}" else path,
        )


# From a database.


def draft_database(target: DatabaseTarget, choice: Choice, progress: Progress | None = None) -> Draft:
    """The models that a database has, and the program that serves them; reading only unless writing is asked for.

    Raises:
        SetupError: The database cannot be read, or has nothing to serve.
    """
    found = looked_into(
        target.url,
        lambda connection: reflect(
            connection, include=choice.include, exclude=choice.exclude, progress=progress
        ),
    )
    if not found.models:
        raise SetupError(_nothing(target, found))
    writes, name = choice.writes is True, _name_of(target.url)
    url = target.url if writes else spelt(read_only(make_url(target.url)))
    program = Program(
        title=_titled(Path(name).stem),
        source=name,
        url=None if has_password(url) else url,
        routes=tuple(_route(model, writes=writes) for model in found.models),
    )
    files = {"models.py": models_source(found, name), "main.py": main_source(program)}
    return Draft(
        files=MappingProxyType(files),
        module="main",
        url=url,
        program=program,
        report=tuple(_report(found)),
        writes=writes,
    )


def _nothing(target: DatabaseTarget, found: Reflection) -> str:
    if not found.left_out:
        return f"{_name_of(target.url)} has no tables; create some, or serve models: splice serve models.py --create"
    what, why = found.left_out[0]
    return f"{_name_of(target.url)} has nothing to serve: {what} is left out, {why}"


def _route(model: Model, *, writes: bool) -> Route:
    verbs = model.writes if writes else model.reads
    return Route(
        model=model.name,
        only=None if verbs == frozenset(VERBS) else tuple(verb for verb in VERBS if verb in verbs),
        prefix=None if model.has_default_path else model.path,
        remark=model.only_listed,
    )


def _report(found: Reflection) -> Iterator[Remark]:
    yield from (Remark("left out", what, why) for what, why in found.left_out)
    yield from (Remark("note", what, why) for what, why in found.remarks)


def _titled(name: str) -> str:
    return name.replace("_", " ").strip() or "API"


def _name_of(url: str) -> str:
    database = make_url(url).database or make_url(url).host or "database"
    return Path(database).name


# Files.


@contextmanager
def unfolded(draft: Draft) -> Iterator[Path]:
    """The files in a folder of their own, with the database in the environment, for the length of a block."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="splice-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        for file, text in draft.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        os.environ[DATABASE_URL] = draft.url
        try:
            yield folder
        finally:
            os.environ.pop(DATABASE_URL)
            os.environ.update({name: value for name, value in before.items() if name == DATABASE_URL})


def written_to(draft: Draft, folder: Path, *, force: bool) -> list[Path]:
    """Write the files into a folder, which is made if need be.

    Raises:
        SetupError: One of them is there already, and is not to be replaced; or it could not import the models there.
    """
    if draft.folder is not None and folder.resolve() != draft.folder.resolve():
        raise SetupError(
            f"{draft.module}.py imports the models, so it has to stand beside them: --output {_seen(draft.folder)}"
        )
    paths = [folder / name for name in draft.files]
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise SetupError(f"{', '.join(there)} would be replaced; name another folder, or add --force")
    if folder.exists() and not folder.is_dir():
        raise SetupError(f"{folder} is no folder; name another")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, _moved(draft, folder).values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def _seen(folder: Path) -> str:
    """A folder as a shell in the current one takes it."""
    return shlex.quote(os.path.relpath(folder))


def _moved(draft: Draft, folder: Path) -> Mapping[str, str]:
    """The same files, in which the path of an SQLite file is right when seen from their folder."""
    url = None if draft.program.url is None else make_url(draft.program.url)
    path = url.database.removeprefix("file:") if url is not None and url.database else ""
    if url is None or url.get_backend_name() != "sqlite" or not path or Path(path).is_absolute():
        return draft.files
    scheme = str(url.database).removesuffix(path)
    seen = url.set(database=scheme + Path(os.path.relpath(path, folder)).as_posix())
    program = replace(draft.program, url=spelt(seen))
    return {**draft.files, f"{draft.module}.py": main_source(program)}
