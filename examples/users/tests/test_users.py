"""The service as its clients see it, on an SQLite file of its own."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "balance": "12.50", "birthday": "1815-12-10"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TestClient]:
    """A client of the app on an empty database."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/users.db")
    with TestClient(runpy.run_module("examples.users.main")["app"]) as client:
        yield client


def test_a_user_is_created_and_read(client: TestClient) -> None:
    """POST answers the stored row and where it is; what was left out has its default."""
    created = client.post("/users", json=ADA)

    assert created.status_code == 201
    assert created.json() | ADA == created.json()
    assert (created.json()["is_active"], created.json()["is_admin"]) == (True, False)
    assert client.get(created.headers["location"]).json() == created.json()


def test_a_change_leaves_the_rest(client: TestClient) -> None:
    """PATCH writes what was sent, null included."""
    user = client.post("/users", json=ADA).json()

    changed = client.patch(f"/users/{user['id']}", json={"bio": "Writes programs.", "birthday": None})

    assert changed.json() == user | {"bio": "Writes programs.", "birthday": None}


def test_nobody_makes_themselves_an_admin(client: TestClient) -> None:
    """A read-only field is refused, and nothing is stored."""
    refused = client.post("/users", json=ADA | {"is_admin": True})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/is_admin"
    assert client.get("/users").json()["items"] == []


def test_an_email_is_taken_once(client: TestClient) -> None:
    """The second user of an email is told which field is at fault."""
    client.post("/users", json=ADA)

    refused = client.post("/users", json=ADA | {"name": "Eve"})

    assert refused.status_code == 409
    assert refused.json()["errors"][0]["pointer"] == "/email"


def test_posts_are_found_by_their_user(client: TestClient) -> None:
    """The list of posts can be asked for those of one user, newest first."""
    ada, eve = (
        client.post("/users", json=ADA | {"email": email}).json()["id"] for email in ("a@x.org", "e@x.org")
    )
    for user_id, title in ((ada, "First"), (eve, "Other"), (ada, "Second")):
        client.post("/posts", json={"user_id": user_id, "title": title, "body": "…"})

    listed = client.get("/posts", params={"user_id": ada, "order_by": "-id", "count": "exact"}).json()

    assert [post["title"] for post in listed["items"]] == ["Second", "First"]
    assert listed["total"] == 2


def test_an_author_stays(client: TestClient) -> None:
    """A user with posts cannot be deleted before them."""
    ada = client.post("/users", json=ADA).json()["id"]
    post = client.post("/posts", json={"user_id": ada, "title": "First", "body": "…"}).json()["id"]

    assert client.delete(f"/users/{ada}").status_code == 409
    assert client.delete(f"/posts/{post}").status_code == 204
    assert client.delete(f"/users/{ada}").status_code == 204
