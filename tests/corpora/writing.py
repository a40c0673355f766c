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

__all__ = ["Known", "unwritten"]

Body: TypeAlias = dict[str, Any]
ROWS_TO_COPY = 20


@dataclass(frozen=True)
class Known:
    """What is not as it is with other tables.

    `unwritable` are tables with a key that must refuse new rows all the same; `unchangeable` those in which no field
    can be given another row's value, since all fields are keys or all rows alike; `touched` columns that the database
    sets by itself whenever a row is written.
    """

    unwritable: frozenset[str] = frozenset()
    unchangeable: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()


def unwritten(served: Served, database: Mapping[str, Stored], known: Known) -> list[str]:
    """What could not be written in the tables that have a key, or was stored otherwise than sent; nothing, if all was.

    Every row that is made is deleted again; where none can be made, one that is there is changed and changed back.
    """
    writer = Writer(served, database, known)
    return [f"{name}: {fault}" for name in served.resources for fault in writer.faults(database[name])]


@dataclass(frozen=True)
class Writer:
    """Makes, changes and deletes rows; no two get the same of `numbers`."""

    served: Served
    database: Mapping[str, Stored]
    known: Known
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def faults(self, table: Stored) -> Iterator[str]:
        """What is wrong with writing a table that can be written, or should not be."""
        expected = bool(table.key) and table.name not in self.known.unwritable
        if ("POST" in self.served.methods(table.name)) is not expected:
            yield f"can{'not' if expected else ''} be written"
        elif expected:
            with contextlib.ExitStack() as parents:
                yield from self.exercise(table, self.body(table, parents))
        elif table.key and table.rows:
            yield from self.change_and_back(table, self.rows(table)[0])

    def exercise(self, table: Stored, body: Body) -> Iterator[str]:
        """Create a row, change it, replace it by what it was, and delete it."""
        created = self.served.client.post(self.served.path(table.name), json=body)
        if created.status_code != 201:
            yield f"POST of {body} is {created.status_code}: {created.text[:500]}"
            return
        row, address = created.json(), created.headers["location"]
        yield from self.differences(table, "POST", address, row, body)
        change = self.change(table, row)
        yield from self.unexpected(table, change)
        for method, sent in (("PATCH", change), ("PUT", self.replacement(table, row))):
            yield from self.sent(table, method, address, sent)
        statuses = [self.served.client.request(verb, address).status_code for verb in ("DELETE", "GET")]
        if statuses != [204, 404]:
            yield f"DELETE, then GET, of {address} are {statuses}"

    def change_and_back(self, table: Stored, row: Item) -> Iterator[str]:
        """Change a row that is there, as far as rows of the table can be changed, and put its values back."""
        key = [row[self.names(table)[column]] for column in table.key]
        if "PATCH" not in self.served.methods(table.name, *key):
            return
        address, change = self.served.path(table.name, *key), self.change(table, row)
        yield from self.unexpected(table, change)
        with self.untouched(table, dict(zip(table.key, key, strict=True))):
            yield from self.sent(table, "PATCH", address, change)
            yield from self.sent(table, "PATCH", address, {name: row[name] for name in change})

    def unexpected(self, table: Stored, change: Body) -> Iterator[str]:
        """Whether there is something to change is known of each table: where there is not, PATCH is hardly tried."""
        if bool(change) is (table.name in self.known.unchangeable):
            yield f"can{'' if change else 'not'} be changed"

    def sent(self, table: Stored, method: str, address: str, body: Body) -> Iterator[str]:
        """What is wrong with the answer to a change of one row."""
        answer = self.served.client.request(method, address, json=body)
        if answer.status_code != 200:
            yield f"{method} of {body} is {answer.status_code}: {answer.text[:500]}"
        else:
            yield from self.differences(table, method, address, answer.json(), body)

    @contextlib.contextmanager
    def untouched(self, table: Stored, key: Mapping[str, Any]) -> Iterator[None]:
        """Put back what triggers of PostgreSQL have set in a row meanwhile, without calling them again."""
        touched = self.known.touched & set(table.columns)
        if not touched:
            yield
            return
        found = sa.table(table.name, *map(sa.column, touched))
        where = sa.and_(*(sa.column(column) == value for column, value in key.items()))
        with self.served.engine.connect() as connection:
            before = connection.execute(sa.select(found).where(where)).mappings().one()
        yield
        with self.served.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.execute(sa.update(found).where(where).values(**before))

    def differences(self, table: Stored, method: str, address: str, row: Item, sent: Body) -> Iterator[str]:
        """Where an answer is not what was sent, or not what is stored."""
        names = self.names(table)
        by_database = {names[column] for column in self.known.touched if column in names}
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
        fixed = {*self.known.touched, *(column for columns in table.unique for column in columns)}
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
