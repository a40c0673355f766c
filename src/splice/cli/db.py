"""`splice db`: migrations of the project that the current folder is in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session
from typer import Argument, Option

from splice.bridge import run_on
from splice.cli.projects import Change, eject_environment, initialise
from splice.database import Database
from splice.engines import EngineSettings, make_engine, read_url
from splice.errors import SetupError
from splice.migrations import Bind, bind_of, require_alembic
from splice.settings import DATABASE_URL, find_settings
from splice.unreachable import database_failure

if TYPE_CHECKING:
    from alembic.script import Script

    from splice.migrations.project import Project, Standing

__all__ = [
    "application",
    "check",
    "current",
    "downgrade",
    "eject",
    "history",
    "init",
    "revision",
    "sql",
    "stamp",
    "upgrade",
]

_T = TypeVar("_T")

application: typer.Typer = typer.Typer(
    name="db",
    help="""Migrate a database: write revisions of what has changed in the models, and run them.

    Settings are read from \\[tool.splice] of the nearest pyproject.toml. The database is that of DATABASE_URL in the
    environment, if it is set, else the one of the application. A project of Alembic's own is used as it is.

    [dim]# once[/dim]
    [cyan]splice db init[/cyan]
    [dim]# after each change of the models[/dim]
    [cyan]splice db revision -m "users have a locale"[/cyan]
    [cyan]splice db upgrade[/cyan]
    """,
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_App: TypeAlias = Annotated[
    str | None, Option("--app", metavar="MODULE:APP", help="The application; in place of the setting.")
]
_Database: TypeAlias = Annotated[
    str | None,
    Option(
        "--database",
        "-d",
        metavar="URL",
        help="The database, as a URL, as module:db, or as '$NAME' of a variable. If left out: DATABASE_URL of the "
        "environment, which wins over the settings; then the setting; then the application's.",
    ),
]
_Models: TypeAlias = Annotated[
    list[str] | None,
    Option("--metadata", metavar="MODULE:BASE", help="The models: their base, or a MetaData; repeatable."),
]
_Folder: TypeAlias = Annotated[
    str | None,
    Option("--migrations", metavar="FOLDER", help="Where the revisions are; 'migrations' if left out."),
]


@application.command()
def init(
    app: _App = None, database: _Database = None, metadata: _Models = None, folder: _Folder = None
) -> None:
    """Prepare a project: a section in pyproject.toml and a folder. What is there already stays as it is.

    [cyan]splice db init[/cyan]
    [cyan]splice db init --metadata shop.models:Base[/cyan]
    """
    for line in initialise(Path.cwd(), Change(app, database, tuple(metadata or ()), folder)):
        _say(line)


@application.command()
def revision(  # each is an option
    message: Annotated[str, Option("--message", "-m", metavar="TEXT", help="What changes, in a few words.")],
    *,
    autogenerate: Annotated[
        bool, Option("--autogenerate/--empty", help="Fill it with what differs, or leave that to you.")
    ] = True,
    app: _App = None,
    database: _Database = None,
    metadata: _Models = None,
    folder: _Folder = None,
) -> None:
    """Write a revision: what the models have and the database has not, or the other way round.

    Look it through before it is run: a column that was renamed looks like one dropped and one added.

    [cyan]splice db revision -m "users have a locale"[/cyan]
    [cyan]splice db revision -m "fill the locales" --empty[/cyan]
    """
    work = _Work.of(app, database, metadata, folder)
    from splice.migrations import commands

    made = (
        work.run(lambda session: commands.revise(session, work.project, message))
        if autogenerate
        else commands.revise(None, work.project, message)
    )
    for hint in made.hints:
        _warn(hint)
    if made.file is None:
        _say("Nothing has changed: the database is as the models say. For changes of rows there is --empty.")
    else:
        _say(
            Text.assemble(
                "wrote ", (_short(made.file), "bold"), "; look it through, then run: splice db upgrade"
            )
        )


@application.command()
def upgrade(  # the same
    target: Annotated[
        str, Argument(metavar="REVISION", help="How far; to the newest if left out.", show_default=False)
    ] = "heads",
    *,
    sql: Annotated[
        bool, Option("--sql", help="Print the SQL of what would be run, instead of running it.")
    ] = False,
    app: _App = None,
    database: _Database = None,
    folder: _Folder = None,
) -> None:
    """Run the revisions that the database lacks, one process at a time.

    On PostgreSQL and SQLite all of them are run, or none. A REVISION may be the beginning of its name, or +1.

    [cyan]splice db upgrade[/cyan]
    [cyan]splice db upgrade --sql[/cyan]
    """
    work = _Work.of(app, database, None, folder)
    if sql:
        work.print_sql("upgrade", f"{work.start()}:{target}")
        return
    if not work.move("upgrade", target):
        _say("The database is up to date.")


@application.command(context_settings={"ignore_unknown_options": True})
def downgrade(  # the same
    target: Annotated[
        str, Argument(metavar="REVISION", help="How far back: a revision, -1, or base for all.")
    ],
    *,
    sql: Annotated[
        bool, Option("--sql", help="Print the SQL of what would be run, instead of running it.")
    ] = False,
    app: _App = None,
    database: _Database = None,
    folder: _Folder = None,
) -> None:
    """Undo revisions, with the data of the columns and tables that they have added.

    [cyan]splice db downgrade -1[/cyan]
    """
    work = _Work.of(app, database, None, folder)
    if sql:
        work.print_sql("downgrade", f"{work.start()}:{target}")
        return
    if not work.move("downgrade", target):
        _say("There is nothing to undo.")


@application.command()
def stamp(
    target: Annotated[
        str, Argument(metavar="REVISION", help="The newest if left out.", show_default=False)
    ] = "heads",
    *,
    app: _App = None,
    database: _Database = None,
    folder: _Folder = None,
) -> None:
    """Say that the database is at a revision, without running any: for tables that exist already.

    [cyan]splice db stamp[/cyan]
    """
    work = _Work.of(app, database, None, folder)
    from splice.migrations import commands

    work.run(lambda session: commands.mark(session, work.project, target))
    _say(
        f"The database counts as being at {', '.join(work.standing().current) or 'base'}; splice db check compares."
    )


@application.command()
def current(app: _App = None, database: _Database = None, folder: _Folder = None) -> None:
    """Show which revision the database is at, and what it lacks."""
    work = _Work.of(app, database, None, folder)
    found = work.standing()
    known = {script.revision: script for script in work.scripts()}
    for revision_ in found.current or ("base",):
        _say(Text.assemble((revision_, "bold"), _about(known.get(revision_))))
    for name in found.unknown:
        _warn(f"{name} is not among the revisions of {work.project.place}")
    _say("up to date" if not found.pending else f"behind by {len(found.pending)}; run: splice db upgrade")


@application.command()
def history(app: _App = None, database: _Database = None, folder: _Folder = None) -> None:
    """List the revisions, the newest first; a mark shows which the database has."""
    work = _Work.of(app, database, None, folder)
    pending = {script.revision for script in work.standing().pending} if work.bind is not None else set[str]()
    listed = work.scripts()
    if not listed:
        _say('There are no revisions yet; run: splice db revision -m "initial"')
    for script in listed:
        mark = (
            (" ", "dim")
            if work.bind is None
            else ("·", "yellow")
            if script.revision in pending
            else ("✓", "green")
        )
        _say(Text.assemble(mark, " ", (script.revision, "bold"), _about(script)))


@application.command()
def check(
    app: _App = None, database: _Database = None, metadata: _Models = None, folder: _Folder = None
) -> None:
    """Fail when the database is behind, or when models and database differ: for CI, after an upgrade.

    [cyan]splice db upgrade && splice db check[/cyan]
    """
    work = _Work.of(app, database, metadata, folder)
    from splice.migrations import commands

    found = work.run(lambda session: commands.compare(session, work.project))
    for line in found:
        _warn(line)
    if found:
        raise SetupError('models and migrations differ; run: splice db revision -m "…"')
    _say("The database is up to date, and as the models say.")


@application.command()
def sql(
    target: Annotated[
        str,
        Argument(
            metavar="[FROM:]TO",
            help="The revisions; from the first to the newest if left out.",
            show_default=False,
        ),
    ] = "heads",
    *,
    app: _App = None,
    database: _Database = None,
    folder: _Folder = None,
) -> None:
    """Print the SQL of the revisions for somebody else to run; the database is not asked, only its kind matters.

    [cyan]splice db sql > all.sql[/cyan]
    [cyan]splice db sql 3f2a:heads --database postgresql://[/cyan]
    """
    _Work.of(app, database, None, folder).print_sql("upgrade", target)


@application.command()
def eject(folder: _Folder = None) -> None:
    """Copy the environment that migrations run in into the project, to be changed there.

    From then on `alembic` itself works, too.
    """
    for line in eject_environment(find_settings(folder=folder)):
        _say(line)


# What the commands share.


@dataclass(frozen=True)
class _Work:
    """The project and the database of one command; `bind` is None where no database is known."""

    project: Project
    bind: Bind | None = field(repr=False)

    @staticmethod
    def of(app: str | None, database: str | None, metadata: list[str] | None, folder: str | None) -> _Work:
        require_alembic()
        from splice.migrations.project import open_project

        settings = find_settings(app=app, database=database, metadata=metadata or (), folder=folder)
        project = open_project(settings)
        return _Work(project, bind_of(settings) or _bind_of_alembic(project))

    def run(self, work: Callable[[Session], _T]) -> _T:
        """Run a function of a sync session that has not begun, on either kind of driver."""
        if self.bind is None:
            raise SetupError(
                f'no database is known; set {DATABASE_URL}, or say which application has it: app = "main:app" under '
                "[tool.splice] in pyproject.toml"
            )
        with _quiet_logging(), _explained(self.bind):
            return asyncio.run(_run(self.bind, work))

    def standing(self) -> Standing:
        from splice.migrations import commands

        return self.run(lambda session: commands.standing(session, self.project))

    def move(self, direction: Any, target: str) -> tuple[Script, ...]:
        from splice.migrations import commands

        def tell(_: str, script: Script) -> None:
            _say(Text.assemble((direction, "cyan"), " ", (script.revision, "bold"), _about(script)))

        return self.run(lambda session: commands.move(session, self.project, direction, target, tell))

    def start(self) -> str:
        """The revision that the database is at."""
        return ",".join(self.standing().current) or "base"

    def scripts(self) -> list[Script]:
        return list(self.project.scripts.walk_revisions("base", "heads"))

    def print_sql(self, direction: Any, target: str) -> None:
        from splice.migrations import commands

        with _quiet_logging():
            typer.echo(commands.script_of(self.project, _dialect(self.bind), direction, target), nl=False)


async def _run(bind: Bind, work: Callable[[Session], _T]) -> _T:
    database: Database[Any] = Database(bind)
    try:
        async with database.begin() as session:
            return await run_on(session, work)
    finally:
        # An engine of the application, too: its connections belong to the loop that ends here.
        engine = database.engine
        await engine.dispose() if isinstance(engine, AsyncEngine) else engine.dispose()


def _bind_of_alembic(project: Project) -> str | None:
    return project.config.get_main_option("sqlalchemy.url") if project.is_foreign else None


def _dialect(bind: Bind | None) -> Dialect:
    if bind is None:
        raise SetupError("say for which kind of database: --database postgresql://, mariadb:// or sqlite://")
    engine = make_engine(read_url(bind), EngineSettings()) if isinstance(bind, str) else bind
    return engine.dialect


@contextmanager
def _explained(bind: Bind) -> Iterator[None]:
    """Say in one sentence why a database could not be reached."""
    try:
        yield
    except SetupError:
        raise
    except Exception as error:
        url = make_url(bind) if isinstance(bind, str) else bind.url
        failure = database_failure(error, url)
        if failure is None:
            raise
        raise failure from error


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """Keep Alembic's log, and what an env.py sets up for it, off the terminal: the command says what happens itself."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _about(script: Script | None) -> str:
    return f"  {script.doc}" if script is not None and script.doc else ""


def _say(line: str | Text) -> None:
    # Made when it is used: the streams may have been exchanged.
    Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(line)


def _warn(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False).print(
        Text(line, "yellow")
    )


def _short(file: Path) -> str:
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
