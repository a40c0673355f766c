"""What the app on a Resource has beyond the contract, without a line for it."""

from collections.abc import Callable, Iterator

import pytest

from examples.by_hand.tests.service import BY_HAND, Service, started


@pytest.fixture
def service(new_database: Callable[[str], str]) -> Iterator[Service]:
    with started("on_resource", BY_HAND, new_database("aiosqlite")) as running:
        yield running


def test_a_trailing_slash_makes_no_difference(service: Service) -> None:
    """`/users` and `/users/` are one route; neither answers with a redirect to the other."""
    user = {"name": "Ada", "email": "ada@example.org"}

    created = service.client.post("/users", json=user, follow_redirects=False)
    read = service.client.get(f"/users/{created.json()['id']}/", follow_redirects=False)

    assert (created.status_code, read.status_code) == (201, 200)
    assert read.json() == created.json()


def test_a_taken_email_is_named(service: Service) -> None:
    """The 409 says which field is at fault, so that a form can mark it."""
    service.create("Ada", "ada@example.org")

    problem = service.client.post("/users/", json={"name": "Eve", "email": "ada@example.org"})

    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["errors"][0]["pointer"] == "/email"


def test_an_unknown_field_is_refused(service: Service) -> None:
    """A misspelt field is 422 with a hint, where the apps by hand store NULL and say nothing."""
    problem = service.client.post("/users/", json={"nmae": "Ada"})

    assert problem.status_code == 422
    assert "name" in problem.json()["errors"][0]["hint"]
    assert service.rows == []


def test_users_can_be_listed_and_changed_in_part(service: Service) -> None:
    """GET on the collection and PATCH on a row come with the Resource."""
    user_id = service.create("Ada", "ada@example.org")

    changed = service.client.patch(f"/users/{user_id}", json={"name": "Ada Lovelace"})
    listed = service.client.get("/users", params={"email": "ada@example.org"})

    assert changed.status_code == 200
    assert listed.json()["items"] == [changed.json()]
