"""Tests that are run by pytest-asyncio, beside those that anyio runs."""

from __future__ import annotations

import pytest

pytest.importorskip("pytest_asyncio")

TESTS = """
import pytest
from main import User

@pytest.mark.asyncio
@pytest.mark.parametrize("time", ["first", "second"])
async def test_on_asyncio(async_client, async_session, time):
    async_session.add(User(name="ada"))
    await async_session.commit()
    assert len((await async_client.get("/users")).json()["items"]) == 1
"""
ON_ANYIO = """
import pytest

@pytest.mark.anyio
async def test_on_anyio(async_client):
    assert (await async_client.get("/users")).json()["items"] == []

def test_plain(client):
    assert client.get("/users").json()["items"] == []
"""


def test_async_fixtures_follow_the_plugin_of_the_test(project):
    """In pytest-asyncio's strict mode both plugins run their tests, each in its own loop."""
    project.settings = project.settings.replace(
        "anyio_mode = auto", "asyncio_default_fixture_loop_scope = function"
    )

    result = project.run("-p", "pytest_asyncio.plugin", a=TESTS, b=ON_ANYIO)

    result.assert_outcomes(passed=4)


def test_the_auto_mode_needs_no_mark(project):
    """With `asyncio_mode = auto` a test needs neither a mark nor another fixture."""
    project.settings = project.settings.replace(
        "anyio_mode = auto", "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function"
    )

    result = project.run("-p", "pytest_asyncio.plugin", a=TESTS.replace("@pytest.mark.asyncio\n", ""))

    result.assert_outcomes(passed=2)
