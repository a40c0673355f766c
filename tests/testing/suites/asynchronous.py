"""`async def` tests on an async driver. Each one finds the database as if it were the first."""

import asyncio

import pytest
from main import User, db
from sqlalchemy import func, select


@pytest.fixture
async def sessions(async_session_for, async_session):
    assert await async_session.scalar(select(func.count()).select_from(User)) == 0
    await async_session.rollback()
    return async_session_for


async def names(session):
    return list(await session.scalars(select(User.name).order_by(User.name)))


async def test_the_client_sees_what_the_session_has_committed(async_client, async_session, sessions):
    async_session.add(User(name="ada"))
    await async_session.commit()

    assert len((await async_client.get("/users")).json()["items"]) == 1


async def test_the_session_sees_what_the_client_has_written(async_client, async_session, sessions):
    created = await async_client.post("/users", json={"name": "ada"})
    ada = (await async_session.scalars(select(User))).one()
    await async_client.patch(created.headers["location"], json={"name": "eve"})

    assert (await async_session.get(User, ada.id)) is ada
    assert ada.name == "eve"


async def test_the_application_may_commit_and_roll_back(async_client, async_session, sessions):
    assert (await async_client.post("/commits")).status_code == 200

    assert await names(async_session) == ["kept"]


async def test_the_application_may_open_units_of_its_own(async_client, async_session, sessions):
    assert (await async_client.post("/units")).status_code == 200

    assert await names(async_session) == ["of db.begin", "of db.run", "of the request"]


async def test_requests_at_once_come_one_after_the_other(async_client, async_session, sessions):
    posts = (async_client.post("/users", json={"name": f"{number}"}) for number in range(8))
    answers = await asyncio.gather(*posts)

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len(await names(async_session)) == 8


async def test_scripts_are_isolated_too(async_database, async_session, sessions):
    async with async_database.begin() as unit:
        unit.add(User(name="ada"))
    await db.run(lambda session: session.add(User(name="eve")))

    assert await names(async_session) == ["ada", "eve"]


@pytest.mark.real_commits
async def test_commits_can_be_real(async_client, async_session, sessions):
    posts = (async_client.post("/users", json={"name": f"{number}"}) for number in range(4))
    answers = await asyncio.gather(*posts)

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len(await names(async_session)) == 4
