"""The commands, their options and their help."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import sqlalchemy as sa
import typer
from fastapi import FastAPI
from sqlalchemy.engine import Connection
from typer import Argument, Option

from splice.cli import screen
from splice.cli.connections import on_engine
from splice.cli.drafts import (
    Choice,
    Draft,
    check_tables,
    draft_database,
    draft_models,
    unfolded,
    written_to,
)
from splice.cli.failures import sentence_of
from splice.cli.listing import listed_routes
from splice.cli.loading import load_application
from splice.cli.serving import free_address, interrupted
from splice.cli.serving import serve as serve_at
from splice.cli.targets import (
    Application,
    DatabaseTarget,
    Models,
    Target,
    hidden_arguments,
    read_target,
    shown,
)
from splice.errors import SetupError
from splice.explain import DIALECTS, Explanation, QueryPlan, explain_request
from splice.settings import find_settings

__all__ = ["application", "command", "explain", "routes", "run", "serve"]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TARGET_HELP: Final = (
    "module:app; a models file or module (models.py, shop.models); an SQLite file or a database URL. "
    "$NAME reads it from the environment."
)

application: typer.Typer = typer.Typer(
    name="splice",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


class _WrongUsage(typer.TyperException):
    """Options that do not go together."""

    exit_code = 2


def run(arguments: Sequence[str], *, debug: bool) -> int:
    """Run one command, and return its exit code: 1 for what went wrong, 2 for wrong usage."""
    screen.make_writable()
    try:
        code = command()(args=list(arguments), prog_name="splice", standalone_mode=False)
    except typer.TyperException as error:
        # Without a message it is the help that a group shows on its own.
        if error.format_message():
            screen.show_error(error.format_message())
        return error.exit_code
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # Whoever read the output has enough; Python would complain once more while it exits.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # for the rest of the process
        return 0
    except Exception as error:  # noqa: BLE001  # whatever it is, a person gets one sentence
        if debug:
            traceback.print_exc()
        screen.show_error(sentence_of(error))
        return 1
    return code if isinstance(code, int) else 0


def command() -> Any:
    """The command with its groups; one whose extra is missing says so when it is asked for."""
    if not application.registered_groups:
        try:
            application.add_typer(importlib.import_module("splice.cli.db").application, name="db")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("splice"):
                raise
            _say_that_migrations_need(error.name or "more")
    return typer.main.get_command(application)


def _say_that_migrations_need(package: str) -> None:
    @application.command(
        "db",
        help='Migrate a database, once pip install "splice\\[migrations]" has been run.',
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )
    def refuse() -> None:
        raise SetupError(f'splice db needs {package}; run: pip install "splice[migrations]"')


@application.callback(invoke_without_command=True)
def _splice(
    context: typer.Context,
    *,
    show_version: Annotated[bool, Option("--version", help="Print the version of splice.")] = False,
    debug: Annotated[  # noqa: ARG001  # read before the commands are: it may stand anywhere
        bool, Option("--debug", help="Show the traceback of an error, too. Also SPLICE_DEBUG=1.")
    ] = False,
) -> None:
    """SQLAlchemy models, or a database, as a REST API.

    Begin with what you have:

    [dim]# a database[/dim]
    [cyan]splice serve shop.db[/cyan]
    [dim]# models[/dim]
    [cyan]splice serve models.py --database sqlite:///shop.db --create[/cyan]
    [dim]# an application[/dim]
    [cyan]splice serve main:app --reload[/cyan]
    """
    if show_version:
        typer.echo(f"splice {version('splice')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


# Options that several commands have.

_Target: TypeAlias = Annotated[str | None, Argument(metavar="TARGET", help=_TARGET_HELP, show_default=False)]
_Database: TypeAlias = Annotated[
    str | None,
    Option(
        "--database",
        "-d",
        metavar="URL",
        help="Where the rows of models are; DATABASE_URL in the environment if left out.",
    ),
]
_Write: TypeAlias = Annotated[
    bool | None,
    Option(
        "--write/--no-write",
        help="Whether rows can be created, changed and deleted: not for a bare database, unless said; for models, "
        "unless said otherwise.",
        show_default=False,
    ),
]
_Include: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--include",
        metavar="PATTERN",
        help="Serve only tables (or models) of such names, as in 'film*'; repeatable.",
    ),
]
_Exclude: TypeAlias = Annotated[
    list[str] | None,
    Option("--exclude", metavar="PATTERN", help="Leave out tables (or models) of such names; repeatable."),
]
_Json: TypeAlias = Annotated[bool, Option("--json", help="Print JSON, for programs.")]


@application.command()
def serve(  # noqa: PLR0913  # each is an option
    target: _Target = None,
    *,
    database: _Database = None,
    host: Annotated[str, Option(help="Address to listen at; 0.0.0.0 is every network.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8000,
    workers: Annotated[int, Option(min=1, help="Processes that serve.")] = 1,
    reload: Annotated[bool, Option("--reload", help="Start again when your code changes.")] = False,
    write: _Write = None,
    include: _Include = None,
    exclude: _Exclude = None,
    create: Annotated[
        bool, Option("--create", help="Make tables of models that the database does not have.")
    ] = False,
    print_: Annotated[bool, Option("--print", help="Show the program instead of serving it.")] = False,
    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FOLDER", help="Write the program there instead, to go on from."),
    ] = None,
    force: Annotated[bool, Option("--force", help="With --output: replace files that are there.")] = False,
) -> None:
    """Serve an application, models, or a database.

    [dim]# an SQLite file, read only; --write to change rows, too[/dim]
    [cyan]splice serve shop.db[/cyan]
    [dim]# any other database, by its URL; '$DATABASE_URL' keeps the password out of your history[/dim]
    [cyan]splice serve postgresql://me@localhost/shop --exclude 'audit_*'[/cyan]
    [dim]# your models; missing tables are made at the first start[/dim]
    [cyan]splice serve models.py --database sqlite:///shop.db --create[/cyan]
    [dim]# the program that would be served, to go on from[/dim]
    [cyan]splice serve shop.db --print[/cyan]
    [dim]# your application; without TARGET that of pyproject.toml[/dim]
    [cyan]splice serve main:app --workers 4[/cyan]
    """
    hidden = hidden_arguments(target, database)
    if hidden is not None and not print_ and output is None:
        os.execv(sys.executable, hidden)  # noqa: S606  # the same command, its password no longer for all to see
    found = read_target(target, database, find_settings())
    choice = Choice(write, tuple(include or ()), tuple(exclude or ()), create)
    if print_ or output is not None:
        _print(_drafted(found, choice), output, force=force)
        return
    _check_choice(found, choice)
    _check_serving(found, choice, workers=workers, reload=reload)
    with interrupted(), _loaded(found, choice) as program:
        address = free_address(host, port)
        screen.announce(program.app, address, program.subject, program.draft)
        watched = program.watched if reload else None
        code = serve_at(program.reference, program.folder, address, workers=workers, watched=watched)
    raise typer.Exit(code)


@application.command()
def routes(
    target: _Target = None,
    *,
    database: _Database = None,
    write: _Write = None,
    include: _Include = None,
    exclude: _Exclude = None,
    as_json: _Json = False,
) -> None:
    """List what an application answers, and what each route comes from.

    [cyan]splice routes main:app[/cyan]
    [cyan]splice routes shop.db --write --json[/cyan]
    """
    choice = Choice(write, tuple(include or ()), tuple(exclude or ()))
    found = read_target(target, database, find_settings())
    _check_choice(found, choice)
    with _loaded(found, choice) as program:
        listed = listed_routes(program.app)
        if as_json:
            screen.show_json([screen.route_document(each) for each in listed])
        else:
            screen.show_routes(listed)


@application.command()
def explain(  # noqa: PLR0913  # the same
    words: Annotated[
        list[str],
        Argument(metavar="[TARGET] REQUEST", help=f'{_TARGET_HELP} Then the request: "GET /users?name=Ada".'),
    ],
    *,
    body: Annotated[
        str | None, Option("--body", metavar="JSON", help="The body of a POST, PUT or PATCH.")
    ] = None,
    plan: Annotated[
        bool, Option("--plan", help="Ask the database, too, how it would run each SELECT.")
    ] = False,
    dialect: Annotated[
        str | None,
        Option("--dialect", metavar="NAME", help=f"Write the SQL for another: {', '.join(DIALECTS)}."),
    ] = None,
    database: _Database = None,
    write: _Write = None,
    as_json: _Json = False,
) -> None:
    """Show the SQL that a request runs, the path that it takes and why, without running it.

    [cyan]splice explain main:app "GET /users?name=Ada&order_by=-id"[/cyan]
    [dim]# the application of pyproject.toml[/dim]
    [cyan]splice explain "PATCH /users/1" --body '{"name": "Ada"}'[/cyan]
    [dim]# and how the database would find the rows[/dim]
    [cyan]splice explain shop.db /orders --plan[/cyan]
    """
    target, request = _split(words)
    if plan and dialect is not None:
        raise _WrongUsage("--plan asks the database itself; leave --dialect out")
    found = read_target(target, database, find_settings())
    _check_choice(found, Choice(write))
    with _loaded(found, Choice(write)) as program:
        explained = explain_request(program.app, request, body, dialect)
        plans = _plans(explained) if plan else {}
        if as_json:
            screen.show_json(screen.explanation_document(explained, plans))
        else:
            screen.show_explanation(explained, plans)


def _split(words: Sequence[str]) -> tuple[str | None, str]:
    """The target and the request; quotes around the request may have been forgotten."""
    quoted = (
        words if len(words) < 2 or words[-2].upper() not in _METHODS else [*words[:-2], " ".join(words[-2:])]
    )
    if len(quoted) > 2:
        raise _WrongUsage('give a target and a request: splice explain main:app "GET /users?name=Ada"')
    return (quoted[0] if len(quoted) == 2 else None), quoted[-1]


def _plans(explained: Explanation) -> Mapping[int, Sequence[str]]:
    """How the database would run each SELECT whose values are known, by the statement's number."""
    if explained.db is None:
        raise SetupError("the database behind a session of your own is not known here; leave --plan out")
    selects = {
        number: each.select for number, each in enumerate(explained.statements, 1) if each.select is not None
    }

    def ask(connection: Connection) -> dict[int, list[str]]:
        plans = {number: connection.execute(QueryPlan(select)) for number, select in selects.items()}
        return {number: [_line(row) for row in plan] for number, plan in plans.items()}

    return on_engine(explained.db.engine, ask)


def _line(row: sa.Row[Any]) -> str:
    if len(row) == 1:
        return str(row[0])
    named = row._mapping  # noqa: SLF001  # public by its documentation
    # SQLite tells in words; its numbers only tie the lines together.
    return str(named.get("detail") or ", ".join(f"{key}={value}" for key, value in named.items() if value))


# Targets as programs that can be imported.


@dataclass(frozen=True, slots=True)
class _Program:
    """An application that is imported, and how another process can import it: `reference` from `folder`."""

    app: FastAPI
    reference: str
    folder: Path
    subject: str
    watched: Path
    draft: Draft | None


@contextmanager
def _loaded(target: Target, choice: Choice) -> Iterator[_Program]:
    if isinstance(target, Application):
        app = load_application(target.folder, target.module, target.attribute)
        reference = f"{target.module}:{target.attribute}"
        yield _Program(app, reference, target.folder, reference, target.folder, None)
        return
    draft = _drafted(target, choice)
    with unfolded(draft) as folder:
        app = load_application(folder, draft.module, "app")
        watched = draft.folder or folder
        yield _Program(app, f"{draft.module}:app", folder, draft.program.source, watched, draft)


def _drafted(target: Target, choice: Choice) -> Draft:
    if isinstance(target, Models):
        return draft_models(target, choice)
    if isinstance(target, DatabaseTarget):
        with screen.progress(f"reading {shown(target.url)}") as tell:
            return draft_database(target, choice, tell)
    raise _WrongUsage(
        f"{target.module}:{target.attribute} is a program already; --print and --output are for models and databases"
    )


def _check_choice(target: Target, choice: Choice) -> None:
    given = {
        "--write": choice.writes is True,
        "--no-write": choice.writes is False,
        "--include": bool(choice.include),
        "--exclude": bool(choice.exclude),
        "--create": choice.create,
    }
    named = [name for name, is_given in given.items() if is_given]
    if named and isinstance(target, Application):
        raise _WrongUsage(
            f"{', '.join(named)} is for models and databases; what {target.module}:{target.attribute} serves, its own "
            "code says"
        )


def _check_serving(target: Target, choice: Choice, *, workers: int, reload: bool) -> None:
    if reload and workers > 1:
        raise _WrongUsage("--reload works with one process; leave --workers out")
    if reload and isinstance(target, DatabaseTarget):
        raise _WrongUsage(
            "--reload watches your code, and a bare database has none; write it first: --output FOLDER"
        )
    if isinstance(target, Models):
        check_tables(target, choice)


def _print(draft: Draft, output: Path | None, *, force: bool) -> None:
    if output is None:
        screen.show_files(draft.files)
    else:
        for path in written_to(draft, output, force=force):
            screen.told(f"wrote {path}")
        if draft.program.url is None:
            screen.told("set DATABASE_URL before: the password is not in the files")
        there = "" if output.resolve() == Path.cwd() else f"cd {shlex.quote(str(output))} && "
        screen.told(f"serve it: {there}splice serve {draft.module}:app --reload")
    screen.show_report(draft)
