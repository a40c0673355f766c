"""Writing to all of a database through the API, and putting it back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa
from pydantic import BaseModel

from tests.corpora.reading import Item, page
from tests.corpora.served import Served
from tests.corpora.stored import ForeignKey, Stored, reread

__all__ = ["unwritten"]

Body: TypeAlias = dict[str, Any]
ROWS_TO_COPY = 20


def unwritten(
    served: Served,
    database: Mapping[str, Stored],
    unwritable: frozenset[str],
    touched: frozenset[str] = frozenset(),
) -> list[str]:
    """What could not be written in the tables that have a key, or was stored otherwise than sent; nothing, if all was.

    Every row that is made is deleted again.

    Args:
        served: The application.
        database: What there is.
        unwritable: Tables with a key that must refuse to be written all the same.
        touched: Columns that the database sets by itself whenever a row is written.
    """
    writer = Writer(served, database, touched)
    return [
        f"{name}: {fault}"
        for name in served.resources
        for fault in writer.faults(
            database[name], expected=bool(database[name].key) and name not in unwritable
        )
    ]


@dataclass(frozen=True)
class Writer:
    """Makes, changes and deletes rows; no two get the same of `numbers`."""

    served: Served
    database: Mapping[str, Stored]
    touched: frozenset[str]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def faults(self, table: Stored, *, expected: bool) -> Iterator[str]:
        """What is wrong with writing a table that can be written, or should not be."""
        if ("POST" in self.served.methods(table.name)) is not expected:
            yield f"can{'not' if expected else ''} be written"
        elif expected:
            with contextlib.ExitStack() as parents:
                yield from self.exercise(table, self.body(table, parents))

    def exercise(self, table: Stored, body: Body) -> Iterator[str]:
        """Create a row, change it, replace it by what it was, and delete it."""
        created = self.served.client.post(self.served.path(table.name), json=body)
        if created.status_code != 201:
            yield f"POST of {body} is {created.status_code}: {created.text[:500]}"
            return
        row, address = created.json(), created.headers["location"]
        yield from self.differences(table, "POST", address, row, body)
        for method, sent in (("PATCH", self.change(table, row)), ("PUT", self.replacement(table, row))):
            answer = self.served.client.request(method, address, json=sent)
            if answer.status_code != 200:
                yield f"{method} of {sent} is {answer.status_code}: {answer.text[:500]}"
            else:
                yield from self.differences(table, method, address, answer.json(), sent)
        statuses = [self.served.client.request(verb, address).status_code for verb in ("DELETE", "GET")]
        if statuses != [204, 404]:
            yield f"DELETE, then GET, of {address} are {statuses}"

    def differences(self, table: Stored, method: str, address: str, row: Item, sent: Body) -> Iterator[str]:
        """Where an answer is not what was sent, or not what is stored."""
        names = self.names(table)
        by_database = {names[column] for column in self.touched if column in names}
        other = {n: (v, row[n]) for n, v in sent.items() if n not in by_database and row[n] != v}
        if other:
            yield f"{method} of {address} answers otherwise than was sent: {other}"
        if self.served.client.get(address).json() != row:
            yield f"{method} of {address} answers otherwise than GET"
        key = {column: row[names[column]] for column in table.key}
        if reread(self.served.engine, table, key).texts(list(names)) != table.texts_of([row], names):
            yield f"{method} of {address} answers otherwise than is stored"

    # What is sent.

    def body(self, table: Stored, parents: contextlib.ExitStack) -> Body:
        """A new row: like one that is there, but for what no two rows share."""
        columns = {name: column for column, name in self.names(table).items()}
        fields = fields_of(self.served.resources[table.name].Create)
        rows = self.rows(table)
        if rows:
            body = {name: rows[0][name] for name in fields}
        else:
            body = {n: self.made(table, columns[n], parents) for n, required in fields.items() if required}
        return body | self.unshared(table, body, parents)

    def unshared(self, table: Stored, body: Body, parents: contextlib.ExitStack) -> Body:
        """New values where rows would else collide, in columns that refer to nothing if there are such."""
        names = self.names(table)
        referring = {reference.column for reference in table.foreign_keys}
        fresh: Body = {}
        for columns in table.unique:
            if {names[column] for column in columns} <= set(body):
                column = min(columns, key=lambda one: (one in referring, one))
                fresh[names[column]] = self.fresh(table, column, parents)
        return fresh

    def change(self, table: Stored, row: Item) -> Body:
        """Another row's value for one field; nothing, where all fields are the key or all rows alike."""
        fixed = {*self.touched, *(column for columns in table.unique for column in columns)}
        allowed = fields_of(self.served.resources[table.name].Update)
        names = [n for column, n in self.names(table).items() if n in allowed and column not in fixed]
        others = itertools.product(names, self.rows(table))
        return next(({n: one[n]} for n, one in others if one[n] not in (None, row[n])), {})

    def replacement(self, table: Stored, row: Item) -> Body:
        """What was got, read-only fields included."""
        return {
            name: row[name] for name in fields_of(self.served.resources[table.name].Replace) if name in row
        }

    # Where values come from.

    def made(self, table: Stored, column: str, parents: contextlib.ExitStack) -> Any:
        """A value for a column of a table without rows."""
        for reference in table.foreign_keys:
            if reference.column == column and self.database[reference.table].rows:
                return self.database[reference.table].column(reference.target)[0]
        return self.fresh(table, column, parents)

    def fresh(self, table: Stored, column: str, parents: contextlib.ExitStack) -> Any:
        """A value that no row has."""
        for reference in table.foreign_keys:
            if reference.column == column:
                return self.parent(reference, parents)
        number = next(self.numbers)
        if isinstance(table.columns[column].type, sa.Integer):
            return max(table.column(column), default=0) + number
        if isinstance(table.columns[column].type, sa.DateTime):
            return f"2031-01-01T00:00:{number % 60:02}"
        return f"zz{number}"

    def parent(self, reference: ForeignKey, parents: contextlib.ExitStack) -> Any:
        """The key of a new row to refer to; it is deleted when the row that refers to it is."""
        table = self.database[reference.table]
        created = self.served.client.post(self.served.path(table.name), json=self.body(table, parents))
        assert created.status_code == 201, f"POST to {table.name}: {created.text}"
        parents.callback(self.served.client.delete, created.headers["location"])
        return created.json()[self.names(table)[reference.target]]

    # What there is.

    def names(self, table: Stored) -> dict[str, str]:
        """The columns that are shown, each with its name in JSON."""
        shown = fields_of(self.served.resources[table.name].Read)
        return {column: name for column, name in self.served.names(table.name).items() if name in shown}

    def rows(self, table: Stored) -> list[Item]:
        """Some rows as the API shows them."""
        items: list[Item] = page(self.served, f"{self.served.path(table.name)}?limit={ROWS_TO_COPY}")["items"]
        return items


def fields_of(model: type[BaseModel]) -> dict[str, bool]:
    """The names in JSON, and whether each is required."""
    return {info.alias or name: info.is_required() for name, info in model.model_fields.items()}
