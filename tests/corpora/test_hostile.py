"""Hostile requests to databases that nobody made for splice: the attacks follow whatever schema there is."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from splice import Resource
from tests.corpora.packed import Corpus
from tests.corpora.served import Served
from tests.corpora.stored import changed, everything
from tests.corpora.test_bare import CORPORA, LOOK, bare
from tests.http.hostile.attacks import Attack, Group, Model, listing
from tests.http.hostile.figures import Sends
from tests.http.hostile.groups import GROUPS
from tests.http.hostile.targets import Target, faults, tells_too_much

EACH = 80
"""Attacks of a kind on one database, evenly taken of all that there are."""


@pytest.fixture(params=CORPORA, ids=str)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """Each database on each server that it comes for."""
    chosen: Corpus = request.param
    return chosen


@pytest.fixture
def written(own_url: str, tmp_path: Path) -> Iterator[Served]:
    """A database of its own, served as `splice serve URL --write` does."""
    with bare(own_url, tmp_path, "--write") as running:
        yield running


@pytest.mark.slow
def test_hostile_requests_are_refused(written: Served, sends: Sends, caplog: pytest.LogCaptureFixture):
    """Each is answered 4xx without internals, in the answer or the log; nothing is stored, and lists go on."""
    caplog.set_level(logging.INFO)
    before = everything(written.engine, LOOK)
    tables = list(attackable(written))
    models = [table.model for table in tables]
    call: Any = written.client.portal
    target = Target(written.client.app, call.call, {table.model.table: table.key for table in tables})
    attacks = {group.__name__: list(some(group, models)) for group in GROUPS}
    for kind, chosen in attacks.items():
        sends(kind, len(chosen))

    found = [
        f"{attack.name[:200]}: {fault}"
        for chosen in attacks.values()
        for attack in chosen
        for fault in faults(attack, target.send(attack))
    ]

    assert not found, "\n".join(found)
    assert changed(before, everything(written.engine, LOOK)) == []
    assert {target.send(listing(model)).status for model in models} == {200}
    assert [record.message for record in caplog.records if tells_too_much(record.message)] == []


@dataclass(frozen=True)
class Table:
    """A table with a row in it: what of it is attacked, and the path of the row behind that of the list."""

    model: Model
    key: str


def attackable(served: Served) -> Iterator[Table]:
    """The tables that can be written and have a row, whose values are those of the bodies that attacks change."""
    for resource in served.resources.values():
        (*_, row) = (None, *served.client.get(resource.prefix, params={"limit": 1}).json()["items"])
        if row and "POST" in served.methods(resource.model.__table__.name):
            yield table(resource, row)


def table(resource: Resource[Any], row: dict[str, Any]) -> Table:
    known = {name: json.dumps(value) for name, value in row.items()}
    key = "/".join(quote(str(row[field.name]), safe="") for field in resource.description.key)
    return Table(Model(resource.description, resource.prefix, known), key)


def some(group: Group, models: Sequence[Model]) -> Iterator[Attack]:
    """Some of the attacks of a group, of all models and all parts of it."""
    step = max(1, sum(1 for _ in group(models)) // EACH)
    # Not a multiple of the steps by which methods and fields follow each other.
    step += step % 2 == 0
    return (attack for number, attack in enumerate(group(models)) if number % step == 0)


WHOLE = pytest.mark.parametrize("corpus", [Corpus("sakila", "aiosqlite")], ids=str, indirect=True)


@WHOLE
@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "9" * 30])
def test_a_moment_that_the_column_cannot_hold_is_refused(written: Served, value: str):
    """A number in a column for moments is stored as it was sent, or refused; never as another one, or none."""
    answer = written.client.patch("/customer/1", json={"create_date": value})

    assert answer.status_code == 422 or answer.json()["create_date"] == value


@WHOLE
def test_no_answer_names_the_database(written: Served):
    """What is wrong with a value is told in words of the client, not of the database."""
    answer = written.client.patch("/customer/1", json={"create_date": "soon"})

    assert answer.status_code == 422
    assert not tells_too_much(answer.text)
