"""What an entity tag is about, what a precondition may refuse, and what a route of one's own shows."""

from __future__ import annotations

from typing import Annotated

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install, write_only


class Base(DeclarativeBase): ...


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


class Member(Base):
    __tablename__ = "members"
    __table_args__ = (sa.CheckConstraint("wage >= 0", name="wage_is_paid"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    pin: Mapped[str | None] = mapped_column(sa.String(4), info=write_only)
    size: Mapped[str | None] = mapped_column(sa.Enum("small", "large", name="size"))
    wage: Mapped[int | None] = mapped_column(sa.CheckConstraint("wage < 100"))
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team | None] = relationship()


class Country(Base):
    __tablename__ = "countries"
    code: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


class TeamShown(BaseModel):
    id: int
    name: str


class MemberShown(BaseModel):
    id: int
    name: str
    team: TeamShown | None


class Renaming(BaseModel):
    name: str


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Team, db))
    app.include_router(Resource(Member, db))
    app.include_router(Resource(Country, db))
    app.include_router(_shown_with_teams(db))
    return app


def _shown_with_teams(db: Database) -> Resource[Member]:
    members = Resource(Member, db, read=MemberShown, update=Renaming, prefix="/people")

    async def rename(row, name: str):
        row.name = name
        return row

    async def join(session, name: str, team_id: int):
        member = Member(name=name, team_id=team_id)
        session.add(member)
        return member

    async def show(row):
        return row

    rename.__annotations__ = {"row": Annotated[Member, members.row], "name": str}
    show.__annotations__ = {"row": Annotated[Member, members.row]}
    join.__annotations__ = {"session": Annotated[AsyncSession, db.session], "name": str, "team_id": int}
    members.add_api_route("/{id}/rename", rename, methods=["POST"], response_model=members.Read)
    members.add_api_route("/{id}/shown", show, response_model=members.Read)
    members.add_api_route("/join", join, methods=["POST"], response_model=members.Read)
    return members


@pytest.fixture
def member(client) -> str:
    """The address of a member of a team."""
    team = client.post("/teams", json={"name": "red"}).json()
    return client.post("/members", json={"name": "Ada", "pin": "1234", "team_id": team["id"]}).headers[
        "location"
    ]


def test_a_tag_gives_nothing_away_that_is_not_shown(client, member):
    """A hash over a PIN would tell it to whoever hashes all PINs: the tag covers what is shown."""
    tag = client.get(member).headers["etag"]

    client.patch(member, json={"pin": "9999"})

    assert client.get(member).headers["etag"] == tag


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("wrong", ["*", "its own"])
def test_a_tag_that_is_refused_stops_a_write(service, method, wrong):
    """`If-None-Match` on a write is 412 for a row of that tag, and nothing is changed (RFC 9110, 13.1.2)."""
    made = service.client.post("/countries", json={"code": "AT", "name": "Austria"})
    header = {"If-None-Match": wrong if wrong == "*" else made.headers["etag"]}
    body = {} if method == "DELETE" else {"json": {"name": "other"}}

    answer = service.client.request(method, "/countries/AT", headers=header, **body)

    assert answer.status_code == 412
    assert service.stored(sa.select(Country.name)) == [("Austria",)]


def test_put_may_create_and_not_replace(client):
    """`If-None-Match: *` is how a client says so."""
    first = client.put("/countries/FR", json={"name": "France"}, headers={"If-None-Match": "*"})
    second = client.put("/countries/FR", json={"name": "other"}, headers={"If-None-Match": "*"})

    assert (first.status_code, second.status_code) == (201, 412)


def test_a_text_that_is_no_member_of_an_enum_is_refused(service):
    """`Mapped[str]` over an Enum of texts takes its texts alone, on every database."""
    answer = service.client.post("/members", json={"name": "Ada", "size": "medium"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/size"
    assert service.stored(sa.select(Member.id)) == []


@pytest.mark.parametrize(("wage", "said"), [(-1, "wage_is_paid"), (100, "wage")])
def test_a_rule_of_a_table_or_a_column_names_its_field(client, wage, said):
    """A CHECK is 409 with its field, wherever it was declared."""
    answer = client.post("/members", json={"name": "Ada", "wage": wage})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/wage"
    assert said in answer.json()["detail"]


def test_a_route_of_ones_own_shows_relations(service, member):
    """A row given to a route has the relations that its answer shows, whether it is changed or not."""
    address = f"/people/{member.rpartition('/')[2]}"
    team = service.client.get("/teams").json()["items"][0]

    shown = service.client.get(f"{address}/shown").json()
    renamed = service.client.post(f"{address}/rename", params={"name": "Eve"}).json()
    joined = service.client.post("/people/join", params={"name": "Bob", "team_id": team["id"]}).json()

    assert (shown["name"], shown["team"]) == ("Ada", team)
    assert (renamed["name"], renamed["team"]) == ("Eve", team)
    assert (joined["name"], joined["team"]) == ("Bob", team)


def test_an_own_model_for_update_is_held_to_the_columns(service, member):
    """A text that is too long for its column is 422 on every database, whatever the model lets through."""
    answer = service.client.patch(f"/people/{member.rpartition('/')[2]}", json={"name": "x" * 21})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/name"
    assert service.stored(sa.select(Member.name)) == [("Ada",)]
