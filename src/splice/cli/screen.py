"""What the commands show: in colours on a terminal, plain text elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from splice.cli.drafts import Draft, Remark
from splice.cli.listing import Listed, resources_of
from splice.cli.serving import Address
from splice.explain import Explanation, Statement, Unsaid

__all__ = [
    "announce",
    "explanation_document",
    "make_writable",
    "progress",
    "route_document",
    "show_error",
    "show_explanation",
    "show_files",
    "show_json",
    "show_report",
    "show_routes",
    "told",
]

_MANY: Final = 8
"""Names that are shown with one reason; of more, only the first."""


def _console(*, stderr: bool = False) -> Console:
    # Made when it is used: the streams may have been exchanged. Long lines are left to the terminal.
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


def make_writable() -> None:
    """Let every text be printed, with escapes where the encoding lacks a character; a closed stream takes all of it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # for the process
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_error(sentence: str) -> None:
    """One sentence on stderr."""
    _console(stderr=True).print(Text.assemble(("error: ", "bold red"), sentence))


def told(sentence: str) -> None:
    """Something to know beside the output proper, on stderr."""
    _console(stderr=True).print(Text(sentence))


def show_json(value: Any) -> None:
    """JSON on stdout, for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


# Serving.


def announce(app: FastAPI, address: Address, subject: str, draft: Draft | None) -> None:
    """What a person needs to know when a service starts."""
    console, resources = _console(), resources_of(app)
    paths = [listed.path for listed in resources]
    console.print(Text.assemble("\n  ", (subject, "bold"), _how_much(len(resources), draft)), end="\n\n")
    for name, text, style in _lines(app, address, paths):
        console.print(Text.assemble("  ", (f"{name:<14}", "dim"), (text, style)))
    if draft is not None:
        show_report(draft, console)
    if address.is_open:
        console.print(
            Text(
                "\n  Open to the network, without any authentication: whoever reaches it may use it.",
                "yellow",
            )
        )
    console.print()
    # uvicorn's first lines come from another stream.
    sys.stdout.flush()


def _how_much(count: int, draft: Draft | None) -> str:
    tables = f" · {count} {'table' if count == 1 else 'tables'}" if count else ""
    if draft is None:
        return tables
    return f"{tables} · {'reading and writing' if draft.writes else 'read only'}"


def _lines(app: FastAPI, address: Address, paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    root = f"{address.url}{app.root_path}"
    for number, path in enumerate(paths[:3]):
        yield ("" if number else "API"), f"{root}{_encoded(path)}", "cyan"
    if len(paths) > 3:
        yield "", f"… and {len(paths) - 3} more, all in the documentation", "dim"
    if app.docs_url is not None:
        yield "documentation", f"{root}{app.docs_url}", "cyan"
    if paths:
        yield "try", f"curl '{root}{_encoded(paths[0])}?limit=3'", "green"


def _encoded(path: str) -> str:
    # Quotes too, since it is shown between quotes.
    return quote(path, safe="/:@!$&()*+,;=~-._")


def show_report(draft: Draft, console: Console | None = None) -> None:
    """What is served in part or not at all, and why; on stderr unless a console is given."""
    shown = console or _console(stderr=True)
    if draft.report:
        shown.print()
    for kind, text in _grouped(draft.report):
        shown.print(Text.assemble("  ", (f"{kind:<14}", "dim"), (text, "yellow")))


def _grouped(report: Sequence[Remark]) -> Iterator[tuple[str, str]]:
    """One line for each reason, with the names that it is about."""
    groups: dict[tuple[str, str], list[str]] = {}
    for remark in report:
        groups.setdefault((remark.kind, remark.why), []).append(remark.what)
    for (kind, why), names in groups.items():
        more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
        yield kind, f"{', '.join(names[:_MANY])}{more}: {why}"


@contextmanager
def progress(label: str) -> Iterator[Any]:
    """A bar on a terminal, while something long is done; gives the function that is told how far it is."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = TextColumn(f"{label} {{task.description}}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(done: int, total: int, what: str = "") -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield tell


# Files.


def show_files(files: Mapping[str, str]) -> None:
    """The text of each file under a line with its name."""
    console = _console()
    for number, (name, text) in enumerate(files.items()):
        whole = f"{chr(10) if number else ''}# {name}\n{text}"
        if console.is_terminal:
            console.print(Syntax(whole, "python", background_color="default", word_wrap=False))
        else:
            _write_code(whole)


def _write_code(text: str) -> None:
    """Python code is in UTF-8, whatever else is printed."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)


# Routes.


def show_routes(listed: Sequence[Listed]) -> None:
    """A table of what an application answers."""
    console = _console()
    if not console.is_terminal:
        for line in _aligned(
            [(", ".join(each.methods), each.path, each.summary, each.origin) for each in listed]
        ):
            sys.stdout.write(f"{line}\n")
        return
    table = Table("method", "path", "what", "from", box=None, header_style="dim", pad_edge=False)
    for each in listed:
        style = "" if each.resource else "bold"
        table.add_row(
            Text(", ".join(each.methods), "green"),
            Text(each.path),
            Text(each.summary),
            Text(each.origin, style),
        )
    console.print(table)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def route_document(listed: Listed) -> dict[str, Any]:
    """A route as JSON."""
    return {
        "methods": list(listed.methods),
        "path": listed.path,
        "summary": listed.summary,
        "from": listed.origin,
        "resource": listed.resource,
    }


# Explanations.


def show_explanation(found: Explanation, plans: Mapping[int, Sequence[str]]) -> None:
    """The statements of a request with what is bound, the path and why; `plans` by number of the statement."""
    console = _console()
    console.print(
        Text.assemble(
            (f"{found.method} {found.route}", "bold"), f"  {found.verb} {found.model}, {found.dialect}\n"
        )
    )
    for number, statement in enumerate(found.statements, 1):
        console.print(Text(f"{number}. {statement.purpose}", "cyan"))
        _show_sql(statement, console)
        for line in plans.get(number, ()):
            console.print(Text(f"   plan: {line}", "magenta"))
        console.print()
    for name, lines in (("path", [found.path, *found.reasons]), ("also", found.notes)):
        for count, line in enumerate(lines):
            console.print(Text.assemble((f"{'' if count else name:<6}", "dim"), line))


def _show_sql(statement: Statement, console: Console) -> None:
    sql = "\n".join(f"   {line}" for line in statement.sql.splitlines())
    console.print(Syntax(sql, "sql", background_color="default") if console.is_terminal else sql)
    for number, parameter in enumerate(statement.parameters, 1):
        value = str(parameter.value) if isinstance(parameter.value, Unsaid) else repr(parameter.value)
        console.print(Text(f"   {number}: {parameter.name} = {value}", "green"))


def explanation_document(found: Explanation, plans: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """An explanation as JSON; a value that is not known yet is null, and says why."""
    return {
        "method": found.method,
        "route": found.route,
        "verb": found.verb,
        "model": found.model,
        "dialect": found.dialect,
        "path": found.path,
        "reasons": list(found.reasons),
        "statements": [
            _statement(each, plans.get(number)) for number, each in enumerate(found.statements, 1)
        ],
        "notes": list(found.notes),
    }


def _statement(statement: Statement, plan: Sequence[str] | None) -> dict[str, Any]:
    document = {
        "purpose": statement.purpose,
        "sql": statement.sql,
        "parameters": [_parameter(each.name, each.value) for each in statement.parameters],
    }
    return document if plan is None else {**document, "plan": list(plan)}


def _parameter(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Unsaid):
        return {"name": name, "value": None, "origin": value.origin}
    return {"name": name, "value": to_jsonable_python(value, fallback=str, bytes_mode="base64")}
