"""The service as its clients see it, on a test database; `--database=postgresql` takes the same tests there."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from examples.users.models import Post, User
from splice.testing import Statements, assert_problem

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "balance": "12.50", "birthday": "1815-12-10"}


@pytest.fixture
def ada(session: Session) -> User:
    ada = User(name="Ada Lovelace", email="ada@example.org", bio="A mathematician.")
    session.add(ada)
    session.commit()
    return ada


def test_a_user_is_created_and_read(client: TestClient) -> None:
    """POST answers the stored row and where it is; what was left out has its default."""
    created = client.post("/users", json=ADA)

    assert created.status_code == 201
    assert created.json() | ADA == created.json()
    assert (created.json()["is_active"], created.json()["is_admin"]) == (True, False)
    assert client.get(created.headers["location"]).json() == created.json()


def test_a_change_leaves_the_rest(client: TestClient, ada: User) -> None:
    """PATCH writes what was sent, null included."""
    user = client.get(f"/users/{ada.id}").json()

    changed = client.patch(f"/users/{ada.id}", json={"bio": None, "age": 36})

    assert changed.json() == user | {"bio": None, "age": 36}


def test_nobody_makes_themselves_an_admin(client: TestClient, session: Session) -> None:
    """A read-only field is refused, and nothing is stored."""
    refused = client.post("/users", json=ADA | {"is_admin": True})

    assert_problem(refused, status=422, code="forbidden-field", pointer="/is_admin")
    assert session.scalars(select(User)).all() == []


def test_an_email_is_taken_once(client: TestClient, ada: User) -> None:
    """The second user of an email is told which field is at fault."""
    refused = client.post("/users", json={"name": "Eve", "email": ada.email})

    assert_problem(refused, status=409, code="not-unique", pointer="/email")


def test_posts_are_found_by_their_user(client: TestClient, session: Session, statements: Statements) -> None:
    """The posts of one user, newest first and with their number, are two statements whoever wrote how many."""
    ada, eve = (User(name=name, email=f"{name}@example.org") for name in ("ada", "eve"))
    session.add_all(
        [Post(user=user, title=title, body="…") for user, title in ((ada, "First"), (eve, "Other"))]
    )
    session.flush()
    session.add(Post(user=ada, title="Second", body="…"))
    session.commit()

    with statements.exactly(2):
        listed = client.get("/posts", params={"user_id": ada.id, "order_by": "-id", "count": "exact"}).json()

    assert [post["title"] for post in listed["items"]] == ["Second", "First"]
    assert listed["total"] == 2


def test_an_author_stays(client: TestClient, session: Session, ada: User) -> None:
    """A user with posts cannot be deleted before them."""
    post = Post(user=ada, title="First", body="…")
    session.add(post)
    session.commit()

    assert_problem(client.delete(f"/users/{ada.id}"), status=409, code="still-referenced")
    assert client.delete(f"/posts/{post.id}").status_code == 204
    assert client.delete(f"/users/{ada.id}").status_code == 204
