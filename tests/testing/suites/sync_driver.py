"""`async def` tests on a sync driver: its sessions belong to no event loop."""

from main import User
from sqlalchemy import select


async def test_the_session_and_the_async_client_see_the_same(async_client, session):
    session.add(User(name="ada"))
    session.commit()
    await async_client.post("/users", json={"name": "eve"})

    assert set(session.scalars(select(User.name))) == {"ada", "eve"}


async def test_nothing_is_left(async_client):
    assert (await async_client.get("/users")).json()["items"] == []
