"""Entity tags: `If-None-Match` spares an answer, `If-Match` a lost update."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private


class Base(DeclarativeBase):
    pass


class Page(Base):
    """Its entity tag is a hash."""

    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    views: Mapped[int] = mapped_column(default=0)
    margin: Mapped[int | None] = mapped_column(info=private)


class Draft(Base):
    """Its entity tag is its version."""

    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    views: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # SQLAlchemy's spelling


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Page, db))
    app.include_router(Resource(Draft, db))
    return app


MODELS = pytest.mark.parametrize("path", ["/pages", "/drafts"])
WRITES = pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"text": "new"}), ("PUT", {"text": "new"}), ("DELETE", None)],
    ids=["patch", "put", "delete"],
)
FOREIGN = ['"other"', "", "W/{}", "{unquoted}", '"other", "*"']


def new(client, path) -> tuple[str, str]:
    """The address and entity tag of a new row."""
    answer = client.post(path, json={"text": "old"})
    return answer.headers["location"], answer.headers["etag"]


def spelt(header: str, tag: str) -> str:
    return header.replace("{unquoted}", tag.strip('"')).replace("{}", tag)


@MODELS
def test_an_entity_tag_is_strong_and_stable(client, path):
    """The tag is quoted, and the same as long as the row is."""
    address, tag = new(client, path)

    assert re.fullmatch(r'"[0-9a-zA-Z]+"', tag)
    assert client.get(address).headers["etag"] == client.get(address).headers["etag"] == tag


@MODELS
def test_an_entity_tag_changes_with_the_row(client, path):
    """Another state has another tag, which the answer to the change carries already."""
    address, tag = new(client, path)

    changed = client.patch(address, json={"text": "new"}).headers["etag"]

    assert changed != tag
    assert client.get(address).headers["etag"] == changed


def test_a_version_is_the_entity_tag(client):
    """A version column counts the states, and is read-only without being told."""
    address, tag = new(client, "/drafts")

    answer = client.patch(address, json={"text": "new"})

    assert (tag, answer.headers["etag"], answer.json()["version"]) == ('"1"', '"2"', 2)
    assert client.patch(address, json={"version": 7}).json()["errors"][0]["code"] == "forbidden-field"


def test_a_private_column_does_not_show_in_the_entity_tag(service):
    """The hash covers what clients may see, and so gives nothing else away."""
    address, tag = new(service.client, "/pages")
    with service.witness.begin() as session:
        session.execute(sa.update(Page).values(margin=8))

    assert service.client.get(address).headers["etag"] == tag


@MODELS
@pytest.mark.parametrize("header", ["{}", "W/{}", "*", ' "a" , W/{} '])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_state_is_not_sent_again(client, path, header, method):
    """304 has the tag and no body; tags are compared weakly."""
    address, tag = new(client, path)

    answer = client.request(method, address, headers={"if-none-match": spelt(header, tag)})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == tag


@MODELS
@pytest.mark.parametrize("header", ['"other"', "", "{unquoted}", '"other", "another"'])
def test_an_unknown_state_is_sent(client, path, header):
    """Without a tag that fits, the row is sent."""
    address, tag = new(client, path)

    assert client.get(address, headers={"if-none-match": spelt(header, tag)}).status_code == 200


@MODELS
@WRITES
@pytest.mark.parametrize("header", ["{}", '"other", {}', "*"])
def test_a_change_to_the_state_that_was_read_is_made(client, path, method, body, header):
    """`If-Match` with the row's tag lets the change through."""
    address, tag = new(client, path)

    answer = client.request(method, address, json=body, headers={"if-match": spelt(header, tag)})

    assert answer.status_code in {200, 204}


@MODELS
@WRITES
@pytest.mark.parametrize("header", FOREIGN)
def test_a_change_to_another_state_is_refused(client, path, method, body, header):
    """412 leaves the row as it is; tags are compared strongly."""
    address, tag = new(client, path)

    answer = client.request(method, address, json=body, headers={"if-match": spelt(header, tag)})

    assert answer.status_code == 412
    assert answer.json()["type"] == "/problems/precondition-failed"
    assert client.get(address).headers["etag"] == tag


@MODELS
@WRITES
def test_an_old_tag_is_refused_after_a_change(client, path, method, body):
    """The second of two clients that read the same state is told to read again."""
    address, tag = new(client, path)
    client.patch(address, json={"views": 1})

    answer = client.request(method, address, json=body, headers={"if-match": tag})

    assert answer.status_code == 412


@MODELS
@WRITES
def test_a_missing_row_is_not_found_in_any_state(client, path, method, body):
    """404 comes before 412: there is nothing whose state could be wrong."""
    answer = client.request(method, f"{path}/2147483647", json=body, headers={"if-match": "*"})

    assert answer.status_code == 404


@MODELS
@WRITES
def test_of_two_changes_at_once_one_is_made(client, path, method, body):
    """Two requests with the same tag at the same time: one succeeds, the other is refused."""
    for _ in range(5):
        address, tag = new(client, path)
        bodies = [body and {"text": f"new {number}"} for number in (1, 2)]

        with ThreadPoolExecutor(2) as threads:
            statuses = list(
                threads.map(
                    lambda sent, address=address, tag=tag: (
                        client.request(method, address, json=sent, headers={"if-match": tag}).status_code
                    ),
                    bodies,
                )
            )

        assert sorted(statuses) in ([200, 412], [204, 404])


@MODELS
def test_changes_at_once_without_a_condition_are_all_made(client, path):
    """Without `If-Match`, the last one wins field by field: nothing is lost that was not overwritten."""
    address, _ = new(client, path)
    bodies = [{"text": "new"}, {"views": 5}] * 5

    with ThreadPoolExecutor(4) as threads:
        statuses = set(threads.map(lambda body: client.patch(address, json=body).status_code, bodies))

    row = client.get(address).json()
    assert statuses == {200}
    assert (row["text"], row["views"]) == ("new", 5)


@MODELS
def test_a_list_carries_no_entity_tag(client, path):
    """Tags are of single rows."""
    assert "etag" not in client.get(path).headers
