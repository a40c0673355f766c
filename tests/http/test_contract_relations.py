"""Where relations lead: to resources that are there, under their dependencies, and to nothing that they hide."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Query, Resource, install, private
from splice.errors import Invalid
from splice.parser import parse


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    budget: Mapped[int | None]
    players: Mapped[list[Player]] = relationship(back_populates="team")
    notes: Mapped[list[Note]] = relationship(back_populates="team")
    rooms: Mapped[list[Room]] = relationship(back_populates="team")


class Player(Base):
    __tablename__ = "players"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team] = relationship(back_populates="players")


class Note(Base):
    """Behind a dependency."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(40))
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team] = relationship(back_populates="notes")


class Room(Base):
    """Without a resource."""

    __tablename__ = "rooms"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team] = relationship(back_populates="rooms")


class Shelf(Base):
    """Its key is text that compares without letter case."""

    __tablename__ = "shelves"
    code: Mapped[str] = mapped_column(
        sa.String(20).with_variant(sa.String(20, "NOCASE"), "sqlite"), primary_key=True
    )
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(
        sa.Text().with_variant(sa.dialects.mysql.LONGTEXT(), "mysql", "mariadb")
    )
    shelf_code: Mapped[str | None] = mapped_column(
        sa.String(20).with_variant(sa.String(20, "NOCASE"), "sqlite"), sa.ForeignKey("shelves.code")
    )
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")


def signed_in(request: Request) -> None:
    if request.headers.get("authorization") != "yes":
        raise HTTPException(401)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    teams = Resource(Team, db)
    staff = Resource(Team, db, prefix="/staff", marks={"budget": private}, dependencies=[Depends(signed_in)])
    players = app.state.players = Resource(Player, db)

    @teams.sort_key
    def size() -> sa.ColumnElement[int]:
        return sa.select(sa.func.count(Player.id)).where(Player.team_id == Team.id).scalar_subquery()

    @teams.filter
    def crowded(least: int) -> sa.ColumnElement[bool]:
        return sa.select(sa.func.count(Player.id)).where(Player.team_id == Team.id).scalar_subquery() >= least

    for resource in (
        teams,
        staff,
        players,
        Resource(Note, db, dependencies=[Depends(signed_in)]),
        Resource(Shelf, db),
        Resource(Book, db),
    ):
        app.include_router(resource)
    return app


@pytest.fixture
def league(service):
    """Two teams of two players and one, with a note each."""
    service.store(
        Team(id=1, name="Reds", budget=99),
        Team(id=2, name="Blues"),
        Player(id=1, name="Ada", team_id=1),
        Player(id=2, name="Bob", team_id=1),
        Player(id=3, name="Eve", team_id=2),
        Note(id=1, text="secret", team_id=1),
        Note(id=2, text="other", team_id=2),
    )
    return service.client


def ids(answer) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


WAYS = [
    "/teams?expand=notes",
    "/teams?fields=notes.text",
    "/teams?notes__text__startswith=s",
    "/teams?notes__isnull=true",
    "/teams/1?expand=notes",
    "/players?team__notes__text=secret",
    "/players?expand=team.notes",
    "/teams?expand=rooms",
    "/teams?rooms__isnull=true",
]


@pytest.mark.parametrize("path", WAYS)
def test_a_relation_does_not_lead_around_a_dependency(league, path):
    """What needs a dependency, or has no resource, does not exist for those who ask elsewhere."""
    answer = league.get(path)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown-field"
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/teams/1/notes", "/teams/1/rooms", "/teams/9/notes"])
def test_nor_do_the_rows_behind_it(league, path):
    """That path is as unknown as any other."""
    assert league.get(path).status_code == 404
    assert league.get(path).json()["type"] == "/problems/route-not-found"
    assert path.replace("1", "{id}") not in league.get("/openapi.json").json()["paths"]


def test_a_relation_leads_where_the_same_dependency_stands(league):
    """Whoever is asked under it may show what lies under it."""
    headers = {"authorization": "yes"}

    shown = league.get("/staff/1?fields=id&expand=notes&notes.fields=text", headers=headers).json()

    assert shown == {"id": 1, "notes": [{"text": "secret"}]}
    assert ids(league.get("/staff?notes__text=other", headers=headers)) == [2]
    assert ids(league.get("/notes?team__name=Reds", headers=headers)) == [1]
    assert ids(league.get("/staff/1/notes", headers=headers)) == [1]
    assert league.get("/staff/1/notes").status_code == 401


def test_of_several_resources_all_have_to_show_a_field(league):
    """Whichever was made first: under the dependency of both, the one that hides it decides."""
    headers = {"authorization": "yes"}

    assert league.get("/players/1?expand=team").json()["team"] == {"id": 1, "name": "Reds", "budget": 99}
    assert league.get("/notes/1?expand=team", headers=headers).json()["team"] == {"id": 1, "name": "Reds"}
    assert league.get("/notes?team__budget=99", headers=headers).status_code == 422
    assert league.get("/notes?order_by=team__budget", headers=headers).status_code == 422


def test_sort_keys_and_filters_of_ones_own_reach_through_relations(league):
    """Their subqueries have tables of their own, also where the list outside is of one of them."""
    assert ids(league.get("/players?order_by=-team__size,id")) == [1, 2, 3]
    assert ids(league.get("/players?order_by=team__size,id")) == [3, 1, 2]
    assert ids(league.get("/players?team__crowded=2")) == [1, 2]
    assert ids(league.get("/teams?players__team__crowded=2")) == [1]
    assert league.get("/players/3?expand=team&fields=id").json()["team"]["name"] == "Blues"


def test_rows_behind_a_row_that_is_not_there(service):
    """A parent is found by its very key, as at its own address."""
    service.store(Shelf(code="ada"), Book(id=1, title="a", shelf_code="ada"))

    for path in ("/shelves/ADA", "/shelves/ADA/books", "/shelves/x/books"):
        assert service.client.get(path).status_code == 404, path
    assert ids(service.client.get("/shelves/ada/books")) == [1]
    assert service.client.head("/shelves/x/books", headers={"Accept": "text/csv"}).status_code == 404


def test_orphans_come_last_and_can_be_walked_over(service):
    """SQLite keeps rows whose parent is gone, where nobody has switched foreign keys on."""
    if service.dialect != "sqlite":
        pytest.skip("this database keeps foreign keys")
    service.store(Team(id=1, name="Reds"), Player(id=1, name="Ada", team_id=1))
    with service.witness.begin() as session:
        session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
    engine = sa.create_engine(sa.make_url(service.witness.url).set(drivername="sqlite"))
    with engine.begin() as connection:
        orphans = "INSERT INTO players (id, name, team_id) VALUES (2, 'Bob', 9), (3, 'Eve', 8)"
        connection.execute(sa.text(orphans))
    engine.dispose()

    seen, address = [], "/players?order_by=team__name&limit=1"
    while address:
        answer = service.client.get(address)
        seen += ids(answer)
        address = answer.links.get("next", {}).get("url")

    assert seen == [1, 2, 3]


def test_a_page_of_entities_takes_cursors_as_lists_do(league, service):
    """Also one that leads back; a forged one is refused."""
    players = service.app.state.players
    first = league.get("/players?limit=2").json()
    back = league.get(f"/players?limit=2&cursor={first['next']}").links["prev"]["url"]
    cursor = dict(part.split("=") for part in back.split("?")[1].split("&"))["cursor"]

    def find(query: Query) -> list[int]:
        with service.witness.begin(writes=False) as session:
            return [player.id for player in players.find(session, query)]

    assert find(parse([("limit", "2"), ("cursor", cursor)])) == [1, 2]
    with pytest.raises(Invalid):
        find(Query(cursor="WyIxIiwwLFsxXV0"))


def test_a_download_begins_where_it_is_told(league):
    """A page is as long as it was said to be; a cursor that leads back leads to no end."""
    headers = {"Accept": "application/jsonl"}
    following = league.get("/players?limit=1").json()["next"]
    back = league.get(f"/players?limit=1&cursor={following}").links["prev"]["url"]

    assert [
        json.loads(line)["id"]
        for line in league.get(f"/players?cursor={following}", headers=headers).text.splitlines()
    ] == [2, 3]
    assert league.get(back, headers=headers).json()["errors"][0]["code"] == "invalid-cursor"


def test_a_download_has_no_more_related_rows_at_once_than_a_page(service):
    """Chunks become smaller until they fit."""
    with service.witness.begin() as session:
        session.execute(sa.insert(Team), [{"id": number, "name": "x"} for number in range(1, 31)])
        session.execute(
            sa.insert(Player),
            [{"id": number, "name": "y", "team_id": number % 30 + 1} for number in range(1, 15_001)],
        )

    assert service.client.get("/teams?expand=players").status_code == 422
    answer = service.client.get(
        "/teams?expand=players&players.fields=id", headers={"Accept": "application/jsonl"}
    )
    rows = [json.loads(line) for line in answer.text.splitlines()]

    assert sorted(player["id"] for row in rows for player in row["players"]) == list(range(1, 15_001))


def test_what_is_too_long_for_a_cursor_is_refused_at_once(service):
    """Not on the next page, with a cursor that the service itself gave out."""
    service.store(*(Book(id=number, title=f"{number}" + "x" * 50_000) for number in (1, 2)))

    answer = service.client.get("/books?order_by=title&limit=1")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "not-sortable"
    assert ids(service.client.get("/books?limit=1")) == [1]


def test_a_cursor_holds_what_sqlite_stores(service):
    """Also text with NUL, which PostgreSQL would not take."""
    if service.dialect == "postgresql":
        pytest.skip("this database stores no NUL")
    service.store(*(Book(id=number, title=title) for number, title in enumerate(("a", "b\0x", "c"), 1)))

    seen, address = [], "/books?order_by=title&limit=1"
    while address:
        answer = service.client.get(address)
        seen += ids(answer)
        address = answer.links.get("next", {}).get("url")

    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    "document",
    [
        {"filter": {"or": [{}] * 100_000}},
        {f"limt{number}": 1 for number in range(30_000)},
        {"expand": [f"a{number}" for number in range(60_000)]},
        {"expand": {f"a{number}": {} for number in range(60_000)}},
        {"filter": {"or": [{"id": number} for number in range(40_000)]}},
        {"fields": [f"a{number}" for number in range(60_000)]},
        {"order_by": [f"a{number}" for number in range(60_000)]},
    ],
    ids=["empty", "members", "ways", "relations", "conditions", "fields", "terms"],
)
def test_a_large_document_is_refused_for_its_size(client, document):
    """Nobody looks at all of its parts, and the answer does not grow with them."""
    answer = client.post("/teams/query", json=document)

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 50
    assert len(answer.content) < 65_536


def test_a_page_of_ones_own_is_that_of_the_list(league, service):
    """Rows, nested ones too, the cursor and the total, as the route would answer them."""
    players = service.app.state.players
    text = "limit=2&count=capped&fields=name&expand=team&order_by=-name"
    query = parse([tuple(part.split("=")) for part in text.split("&")])

    with service.witness.begin(writes=False) as session:
        page = players.page(session, query)

    assert json.loads(page.model_dump_json()) == league.get(f"/players?{text}").json()


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/players?name__like=A", "there are eq, ne"),
        ("/players?name__contians=A", "did you mean name__contains?"),
        ("/players?team__name__ilike=A", "icontains"),
        ("/players?order_by=name desc", "write -name"),
        ("/players?order_by=name ASC", "write name"),
        ("/players?team.name=Reds&expand=team", "write team__"),
        ("/players?id__gte=1&id__gte=2", "document"),
        ("/players?expand=name", "show it by fields"),
    ],
)
def test_a_usual_mistake_is_met_by_its_cure(league, path, hint):
    """People bring what they know from elsewhere."""
    answer = league.get(path)

    assert answer.status_code == 422
    assert hint in answer.json()["errors"][0]["hint"]


def test_a_comparison_that_is_an_object_is_no_relation(league):
    """Other languages nest operators."""
    issue = league.post("/players/query", json={"filter": {"id": {"gte": 5}}}).json()["errors"][0]

    assert "id__gte" in issue["hint"]
