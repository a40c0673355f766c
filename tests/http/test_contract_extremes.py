"""Reading at its edges: odd keys, long values, wide and deep queries, what databases do not take."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, column_property, mapped_column, relationship

from splice import Database, Paging, Resource, install, private
from splice.cursors import Cursor, decode, encode


class Base(DeclarativeBase):
    pass


class Token(Base):
    __tablename__ = "tokens"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(20))


class Hidden(Base):
    """Its key is nobody's business."""

    __tablename__ = "hidden"
    code: Mapped[str] = mapped_column(sa.String(20), primary_key=True, info=private)
    name: Mapped[str] = mapped_column(sa.String(20))


class Paper(Base):
    __tablename__ = "papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(sa.Text)
    latin: Mapped[str | None] = mapped_column(
        sa.String(20).with_variant(sa.String(20, "latin1_swedish_ci"), "mysql", "mariadb")
    )
    amount: Mapped[Decimal | None] = mapped_column(sa.Numeric(12, 2).with_variant(sa.Numeric(), "postgresql"))
    doubled = column_property(sa.literal_column("papers.id * 2"), info=private)
    notes: Mapped[list[Note]] = relationship(order_by="Note.id.desc()", back_populates="paper")
    latest: Mapped[Note | None] = relationship(order_by="Note.id.desc()", uselist=False, viewonly=True)


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    paper_id: Mapped[int] = mapped_column(sa.ForeignKey("papers.id"))
    above_id: Mapped[int | None] = mapped_column(sa.ForeignKey("notes.id"))
    paper: Mapped[Paper] = relationship(back_populates="notes")
    above: Mapped[Note | None] = relationship(remote_side="Note.id")


class Cell(Base):
    """A parent whose key has three columns."""

    __tablename__ = "cells"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[int] = mapped_column(primary_key=True)
    c: Mapped[int] = mapped_column(primary_key=True)
    grid_id: Mapped[int] = mapped_column(sa.ForeignKey("grids.id"))
    dots: Mapped[list[Dot]] = relationship()


class Dot(Base):
    __tablename__ = "dots"
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[int]
    b: Mapped[int]
    c: Mapped[int]
    __table_args__ = (sa.ForeignKeyConstraint(["a", "b", "c"], ["cells.a", "cells.b", "cells.c"]),)


class Grid(Base):
    __tablename__ = "grids"
    id: Mapped[int] = mapped_column(primary_key=True)
    cells: Mapped[list[Cell]] = relationship()


class Person(Base):
    """One table for two classes."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    name: Mapped[str] = mapped_column(sa.String(20))
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id"))
    temps: Mapped[list[Temp]] = relationship(viewonly=True)
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Temp(Person):
    __mapper_args__ = {"polymorphic_identity": "temp"}


Wide = type(
    "Wide",
    (Base,),
    {
        "__tablename__": "wide",
        "__annotations__": {"id": Mapped[int], **{f"c{number}": Mapped[int | None] for number in range(120)}},
        "id": mapped_column(primary_key=True),
        **{f"c{number}": mapped_column() for number in range(120)},
        **{f"w{number}_id": mapped_column(sa.ForeignKey("wide.id")) for number in range(9)},
        **{
            f"w{number}": relationship("Wide", remote_side="Wide.id", foreign_keys=f"Wide.w{number}_id")
            for number in range(9)
        },
    },
)

newest = sa.select(Note, sa.func.row_number().over(partition_by=Note.paper_id).label("nth")).subquery()
Paper.first_notes = relationship(  # type: ignore[attr-defined]  # added, as SQLAlchemy's recipe does
    aliased(Note, newest),
    primaryjoin=sa.and_(Paper.id == newest.c.paper_id, newest.c.nth <= 2),
    viewonly=True,
)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    papers = Resource(Paper, db)

    @papers.sort_key
    def size() -> sa.ColumnElement[Any]:
        return sa.func.length(Paper.body)

    app.include_router(papers)
    for model in (Token, Hidden, Note, Grid, Cell, Dot, Wide, Person):
        app.include_router(Resource(model, db, only={"list", "read"}))
    app.include_router(Resource(Temp, db, prefix="/temps", only={"list", "read"}))
    numbered = Paging(page="page", limit="per_page", cursor=None, offset=None)
    app.include_router(Resource(Note, db, prefix="/numbered", paging=numbered))
    return app


def walked(client, address: str, field: str = "id") -> list[Any]:
    """What a walk along `next` sees."""
    seen: list[Any] = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        seen += [row[field] for row in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url")
    return seen


def test_uuids_are_walked(service):
    """Drivers have classes of their own for them."""
    keys = sorted(uuid.UUID(int=number * 7**20) for number in range(1, 6))
    service.store(*(Token(id=key, name="x") for key in keys))

    assert walked(service.client, "/tokens?order_by=name&limit=2") == [str(key) for key in keys]


def test_a_private_key_stands_in_no_cursor(service):
    """Such rows are walked by number."""
    service.store(*(Hidden(code=f"s3cr3t{number}", name=f"n{number}") for number in range(5)))
    answer = service.client.get("/hidden?limit=2")

    assert decode(answer.json()["next"]).values == ()
    assert "s3cr3t" not in answer.text + str(answer.headers)
    assert walked(service.client, "/hidden?limit=2", "name") == [f"n{number}" for number in range(5)]


def test_a_private_property_is_hidden(service):
    """The mark may stand on the property, where there is no column."""
    service.store(Paper(id=1, body="x"))

    assert "doubled" not in service.client.get("/papers/1").json()
    assert service.client.get("/papers?doubled__gte=1").status_code == 422


def test_a_relation_to_an_alias_does_not_exist(client):
    """It has conditions that hold for that alias alone."""
    for path in ("/papers?first_notes__id=1", "/papers?expand=first_notes"):
        assert client.get(path).status_code == 422
    assert client.get("/papers/1/first_notes").status_code == 404


@pytest.mark.parametrize("length", [200, 256, 1_100, 5_000])
def test_long_texts_are_walked(service, length):
    """Texts that are equal in their beginning are told apart by their end."""
    service.store(*(Paper(id=number, body="x" * length + str(9 - number)) for number in range(1, 6)))

    assert walked(service.client, "/papers?order_by=body&limit=1&fields=id") == [5, 4, 3, 2, 1]
    assert walked(service.client, "/papers?order_by=-body&limit=2&fields=id") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "query", ["latin=😀", "latin__in=a,😀", "latin__gte=😀", "latin__contains=😀", "latin__icontains=😀"]
)
def test_text_that_a_column_could_not_hold(service, query):
    """MariaDB compares only what both character sets know; elsewhere there is no such row."""
    service.store(Paper(id=1, body="x", latin="ä"))

    assert service.client.get(f"/papers?{query}").status_code in {200, 422}


def test_relations_inside_of_each_other_are_bounded(client):
    """SQLite's parser gives up long before the bound on all of them."""
    document: dict[str, Any] = {"id": 1}
    statuses = []
    for _ in range(9):
        document = {"above": document}
        statuses.append(client.post("/notes/query", json={"filter": document}).status_code)

    assert statuses == [200] * 6 + [422] * 3
    deep = {"not": {"above__above__above": {"not": {"above__above__above__id": 1}}}}
    assert client.post("/notes/query", json={"filter": deep}).status_code == 200


def test_many_parents_of_a_composite_key(service):
    """More than one statement could take."""
    with service.witness.begin() as session:
        session.execute(sa.insert(Grid), [{"id": 1}])
        session.execute(
            sa.insert(Cell), [{"a": number, "b": 1, "c": number % 7, "grid_id": 1} for number in range(5_000)]
        )
        session.execute(
            sa.insert(Dot),
            [{"id": number + 1, "a": number, "b": 1, "c": number % 7} for number in range(5_000)],
        )

    (grid,) = service.client.get("/grids?expand=cells.dots&cells.fields=a&cells.dots.fields=id").json()[
        "items"
    ]

    assert [cell["dots"] for cell in grid["cells"]] == [[{"id": cell["a"] + 1}] for cell in grid["cells"]]
    assert len(grid["cells"]) == 5_000


def test_wide_rows_are_bounded(client):
    """Databases read some thousand columns at most, and join some sixty tables."""
    some = ",".join(f"w{number}" for number in range(6))
    hops = ",".join(f"w{number}__w1__w2__id" for number in range(4))

    assert client.get(f"/wide?expand={some}").status_code == 200
    for query in (f"expand={some},w6,w7,w8", f"order_by={hops}"):
        assert client.get(f"/wide?{query}").status_code == 422
    assert (
        client.get(
            f"/wide?expand={some},w6,w7,w8&" + "&".join(f"w{n}.fields=id" for n in range(9))
        ).status_code
        == 200
    )


FORGED = [True, "x", 1.5, b"x", Decimal("NaN"), float("inf"), uuid.UUID(int=1), -(2**63), 2**64 - 1]


@pytest.mark.parametrize("value", FORGED, ids=repr)
def test_a_forged_value_of_an_untyped_sort_key(service, value):
    """Only the database can tell that it is none."""
    service.store(Paper(id=1, body="x"), Paper(id=2, body="yy"), Paper(id=3, body="zzz"))
    token = service.client.get("/papers?order_by=size&limit=1").json()["next"]
    cursor = decode(token)
    forged = encode(Cursor((value, 1), cursor.backward, cursor.skipped, cursor.fingerprint))

    answer = service.client.get(f"/papers?order_by=size&limit=1&cursor={forged}")

    assert answer.status_code in {200, 422}
    assert walked(service.client, "/papers?order_by=size&limit=1&fields=id") == [1, 2, 3]


def test_infinite_numbers_are_walked_over(service):
    """PostgreSQL keeps them in a column without bounds."""
    if service.dialect != "postgresql":
        pytest.skip("this database has no infinite decimals")
    service.store(*(Paper(id=number, body="x") for number in (1, 2, 3, 4)))
    with service.witness.begin() as session:
        session.execute(sa.text("UPDATE papers SET amount = '-Infinity' WHERE id = 2"))
        session.execute(sa.text("UPDATE papers SET amount = 'Infinity' WHERE id = 3"))
        session.execute(sa.text("UPDATE papers SET amount = 'NaN' WHERE id = 4"))

    assert walked(service.client, "/papers?order_by=amount&limit=1&fields=id") == [2, 3, 4, 1]


def test_a_relation_is_shown_in_its_own_order(service):
    """As the relationship states it, unless the request does."""
    service.store(Paper(id=1, body="x"), *(Note(id=number, paper_id=1) for number in (1, 2, 3)))

    shown = service.client.get("/papers/1?fields=notes.id,latest.id").json()
    asked = service.client.get("/papers/1?fields=notes.id&notes.order_by=id").json()

    assert shown == {"notes": [{"id": 3}, {"id": 2}, {"id": 1}], "latest": {"id": 3}}
    assert asked == {"notes": [{"id": 1}, {"id": 2}, {"id": 3}]}


def test_what_is_chosen_has_no_tag(service):
    """Also where it happens to be all that there is."""
    service.store(Paper(id=1, body="x"))

    assert "etag" in service.client.get("/papers/1").headers
    assert "etag" not in service.client.get("/papers/1?fields=id,body,latin,amount").headers


def test_a_download_begins_at_the_page_that_is_named(service):
    """As long as it was said to be."""
    service.store(Paper(id=1, body="x"), *(Note(id=number, paper_id=1) for number in range(1, 10)))

    listed = service.client.get("/numbered?page=2&per_page=3").json()["items"]
    lines = service.client.get("/numbered?page=2&per_page=3", headers={"Accept": "application/jsonl"}).text

    assert (
        [json.loads(line)["id"] for line in lines.splitlines()] == [row["id"] for row in listed] == [4, 5, 6]
    )


def test_a_relation_to_a_class_that_shares_its_table(service):
    """Only rows of that class are behind it."""
    service.store(
        Person(id=1, name="Ada"),
        Person(id=2, name="Bob", boss_id=1),
        Temp(id=3, name="Eve", boss_id=2),
    )

    def found(query: str) -> list[int]:
        return [row["id"] for row in service.client.get(f"/people?fields=id&{query}").json()["items"]]

    assert found("temps__isnull=true") == [1, 3]
    assert found("temps__name=Eve") == [2]
    assert found("temps__name=Bob") == []
    assert service.client.get("/people/2?fields=temps.id").json() == {"temps": [{"id": 3}]}
    assert [row["id"] for row in service.client.get("/people/2/temps").json()["items"]] == [3]
