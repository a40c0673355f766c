"""Following cursors visits each row once, in both directions, whatever the order and whoever writes meanwhile."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install

ROWS = 23
COMERS = 12
TERMS = ("kind", "word", "price", "day", "owner__name", "owner__rank", "owner__boss__name", "id")
SETTINGS = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(10))
    rank: Mapped[int]
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("owners.id"))
    boss: Mapped[Owner | None] = relationship(remote_side="Owner.id")


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[int | None]
    word: Mapped[str | None] = mapped_column(sa.String(10))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    day: Mapped[dt.datetime | None]
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship()


class Pair(Base):
    __tablename__ = "pairs"
    left: Mapped[int] = mapped_column(primary_key=True)
    right: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    kind: Mapped[int | None]


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in (Item, Owner, Pair):
        app.include_router(Resource(model, db))
    return app


def item(chance: random.Random) -> Item:
    """A row like many others, with nothing in some places."""

    def one_of(*values: Any) -> Any:
        return chance.choice([None, *values])

    return Item(
        kind=one_of(1, 2, -(2**31)),
        word=one_of("a", "b", "ab"),
        price=one_of(Decimal("0.10"), Decimal("-1.00"), Decimal("99999999.99")),
        day=one_of(dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 0, 0, 0, 1), dt.datetime(9999, 12, 31)),
        owner_id=one_of(1, 2, 3),
    )


@pytest.fixture
def stocked(service):
    """A service with rows that have ties, and nothing in some places."""
    chance = random.Random(service.dialect)
    service.store(
        Owner(id=1, name="ada", rank=1),
        Owner(id=2, name=None, rank=1, boss_id=1),
        Owner(id=3, name="bob", rank=2, boss_id=2),
    )
    service.store(*(item(chance) for _ in range(ROWS)))
    service.store(*(Pair(left=n % 3, right="abcdefgh"[n], kind=chance.choice([None, 1])) for n in range(8)))
    return service


orders = st.lists(st.tuples(st.sampled_from(["", "-"]), st.sampled_from(TERMS)).map("".join), max_size=4).map(
    ",".join
)


def parameters(order: str, limit: int) -> dict[str, Any]:
    return {"limit": limit, **({"order_by": order} if order else {})}


def keys(answer) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def there(
    client, sent: dict[str, Any], after_page: Callable[[], Any] = lambda: None
) -> tuple[list[Any], str]:
    """The keys of all pages from the first to the last, and the address of the last."""
    answer = client.get("/items", params=sent)
    seen = keys(answer)
    while (cursor := answer.json()["next"]) is not None:
        after_page()
        assert len(answer.json()["items"]) == sent["limit"]
        answer = client.get("/items", params={**sent, "cursor": cursor})
        seen += keys(answer)
    assert "next" not in answer.links
    return seen, str(answer.url)


def back(client, address: str, after_page: Callable[[], Any] = lambda: None) -> list[Any]:
    """The keys of all pages before one and on it, by `prev`."""
    answer = client.get(address)
    seen = keys(answer)
    while "prev" in answer.links:
        after_page()
        answer = client.get(answer.links["prev"]["url"])
        seen = keys(answer) + seen
    return seen


@given(order=orders, limit=st.integers(1, 9))
@example(order="-kind,owner__name", limit=1)
@example(order="", limit=ROWS)
@SETTINGS
def test_a_walk_there_and_back_visits_each_row_once(stocked, order, limit):
    """All pages in a row are the whole list, forward by `next` and backward by `prev`."""
    whole = keys(stocked.client.get("/items", params=parameters(order, 1000)))

    seen, last = there(stocked.client, parameters(order, limit))

    assert len(whole) == ROWS
    assert seen == whole
    assert back(stocked.client, last) == whole


@given(order=orders, limit=st.integers(1, 9))
@SETTINGS
def test_the_first_page_is_reached_from_every_other(stocked, order, limit):
    """`first` leads to the first page, which has nothing before it."""
    first = stocked.client.get("/items", params=parameters(order, limit))
    second = stocked.client.get(first.links["next"]["url"])

    assert "prev" not in first.links
    assert keys(stocked.client.get(second.links["first"]["url"])) == keys(first)
    assert keys(stocked.client.get(second.links["prev"]["url"])) == keys(first)


@given(order=orders, limit=st.integers(1, 9), number=st.integers(0, 2**32))
@settings(SETTINGS, max_examples=8)
def test_a_walk_sees_what_stays_while_others_write(stocked, order, limit, number):
    """Rows that are inserted and deleted meanwhile neither hide nor repeat one that was there all the time."""
    stays = keys(stocked.client.get("/items?limit=1000"))
    comers: list[int] = []
    chance = random.Random(number)

    def write() -> None:
        if len(comers) >= COMERS:
            return  # Whoever writes faster than others read would never let them come to an end.
        with stocked.witness.begin() as session:
            fresh = [item(chance) for _ in range(3)]
            session.add_all(fresh)
            if comers:
                gone = comers.pop(chance.randrange(len(comers)))
                session.execute(sa.delete(Item).where(Item.id == gone))
            session.flush()
            comers.extend(one.id for one in fresh)

    write()
    seen, last = there(stocked.client, parameters(order, limit), write)
    returned = back(stocked.client, last, write)
    with stocked.witness.begin() as session:
        session.execute(sa.delete(Item).where(Item.id.not_in(stays)))

    for walk in (seen, returned):
        assert sorted(one for one in walk if one in stays) == stays
        assert len(walk) == len(set(walk))


def test_the_row_that_a_cursor_stands_on_may_go(stocked):
    """A cursor holds a place, not a row: it goes on behind a row that is deleted."""
    whole = keys(stocked.client.get("/items?order_by=-kind,word"))
    page = stocked.client.get("/items?order_by=-kind,word&limit=5")
    with stocked.witness.begin() as session:
        session.execute(sa.delete(Item).where(Item.id == whole[4]))

    assert keys(stocked.client.get(page.links["next"]["url"])) == whole[5:10]


@pytest.mark.parametrize("order", ["", "-kind", "right", "-right,kind", "-left,-right"])
def test_pages_of_a_composite_key_do_not_overlap(stocked, order):
    """All parts of a key take part in the place between two rows."""
    sent = parameters(order, 3)
    whole = stocked.client.get("/pairs", params=parameters(order, 1000)).json()["items"]
    answer = stocked.client.get("/pairs", params=sent)
    seen = answer.json()["items"]
    while answer.json()["next"]:
        answer = stocked.client.get("/pairs", params={**sent, "cursor": answer.json()["next"]})
        seen += answer.json()["items"]

    assert len(whole) == 8
    assert seen == whole


def test_a_document_takes_cursors_too(stocked):
    """`next` goes into the document as well as into the address, and they are the same pages."""
    document = {"filter": {"kind__isnull": False}, "order_by": ["-kind", "owner__name"], "limit": 4}
    sent = {"kind__isnull": "false", "order_by": "-kind,owner__name", "limit": 4}

    by_document, by_address = [], []
    for pages, ask in (
        (by_document, lambda more: stocked.client.post("/items/query", json={**document, **more})),
        (by_address, lambda more: stocked.client.get("/items", params={**sent, **more})),
    ):
        answer = ask({})
        pages.append(keys(answer))
        while answer.json()["next"]:
            answer = ask({"cursor": answer.json()["next"]})
            pages.append(keys(answer))

    assert by_document == by_address
    assert len(by_document) > 1


# Cursors that are not of this query.


def refused(answer) -> None:
    assert answer.status_code == 422, answer.text
    (issue,) = answer.json()["errors"]
    assert (issue["code"], issue["parameter"]) == ("invalid-cursor", "cursor")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "0",
        "next",
        "null",
        "AAAA",
        "e30",
        "W10",
        "bnVsbA",
        "%00",
        "ä",
        "e30=",
        "WzFd",
        "-" * 5_000,
        "1 OR 1=1",
    ],
)
def test_an_invented_cursor_is_refused(stocked, cursor):
    """Only what an answer gave is a cursor."""
    refused(stocked.client.get("/items", params={"cursor": cursor}))


def test_an_invented_cursor_in_a_document_is_pointed_at(stocked):
    """The place of the mistake is that in the body."""
    answer = stocked.client.post("/items/query", json={"cursor": "x"})

    assert answer.status_code == 422
    (issue,) = answer.json()["errors"]
    assert (issue["code"], issue["pointer"]) == ("invalid-cursor", "/cursor")


def test_a_truncated_cursor_is_refused(stocked):
    """No beginning of a cursor is one, and neither is one that goes on."""
    sent = {"order_by": "-kind,word", "limit": 2}
    cursor = stocked.client.get("/items", params=sent).json()["next"]

    for length in range(len(cursor)):
        refused(stocked.client.get("/items", params={**sent, "cursor": cursor[:length]}))
    for more in ("A", "AAAA", "=", " ", "\n"):
        refused(stocked.client.get("/items", params={**sent, "cursor": cursor + more}))


@given(data=st.data())
@settings(SETTINGS, max_examples=60)
def test_a_changed_cursor_is_a_place_or_refused(stocked, data):
    """Whatever is changed in a cursor, it is refused, or it is a place between rows; nothing fails."""
    sent = {"order_by": data.draw(orders.filter(bool)), "limit": 2}
    cursor = stocked.client.get("/items", params=sent).json()["next"]
    place = data.draw(st.integers(0, len(cursor) - 1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = cursor[:place] + data.draw(st.sampled_from(letters)) + cursor[place + 1 :]

    answer = stocked.client.get("/items", params={**sent, "cursor": changed})

    if answer.status_code != 200:
        refused(answer)


@pytest.mark.parametrize(
    "other",
    [
        "/items?order_by=word&limit=2",
        "/items?order_by=-kind&limit=2",
        "/items?order_by=kind,word&limit=2",
        "/items?limit=2",
        "/items?order_by=kind&limit=2&word=a",
        "/items?order_by=kind&limit=2&owner__rank=1",
        "/pairs?order_by=kind&limit=2",
        "/owners?limit=2",
    ],
)
def test_a_cursor_of_another_query_is_refused(stocked, other):
    """The place is one among the rows of a filter, in an order, of a resource; elsewhere it means nothing."""
    cursor = stocked.client.get("/items?order_by=kind&limit=2").json()["next"]

    refused(stocked.client.get(f"{other}&cursor={cursor}"))


@pytest.mark.parametrize(
    "more", ["limit=7", "limit=3&fields=id", "limit=3&expand=owner", "limit=3&count=exact"]
)
def test_what_is_shown_may_change_from_page_to_page(stocked, more):
    """The size of the next page and what is shown of its rows have nothing to do with the place."""
    whole = keys(stocked.client.get("/items?order_by=kind&limit=1000"))
    cursor = stocked.client.get("/items?order_by=kind&limit=3").json()["next"]

    seen = keys(stocked.client.get(f"/items?order_by=kind&{more}&cursor={cursor}"))

    assert seen == whole[3 : 3 + len(seen)]
