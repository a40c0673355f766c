"""The models of `examples/chinook`, written by hand, show and change the whole database on every server."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import pytest

from tests.corpora.packed import Corpus
from tests.corpora.reading import broken_references, misread, unfound
from tests.corpora.served import Served, environment, serve
from tests.corpora.stored import Stored, changed, everything
from tests.corpora.writing import Known, unwritten

Tables: TypeAlias = Mapping[str, Stored]

CORPORA = (
    Corpus("chinook", "aiosqlite"),
    Corpus("chinook", "asyncpg", fitted=True),
    Corpus("chinook", "asyncmy"),
)
NOTHING: frozenset[str] = frozenset()


@pytest.fixture(scope="module", params=CORPORA, ids=str)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """The database on each server in turn."""
    chosen: Corpus = request.param
    return chosen


@pytest.fixture(scope="module")
def served(shared_url: str) -> Iterator[Served]:
    """The example, on a database that nobody writes to."""
    yield from example(shared_url)


@pytest.fixture(scope="module")
def stored(served: Served) -> Tables:
    """What the database holds."""
    return everything(served.engine)


@pytest.fixture
def written(own_url: str) -> Iterator[Served]:
    """The example, on a database of its own."""
    yield from example(own_url)


def example(url: str) -> Iterator[Served]:
    with environment(url), serve(runpy.run_module("examples.chinook.main")["app"], url) as served:
        yield served


def test_every_row_is_shown_as_it_is_stored(served: Served, stored: Tables):
    """All pages of all tables hold each row once, every column in its spelling, and count what is there."""
    assert misread(served, stored, NOTHING) == []


def test_every_foreign_key_leads_there_and_back(served: Served, stored: Tables):
    """What a row refers to has an address, and a filter by the reference finds those that refer."""
    assert broken_references(served, stored, NOTHING) == []


def test_what_is_shown_is_found(served: Served, stored: Tables):
    """A value of each column, as an answer shows it, is what a filter takes, and finds the rows that have it."""
    assert unfound(served, stored, NOTHING) == []


def test_every_table_can_be_written_and_put_back(written: Served):
    """A row of each table is created, changed, replaced and deleted; then the database is what it was."""
    before = everything(written.engine)

    assert unwritten(written, before, Known(unchangeable=frozenset({"PlaylistTrack"}))) == []
    assert changed(before, everything(written.engine)) == []


def test_the_far_end_of_a_table_is_reached_by_filter(served: Served):
    """More than 1,000 rows a page, and more than 100,000 skipped, are refused."""
    path = served.path("Track")

    assert served.client.get(path, params={"limit": 1_001}).status_code == 422
    assert served.client.get(path, params={"offset": 100_001}).status_code == 422
    assert served.client.get(path, params={"limit": 1_000, "offset": 100_000}).json()["items"] == []
