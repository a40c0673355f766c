"""A user's tests as a type checker sees them: the fixtures and functions of the kit are typed.

Checked by pyright in strict mode, never run.
"""

from __future__ import annotations

from typing import Any, assert_type

from fastapi.testclient import TestClient
from httpx2 import AsyncClient
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from splice import Database
from splice.testing import Statements, assert_problem, count_statements


def test_counts(client: TestClient, session: Session, statements: Statements) -> None:
    with statements.at_most(3) as counted:
        assert_type(counted, Statements)
        client.get("/users")
    assert_type(statements.recorded, list[str])


async def test_problem(async_client: AsyncClient) -> None:
    problem = assert_problem(await async_client.get("/users/7"), status=404, code="not-found")
    assert_type(problem, dict[str, Any])


def test_sources(client: TestClient) -> None:
    assert_problem(client.get("/users?x=1"), parameter="x", hint="did you mean")
    assert_type(count_statements(Database("sqlite://"), create_engine("sqlite://")), Statements)
