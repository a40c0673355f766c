"""Hostile requests, made from models: each is one valid request with one thing wrong about it.

In a target or body, `{users}` stands for the key of the row of `users` that is stored before the attack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from splice.description import Description, Field
from tests.http.hostile.values import SECRET, example, has_limits

__all__ = [
    "JSON",
    "SECRET",
    "UNFIT",
    "WRITES",
    "Attack",
    "Group",
    "Headers",
    "Model",
    "creation",
    "is_writable",
    "listing",
    "sending",
    "spell",
    "words",
    "writes",
    "writing",
]

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Group: TypeAlias = "Callable[[Sequence[Model]], Iterator[Attack]]"

JSON: Final[Headers] = ((b"content-type", b"application/json"),)
UNFIT: Final = frozenset({400, 422})
WRITES: Final = (("POST", ""), ("PUT", "/{%s}"), ("PATCH", "/{%s}"))


@dataclass(frozen=True)
class Attack:
    """One request and the statuses that are right for it; `chunks` are the body, `cut` ends it early."""

    name: str
    method: str
    path: str
    expected: frozenset[int]
    query: str = ""
    chunks: tuple[bytes, ...] = ()
    headers: Headers = ()
    cut: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A model as it is served: where, and JSON of values that are known to fit, by field; others are made up."""

    description: Description
    prefix: str
    known: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def judged(self, method: str | None = None) -> list[Field]:
        """Fields that can be read, or written by a method, and whose type says which values do not fit."""
        fields = self.description.readable if method is None else self.fields.values()
        return [f for f in fields if has_limits(f.type) and (method is None or is_writable(f, method))]

    @property
    def table(self) -> str:
        return self.description.table

    @property
    def fields(self) -> Mapping[str, Field]:
        return self.description.fields

    def path(self, path: str) -> str:
        """Where `/{%s}` is the row that is there."""
        return f"{self.prefix}{path.replace('%s', self.table)}"

    def body(self, method: str, number: int = 1) -> dict[str, str]:
        """A body that the method takes: field → JSON; unique for each number."""
        fields = (one for one in self.fields.values() if is_writable(one, method))
        return {one.name: self._value(one, number) for one in fields}

    def good(self, method: str, number: int = 1) -> bytes:
        """The same as it is sent."""
        return spell(self.body(method, number))

    def _value(self, one: Field, number: int) -> str:
        if one.name in self.known:
            return self.known[one.name]
        for key in one.column.foreign_keys:
            return f"{{{key.column.table.name}}}"
        return example(one.type, number)


def creation(model: Model, number: int) -> Attack:
    """No attack: a row that is created, another for each number."""
    body = model.good("POST", number)
    return Attack(f"create {model.table}", "POST", model.prefix, frozenset({201}), "", (body,), JSON)


def writes(model: Model) -> Iterator[Attack]:
    """No attacks: the writes that the others change."""
    for number, (method, path) in enumerate(WRITES, 1):
        name, body = f"{method} {model.table} unchanged", model.good(method, number)
        yield Attack(name, method, model.path(path), frozenset({200, 201}), "", (body,), JSON)


def listing(model: Model) -> Attack:
    """No attack: the list of a model."""
    return Attack(f"list {model.table}", "GET", model.prefix, frozenset({200}))


def is_writable(one: Field, method: str) -> bool:
    """Whether a field may stand in the body."""
    return one.creatable if method == "POST" else one.updatable


def writing(
    model: Model,
    write: tuple[str, str],
    label: str,
    changes: Mapping[str, str | None],
    expected: frozenset[int],
) -> Attack:
    """A valid body with changes; PATCH sends nothing else, and None leaves a field out."""
    base: Mapping[str, Any] = {} if write[0] == "PATCH" else model.body(write[0])
    sent = {name: text for name, text in {**base, **changes}.items() if text is not None}
    return sending(model, write, label, (spell(sent),), expected)


def sending(
    model: Model, way: tuple[str, str], label: str, chunks: Iterable[bytes], expected: frozenset[int]
) -> Attack:
    """A body by a method and a path."""
    method, path = way
    return Attack(
        f"{method} {model.table}: {label}", method, model.path(path), expected, "", tuple(chunks), JSON
    )


def spell(body: Mapping[str, str]) -> bytes:
    """An object whose values are spelt already."""
    return "{{{}}}".format(", ".join(f"{json.dumps(name)}: {text}" for name, text in body.items())).encode()


def words(text: str) -> tuple[str, ...]:
    """A table of texts without spaces."""
    return tuple(text.split())
