"""Up, down and up again with rows in the tables, on each database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from splice.migrations import commands
from splice.settings import find_settings
from tests.migrations import shop

PEOPLE = [
    {"id": 1, "name": "Ada", "email": "ada@x.org", "mood": "calm", "boss_id": None, "note": None},
    {"id": 2, "name": "Bob", "email": None, "mood": "wild", "boss_id": 1, "note": "is new"},
]
ORDERS = [
    {
        "id": 7,
        "person_id": 1,
        "total": Decimal("12.50"),
        "paid": True,
        "at": dt.datetime(2025, 1, 2, 3, 4, 5, 678),
    },
    {
        "id": 8,
        "person_id": 2,
        "total": Decimal(0),
        "small": 5,
        "size": "m",
        "extra": {"a": [1]},
        "day": dt.date(2025, 1, 1),
    },
]
PEOPLE_SQL = "SELECT id, name, email, mood, boss_id FROM people ORDER BY id"


def fill(migrated: Any, text: str) -> None:
    """Write a statement at the start of the newest revision's upgrade."""
    file = max(migrated.settings.folder.glob("versions/*.py"), key=lambda file: file.stat().st_mtime_ns)
    head = "def upgrade() -> None:\n"
    file.write_text(file.read_text().replace(head, f'{head}    op.execute("{text}")\n'))


async def store(migrated: Any) -> None:
    tables = shop.FIRST.tables
    for row in PEOPLE:
        await migrated.execute(sa.insert(tables["people"]).values({**row, "mood": shop.Mood(row["mood"])}))
    for row in ORDERS:
        await migrated.execute(sa.insert(tables["orders"]).values(row))


async def rows(migrated: Any) -> list[Any]:
    orders = await migrated.execute(sa.select(shop.FIRST.tables["orders"]).order_by(sa.text("id")))
    return [*map(tuple, await migrated.execute(PEOPLE_SQL)), *map(tuple, orders)]


async def test_after_an_upgrade_nothing_differs(migrated):
    """What a first revision makes is what the models say: keys, CHECKs, enums, defaults, types."""
    migrated.models("shop:FIRST")
    await migrated.revise("first")

    await migrated.upgrade()

    assert await migrated.check() == ()


async def test_rows_survive_up_down_and_up_again(migrated):
    """Parents and children keep their rows, and each version is exactly what its models say."""
    migrated.models("shop:FIRST")
    await migrated.revise("first")
    await migrated.upgrade()
    await store(migrated)
    before = await rows(migrated)
    migrated.models("shop:SECOND")
    hints = (await migrated.revise("second")).hints
    fill(migrated, "UPDATE people SET note = '' WHERE note IS NULL")

    for _ in range(2):
        await migrated.upgrade()
        assert await migrated.check() == ()
        assert await rows(migrated) == before
        assert set(await migrated.execute("SELECT locale FROM people")) == {("en",)}

        await migrated.downgrade("-1")
        migrated.models("shop:FIRST")
        assert (await migrated.run(differing, migrated)) == ()
        assert await rows(migrated) == before
        migrated.models("shop:SECOND")

    assert [hint.split(":")[0] for hint in hints] == ["people.note becomes NOT NULL"]


def differing(session: Any, migrated: Any) -> tuple[str, ...]:
    """Compare with the newest revision out of sight."""
    versions = migrated.settings.folder / "versions"
    newest = max(versions.glob("*.py"), key=lambda file: file.stat().st_mtime_ns)
    hidden = newest.rename(newest.with_suffix(".hidden"))
    try:
        return commands.compare(session, migrated.project)
    finally:
        hidden.rename(newest)


async def test_the_example_goes_up_down_and_up_again(migrated):
    """The people of examples/users lose nothing but the column that a downgrade drops."""
    migrated.settings = find_settings(Path(shop.__file__).parents[2])
    await migrated.upgrade("+1")
    insert = (
        "INSERT INTO users (id, name, email, is_active, is_admin) VALUES (1, 'Ada', 'a@x.org', true, false)"
    )
    await migrated.execute(insert)
    await migrated.execute("INSERT INTO posts (id, user_id, title, body) VALUES (7, 1, 'First', '…')")

    await migrated.upgrade()
    assert await migrated.check() == ()
    assert await migrated.execute("SELECT name, locale FROM users") == [("Ada", "en")]
    await migrated.downgrade("-1")
    await migrated.upgrade()

    assert await migrated.execute("SELECT users.name, title FROM posts JOIN users ON user_id = users.id") == [
        ("Ada", "First")
    ]
    assert await migrated.check() == ()
