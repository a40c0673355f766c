"""The databases as the project ships them: with their licences, and the same on every server."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.corpora.packed import FOLDER, Corpus
from tests.corpora.served import witness
from tests.corpora.stored import everything

TABLES_AND_ROWS = {
    "chinook-aiosqlite": (11, 15_607),
    "chinook-asyncpg": (11, 15_607),
    "chinook-asyncmy": (11, 15_607),
    "northwind-aiosqlite": (13, 3_310),
    "northwind-asyncmy": (13, 3_310),
    "sakila-aiosqlite": (16, 46_273),
    "sakila-asyncpg": (21, 46_273),
}


@pytest.fixture(scope="module", params=TABLES_AND_ROWS)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """Each database on each server."""
    return Corpus(*request.param.split("-"))


@pytest.mark.parametrize("name", ["chinook", "northwind", "sakila"])
def test_each_comes_with_its_licence(name: str):
    """The notice that each licence asks for stands beside the files."""
    (notice,) = (FOLDER / "licences").glob(f"{name}*")

    assert "Copyright (c)" in notice.read_text(encoding="utf-8")


def test_each_is_whole(corpus: Corpus, shared_url: str):
    """As many tables and rows as the README says, on every server."""
    engine = witness(shared_url)
    names = sa.inspect(engine).get_table_names()
    tables = [table for name, table in everything(engine).items() if name in names]
    engine.dispose()

    assert (len(tables), sum(len(table.rows) for table in tables)) == TABLES_AND_ROWS[str(corpus)]
