"""How the service starts: several processes at once, and people only on the first start."""

import os
import subprocess
import sys

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from examples.users.models import Post, User
from examples.users.seed import USERS, fill
from splice import Database

START = "import asyncio; from examples.users.__main__ import prepare; asyncio.run(prepare())"


def count(session: Session) -> tuple[int, int]:
    users, posts = (session.scalar(select(func.count()).select_from(model)) for model in (User, Post))
    return users or 0, posts or 0


def start(database_url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", START], env=os.environ | {"DATABASE_URL": database_url})


async def test_people_are_stored_once(async_database: Database) -> None:
    """The second start finds the people of the first, and those who have come since."""
    assert await fill(async_database) is True
    first = await async_database.run(count)

    assert await fill(async_database) is False
    assert await async_database.run(count) == first
    assert first[0] == USERS


async def test_several_processes_may_start_at_once(database_url: str) -> None:
    """Four processes on an empty database all start, and one of them stores the people."""
    starts = [start(database_url) for _ in range(4)]

    assert [process.wait(60) for process in starts] == [0, 0, 0, 0]
    db: Database = Database(database_url)
    assert (await db.run(count))[0] == USERS
    await db.close()


def test_the_start_says_where_to_look() -> None:
    """The address of the service, of its documentation, and a request to try."""
    program = "from examples.users.__main__ import greeting; print(greeting('http://127.0.0.1:8123'))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "http://127.0.0.1:8123/users" in said
    assert "http://127.0.0.1:8123/docs" in said
    assert "curl 'http://127.0.0.1:8123/users?" in said
