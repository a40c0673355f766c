"""The text of `main.py`: a whole application, for models that exist.

Pure, and the same for the same input; what it writes passes ruff as it is. It is a file to go on from, so each model
has one statement of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, TypeAlias

__all__ = ["Metadata", "Program", "Route", "main_source"]

_Verb: TypeAlias = Literal["list", "create", "read", "replace", "update", "delete"]

_WIDTH: Final = 88
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
    only: tuple[_Verb, ...] | None = None
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
        f'"""{_in_docstring(f"A REST API for {program.source}.")}"""',
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
        names[module, model] = _free(model, module, {*_TAKEN, *names.values()})
    return names


def _imported(program: Program) -> Iterator[tuple[str, str]]:
    yield from ((route.module, route.model) for route in program.routes)
    if program.create is not None:
        yield program.create.module, program.create.name


def _free(model: str, module: str, taken: set[str]) -> str:
    if model not in taken:
        return model
    wanted = f"{_camel(module.rpartition('.')[2])}{model}"
    numbered = (f"{wanted}{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *numbered) if name not in taken)


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in word.split("_"))


# Imports, as isort sorts them.


def _model_imports(names: _Names, program: Program) -> list[str]:
    imported = sorted(dict.fromkeys(_imported(program)), key=lambda pair: _natural(pair[0]))
    lines = [
        line
        for module, pairs in groupby(imported, key=lambda pair: pair[0])
        for line in _import_from(module, {model: names[module, model] for _, model in pairs})
    ]
    return ["\n".join(lines)] if lines else []


def _import_from(module: str, names: dict[str, str]) -> Iterator[str]:
    plain = sorted((model for model, name in names.items() if model == name), key=_isort_key)
    renamed = sorted((model for model, name in names.items() if model != name), key=_isort_key)
    if plain:
        line = f"from {module} import {', '.join(plain)}"
        many = f"from {module} import (\n" + "".join(f"    {name},\n" for name in plain) + ")"
        yield line if len(line) <= _WIDTH else many
    yield from (f"from {module} import {model} as {names[model]}" for model in renamed)


def _isort_key(name: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """CONSTANTS, then Classes, then the rest."""
    if len(name) > 1 and name.isupper():
        return 0, _natural(name)
    return (1 if name[:1].isupper() else 2), _natural(name)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Numbers inside of a name count as numbers: `Item2` comes before `Item10`."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


# Statements.


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: Sequence[str | _Call]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(str(argument) for argument in self.arguments)})"


def _application(program: Program, names: _Names) -> Iterator[str]:
    asked: str | _Call = 'os.environ["DATABASE_URL"]'
    if program.url is not None:
        asked = _Call("os.environ.get", ['"DATABASE_URL"', _quoted(program.url)])
    made = program.create
    create = [] if made is None else [f"create={names[made.module, made.name]}.{made.attribute}"]
    yield from _written("db = ", _Call("Database", [asked, *create]))
    yield from _written("app = ", _Call("FastAPI", [f"title={_quoted(program.title)}"]))
    yield "install(app, db)"


def _included(program: Program, names: _Names) -> Iterator[str]:
    if len(program.routes) > _MAX_INCLUDED:
        yield "resources = ["
        yield from (line for route in program.routes for line in _listed(route, names))
        yield from ("]", "", *_ALL_AT_ONCE)
    else:
        for route in program.routes:
            yield from _remark(route, "")
            yield from _written("", _Call("app.include_router", [_resource(route, names)]))


def _listed(route: Route, names: _Names) -> Iterator[str]:
    yield from _remark(route, "    ")
    yield from _written("", _resource(route, names), "    ", ",")


def _remark(route: Route, indent: str) -> Iterator[str]:
    if route.remark is not None:
        yield f"{indent}# {' '.join(route.remark.split())}"


def _resource(route: Route, names: _Names) -> _Call:
    only = [] if route.only is None else [f"only={{{', '.join(_quoted(verb) for verb in route.only)}}}"]
    prefix = [] if route.prefix is None else [f"prefix={_quoted(route.prefix)}"]
    return _Call("Resource", [names[route.module, route.model], "db", *only, *prefix])


def _written(start: str, call: _Call, indent: str = "", end: str = "") -> Iterator[str]:
    """A call on one line, with its arguments on the next, or with one argument a line: the first that fits."""
    line = f"{indent}{start}{call}{end}"
    if len(line) <= _WIDTH:
        yield line
        return
    deeper = f"{indent}    "
    together = f"{deeper}{', '.join(str(argument) for argument in call.arguments)}"
    yield f"{indent}{start}{call.name}("
    if len(together) <= _WIDTH:
        yield together
    else:
        yield from _one_a_line(call.arguments, deeper)
    yield f"{indent}){end}"


def _one_a_line(arguments: Iterable[str | _Call], indent: str) -> Iterator[str]:
    given = list(arguments)
    end = "," if len(given) > 1 else ""
    for argument in given:
        if isinstance(argument, _Call):
            yield from _written("", argument, indent, end)
        else:
            yield f"{indent}{argument}{end}"


def _quoted(text: str) -> str:
    return repr(text) if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)


def _in_docstring(text: str) -> str:
    return " ".join(text.replace("\\", "/").replace('"', "'").split())
