"""`splice explain`: what a request will do, on a screen or as JSON."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa

from splice import Database


def test_a_request_is_explained(shop, run):
    """The statement over lines, the values below it, the path and why."""
    said = run("explain", "main:app", "GET /customers?name=Ada&order_by=-id")

    assert said.code == 0
    assert said.out == (
        "GET /customers  list Customer, sqlite\n"
        "\n"
        "1. read the page, and one row more to know whether another follows\n"
        "   SELECT customers.id, customers.name\n"
        "   FROM customers\n"
        "   WHERE customers.name = ?\n"
        "   ORDER BY customers.id DESC\n"
        "   LIMIT ? OFFSET ?\n"
        "   1: name_1 = 'Ada'\n"
        "   2: param_1 = 51\n"
        "   3: param_2 = 0\n"
        "\n"
        "path  rows\n"
        "      no read= model is given, so rows become JSON straight from the columns, without ORM entities\n"
        "      the request goes through FastAPI's dependencies (the safe path); only the session is one\n"
    )


def test_a_write_shows_every_step(shop, run):
    """The lock, the UPDATE and the reading back, with the values of the body."""
    said = run("explain", "main:app", "PATCH /customers/1", "--body", '{"name": "Bob"}')

    steps = [line for line in said.out.splitlines() if line[:1].isdigit()]
    assert steps == [
        "1. read the row",
        "2. write what has changed",
        "3. read it back as the database stored it",
    ]
    assert "   1: name = 'Bob'" in said.out
    assert "COMMIT comes last" in said.out


def test_quotes_may_be_forgotten(shop, run):
    """A method and a path as two words are one request."""
    assert run("explain", "main:app", "GET", "/customers").out == run("explain", "main:app", "/customers").out


def test_the_project_names_the_application(shop, run):
    """With [tool.splice] in pyproject.toml the request is enough."""
    (shop / "pyproject.toml").write_text('[tool.splice]\napp = "main:app"\n')

    assert run("explain", "GET /customers").out.startswith("GET /customers  list Customer")
    assert run("explain", "DELETE", "/customers/1").out.startswith("DELETE /customers/{id}  delete Customer")


def test_a_database_is_explained_too(shop, run):
    """A bare database has the routes that `serve` would give it."""
    assert "FROM visits" in run("explain", "shop.db", "/visits").out
    assert "405 Method not allowed" in run("explain", "shop.db", "POST /customers").err
    assert "INSERT INTO customers" in run("explain", "shop.db", "POST /customers", "--write").out


def test_another_dialect_can_be_asked_for(shop, run):
    """The same request as another database would get it."""
    assert "LIMIT %s, %s" in run("explain", "main:app", "/customers", "--dialect", "mariadb").out


def test_an_explanation_can_be_read_by_programs(shop, run):
    """--json has everything, with null for a value that is not known yet."""
    said = run("explain", "main:app", "POST /customers", "--json")

    document = json.loads(said.out)
    insert = document["statements"][0]
    assert document["path"] == "rows"
    assert insert["sql"].startswith("INSERT INTO customers (name, password_hash)")
    assert insert["parameters"][0] == {"name": "name", "value": None, "origin": "from the body"}


@pytest.mark.parametrize(
    ("database_url", "words"),
    [("aiosqlite", "SCAN customers"), ("asyncpg", "Seq Scan on customers"), ("asyncmy", "table=customers")],
    indirect=["database_url"],
)
def test_the_database_tells_its_own_plan(database_url, words, shop, run, monkeypatch):
    """--plan asks how each SELECT would be run; what `create=` would make at a start, it does not."""
    monkeypatch.setenv("SHOP", database_url)
    refused = run("explain", "main:app", "/customers", "--plan")
    asyncio.run(make_customers(database_url))

    said = run("explain", "main:app", "/customers?name=Ada", "--plan")

    assert refused.code == 1
    assert "are its tables there?" in refused.err
    assert words in " ".join(line for line in said.out.splitlines() if line.startswith("   plan: "))


async def make_customers(url: str) -> None:
    db = Database(url)
    async with db.begin() as session:
        await session.execute(
            sa.text("CREATE TABLE customers (id INTEGER, name VARCHAR(40), password_hash VARCHAR(80))")
        )
    await db.close()
