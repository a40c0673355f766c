"""The text of `main.py`: a whole application, for models that exist.

Pure, and the same for the same input; what it writes passes ruff as it is. It is a file to go on from, so each model
has one statement of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

from splice.names import unique
from splice.python_source import INDENT, WIDTH, Call, docstring, import_lines, literal, natural
from splice.settings import DATABASE_URL
from splice.terms import Verb

__all__ = ["Metadata", "Program", "Route", "main_source"]

_TAKEN: Final = frozenset(
    {"os", "app", "db", "resource", "resources", "FastAPI", "Database", "Resource", "install"}
)
"""Names that the program has for itself."""

_MAX_INCLUDED: Final = 300
"""Routers that are included one by one: FastAPI wraps one lifespan in the next, and Python's stack ends before 500."""

_ALL_AT_ONCE: Final = (
    "for resource in resources:",
    "    # include_router() would nest as many lifespans, beyond the depth of Python's stack.",
    "    resource.check()",
    "    app.router.routes.extend(resource.routes)",
)


@dataclass(frozen=True, slots=True)
class Route:
    """One model that is served.

    `module` is where it is imported from; `only` are the verbs, all of them if None; `prefix` is the path, that of the
    table if None; `remark` says why it is served in this way.
    """

    model: str
    module: str = "models"
    only: tuple[Verb, ...] | None = None
    prefix: str | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """The tables to make at the first start: `attribute` of what is imported by `name` from `module`."""

    module: str
    name: str = "Base"
    attribute: str = "metadata"


@dataclass(frozen=True, slots=True)
class Program:
    """What `main.py` says.

    `url` is the database to use where DATABASE_URL is not set; None where it must be, as for a URL with a password.
    """

    title: str
    source: str
    url: str | None
    routes: tuple[Route, ...]
    create: Metadata | None = None


def main_source(program: Program) -> str:
    """The text of a module with a FastAPI application called `app`."""
    names = _names(program)
    blocks = [
        docstring(f"A REST API for {program.source}."),
        "import os",
        f"from fastapi import FastAPI\nfrom splice import Database, {'Resource, ' if program.routes else ''}install",
        *_model_imports(names, program),
        "\n".join(_application(program, names)),
        "\n".join(_included(program, names)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


# Names: each model by its own, unless two models or the program itself have the same.

_Names: TypeAlias = dict[tuple[str, str], str]


def _names(program: Program) -> _Names:
    names: _Names = {}
    for module, model in dict.fromkeys(_imported(program)):
        names[module, model] = unique(model, {*_TAKEN, *names.values()}, _with_module(model, module))
    return names


def _imported(program: Program) -> Iterator[tuple[str, str]]:
    yield from ((route.module, route.model) for route in program.routes)
    if program.create is not None:
        yield program.create.module, program.create.name


def _with_module(model: str, module: str) -> str:
    words = module.rpartition(".")[2].split("_")
    return "".join(word[:1].upper() + word[1:] for word in words) + model


# Imports, as isort sorts them.


def _model_imports(names: _Names, program: Program) -> list[str]:
    imported = sorted(dict.fromkeys(_imported(program)), key=lambda pair: natural(pair[0]))
    lines = [
        line
        for module, pairs in groupby(imported, key=lambda pair: pair[0])
        for line in import_lines(module, {model: names[module, model] for _, model in pairs})
    ]
    return ["\n".join(lines)] if lines else []


# Statements.


def _application(program: Program, names: _Names) -> Iterator[str]:
    asked: str | Call = f'os.environ["{DATABASE_URL}"]'
    if program.url is not None:
        asked = Call("os.environ.get(", [literal(DATABASE_URL), literal(program.url)])
    made = program.create
    create = [] if made is None else [f"create={names[made.module, made.name]}.{made.attribute}"]
    yield _assigned("db", Call("Database(", [asked, *create]))
    yield _assigned("app", Call("FastAPI(", [f"title={literal(program.title)}"]))
    yield "install(app, db)"


def _assigned(name: str, value: Call) -> str:
    return f"{name} = {value.spelt(room=WIDTH - len(name) - 3)}"


def _included(program: Program, names: _Names) -> Iterator[str]:
    if len(program.routes) > _MAX_INCLUDED:
        yield "resources = ["
        yield from (line for route in program.routes for line in _listed(route, names))
        yield from ("]", "", *_ALL_AT_ONCE)
    else:
        for route in program.routes:
            yield from _remark(route, "")
            yield Call("app.include_router(", [_resource(route, names)]).spelt()


def _listed(route: Route, names: _Names) -> Iterator[str]:
    yield from _remark(route, INDENT)
    yield f"{INDENT}{_resource(route, names).spelt(INDENT, WIDTH - len(INDENT) - 1)},"


def _remark(route: Route, indent: str) -> Iterator[str]:
    if route.remark is not None:
        yield f"{indent}# {' '.join(route.remark.split())}"


def _resource(route: Route, names: _Names) -> Call:
    only = [] if route.only is None else [f"only={{{', '.join(literal(verb) for verb in route.only)}}}"]
    prefix = [] if route.prefix is None else [f"prefix={literal(route.prefix)}"]
    return Call("Resource(", [names[route.module, route.model], "db", *only, *prefix])
