"""Databases served bare, by the models and the program that `splice serve URL --print` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import pytest

from splice.cli import main
from tests.corpora.packed import Corpus
from tests.corpora.reading import broken_references, misread, unfound
from tests.corpora.served import Served, load, serve
from tests.corpora.stored import Look, Stored, changed, everything
from tests.corpora.writing import Known, unwritten

Names: TypeAlias = frozenset[str]
Tables: TypeAlias = Mapping[str, Stored]

CORPORA = (
    Corpus("chinook", "aiosqlite"),
    Corpus("chinook", "asyncpg"),
    Corpus("chinook", "asyncmy"),
    Corpus("northwind", "aiosqlite"),
    Corpus("northwind", "asyncmy"),
    Corpus("sakila", "aiosqlite"),
    Corpus("sakila", "asyncpg"),
    Corpus("sakila", "asyncmy"),
)
HIDDEN = MappingProxyType(
    {
        "sakila-aiosqlite": frozenset({"staff.password"}),
        "sakila-asyncmy": frozenset({"staff.password"}),
        # Nobody knows what a tsvector would be in JSON.
        "sakila-asyncpg": frozenset({"staff.password", "film.fulltext"}),
    }
)
"""What is not shown: it looks secret, or has no spelling."""
UNWRITABLE = MappingProxyType(
    {
        # A column that is not shown has to have a value; rules divert what is inserted, so that no row comes back.
        "sakila-asyncpg": frozenset({"payment"}),
    }
)
"""Tables with a key that cannot be written all the same."""
UNCHANGEABLE = MappingProxyType(
    {
        "chinook": frozenset({"PlaylistTrack", "playlist_track"}),
        "northwind": frozenset({"CustomerCustomerDemo", "CustomerDemographics", "EmployeeTerritories"}),
        "sakila": frozenset({"film_actor", "film_category", "film_text"}),
    }
)
"""Tables that are links and nothing else, or empty: no field can be given another row's value."""
TOUCHED = MappingProxyType({"sakila": frozenset({"last_update"})})
"""Columns that triggers set."""
LOOK = Look(
    moments_as_text=True,
    # Aggregates without an order of their own.
    unordered=frozenset({"film_list.actors", "nicer_but_slower_film_list.actors"}),
)
NOTHING: Names = frozenset()


@pytest.fixture(scope="module", params=CORPORA, ids=str)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """Each database on each server that it comes for."""
    chosen: Corpus = request.param
    return chosen


@pytest.fixture(scope="module")
def served(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A database that nobody writes to, served as `splice serve URL` does."""
    with bare(shared_url, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="module")
def stored(served: Served) -> Tables:
    """What the database holds."""
    return everything(served.engine, LOOK)


@pytest.fixture
def written(own_url: str, tmp_path: Path) -> Iterator[Served]:
    """A database of its own, served as `splice serve URL --write` does."""
    with bare(own_url, tmp_path, "--write") as running:
        yield running


@contextmanager
def bare(url: str, folder: Path, *options: str) -> Iterator[Served]:
    assert main(["serve", url, "--print", "--output", str(folder / "printed"), *options]) == 0
    with serve(load(folder / "printed", url), url) as running:
        yield running


def test_every_row_is_shown_as_it_is_stored(served: Served, stored: Tables, corpus: Corpus):
    """All pages of all tables and views hold each row once, every column in its spelling."""
    hidden = HIDDEN.get(str(corpus), NOTHING)

    assert misread(served, stored, hidden) == []


def test_every_foreign_key_leads_there_and_back(served: Served, stored: Tables, corpus: Corpus):
    """What a row refers to has an address, and a filter by the reference finds those that refer."""
    hidden = HIDDEN.get(str(corpus), NOTHING)

    assert broken_references(served, stored, hidden) == []


def test_what_is_shown_is_found(served: Served, stored: Tables, corpus: Corpus):
    """A value of each column, as an answer shows it, is what a filter takes, and finds the rows that have it."""
    hidden = HIDDEN.get(str(corpus), NOTHING)

    assert unfound(served, stored, hidden) == []


def test_nothing_can_be_written_unless_asked_for(served: Served):
    """Without --write, lists and rows can be read, and that is all; the QUERY method reads, too."""
    assert {method for table in served.resources for method in served.methods(table)} == {
        "GET",
        "HEAD",
        "OPTIONS",
        "QUERY",
    }


def test_every_table_can_be_written_and_put_back(written: Served, corpus: Corpus):
    """With --write a row of each table is created, changed, replaced and deleted; then all is what it was."""
    before = everything(written.engine, LOOK)
    known = Known(
        UNWRITABLE.get(str(corpus), NOTHING),
        UNCHANGEABLE.get(corpus.name, NOTHING),
        TOUCHED.get(corpus.name, NOTHING),
    )

    assert unwritten(written, before, known) == []
    assert changed(before, everything(written.engine, LOOK)) == []
