"""DELETE: what goes with a row, what keeps it, and what is left behind."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Team(Base):
    """Kept by players, guests, fans and a mascot: each kind of child that does not go with its parent."""

    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
    players: Mapped[list[Player]] = relationship(back_populates="team")
    guests: Mapped[list[Guest]] = relationship()
    mascot: Mapped[Mascot | None] = relationship()
    parts: Mapped[list[Team]] = relationship()
    kits: Mapped[list[Kit]] = relationship(cascade="all, delete-orphan")
    songs: Mapped[list[Song]] = relationship(cascade="all, delete", passive_deletes=True)
    sponsors: Mapped[list[Sponsor]] = relationship()
    leagues: Mapped[list[League]] = relationship(secondary="entries")


class Player(Base):
    """The ORM would cut it loose."""

    __tablename__ = "players"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team | None] = relationship(back_populates="players")


class Guest(Base):
    """The ORM would try to cut it loose, and fail."""

    __tablename__ = "guests"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))


class Fan(Base):
    """The ORM knows nothing of it."""

    __tablename__ = "fans"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))


class Mascot(Base):
    """There is one at most."""

    __tablename__ = "mascots"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"), unique=True)


class Kit(Base):
    """The ORM deletes it, and what belongs to it."""

    __tablename__ = "kits"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    shirts: Mapped[list[Shirt]] = relationship(cascade="all, delete-orphan")


class Shirt(Base):
    __tablename__ = "shirts"
    id: Mapped[int] = mapped_column(primary_key=True)
    kit_id: Mapped[int] = mapped_column(sa.ForeignKey("kits.id"))


class Song(Base):
    """The database deletes it."""

    __tablename__ = "songs"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id", ondelete="CASCADE"))


class Sponsor(Base):
    """The database cuts it loose."""

    __tablename__ = "sponsors"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id", ondelete="SET NULL"))


class League(Base):
    __tablename__ = "leagues"
    id: Mapped[int] = mapped_column(primary_key=True)


ENTRIES = sa.Table(
    "entries",
    Base.metadata,
    sa.Column("team_id", sa.ForeignKey("teams.id"), primary_key=True),
    sa.Column("league_id", sa.ForeignKey("leagues.id"), primary_key=True),
)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in (Team, Player, Fan, League):
        app.include_router(Resource(model, db))
    return app


@pytest.fixture
def team(service) -> int:
    """The key of a team."""
    entity = Team(name="Reds")
    service.store(entity)
    return entity.id


def test_a_deleted_row_is_gone(service, team):
    """204 has no body; the second time there is nothing to delete."""
    answer = service.client.delete(f"/teams/{team}")

    assert answer.status_code == 204
    assert answer.content == b""
    assert "content-type" not in answer.headers
    assert service.client.get(f"/teams/{team}").status_code == 404
    assert service.client.delete(f"/teams/{team}").status_code == 404
    assert service.stored(sa.select(Team.id)) == []


def test_only_the_one_row_is_deleted(service, team):
    """Other rows stay."""
    service.store(Team(name="Blues"))

    service.client.delete(f"/teams/{team}")

    assert service.stored(sa.select(Team.name)) == [("Blues",)]


CHILDREN = [
    pytest.param(Player, "team_id", id="the ORM would null it"),
    pytest.param(Guest, "team_id", id="the ORM would null it in vain"),
    pytest.param(Fan, "team_id", id="the ORM does not know it"),
    pytest.param(Mascot, "team_id", id="there is one only"),
]


@pytest.mark.parametrize(("child", "column"), CHILDREN)
def test_a_row_that_is_referenced_stays(service, team, child, column):
    """409, whether or not the ORM would cut the children loose, and nothing is changed."""
    service.store(child(**{column: team}))

    answer = service.client.delete(f"/teams/{team}")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/still-referenced"
    assert service.stored(sa.select(child.team_id)) == [(team,)]
    assert service.client.get(f"/teams/{team}").status_code == 200


def test_a_row_referenced_by_its_own_kind_stays(service, team):
    """So with a table that refers to itself."""
    service.store(Team(name="Reds II", parent_id=team))

    assert service.client.delete(f"/teams/{team}").status_code == 409


def test_the_same_is_said_of_every_kind_of_child(service, team):
    """Clients cannot tell from the answer which relationships a model declares."""
    answers = []
    for child in (Player, Guest, Fan):
        service.store(child(team_id=team))
        answers.append(service.client.delete(f"/teams/{team}").json())
        with service.witness.begin() as session:
            session.execute(sa.delete(child))

    assert len({answer["title"] for answer in answers}) == 1
    assert all(answer["detail"] for answer in answers)


def test_a_declared_cascade_is_followed(service, team):
    """What a relationship declares a delete cascade for goes with the row, and so on below."""
    service.store(Kit(team_id=team, shirts=[Shirt(), Shirt()]), Song(team_id=team))

    assert service.client.delete(f"/teams/{team}").status_code == 204
    assert service.stored(sa.select(Kit.id)) == []
    assert service.stored(sa.select(Shirt.id)) == []
    assert service.stored(sa.select(Song.id)) == []


def test_what_the_database_lets_go_is_let_go(service, team):
    """ON DELETE SET NULL is honoured."""
    service.store(Sponsor(team_id=team))

    assert service.client.delete(f"/teams/{team}").status_code == 204
    assert service.stored(sa.select(Sponsor.team_id)) == [(None,)]


def test_rows_of_an_association_go_with_their_owner(service, team):
    """A many-to-many relation loses its pairs, not the rows on the other side."""
    league = League()
    service.store(league)
    with service.witness.begin() as session:
        session.execute(sa.insert(ENTRIES).values(team_id=team, league_id=league.id))

    assert service.client.delete(f"/teams/{team}").status_code == 204
    assert service.stored(sa.select(ENTRIES)) == []
    assert service.stored(sa.select(League.id)) == [(league.id,)]


def test_an_association_keeps_the_row_that_does_not_own_it(service, team):
    """From the side without a relationship, the pair is a reference like any other."""
    league = League()
    service.store(league)
    with service.witness.begin() as session:
        session.execute(sa.insert(ENTRIES).values(team_id=team, league_id=league.id))

    assert service.client.delete(f"/leagues/{league.id}").status_code == 409
    assert service.stored(sa.select(ENTRIES)) == [(team, league.id)]


def test_a_child_may_be_deleted(service, team):
    """References hold in one direction only."""
    service.store(Player(team_id=team))
    ((key,),) = service.stored(sa.select(Player.id))

    assert service.client.delete(f"/players/{key}").status_code == 204
    assert service.client.delete(f"/teams/{team}").status_code == 204


def test_a_collection_cannot_be_deleted(service, team):
    """There is no DELETE of everything."""
    assert service.client.delete("/teams").status_code == 405
    assert service.stored(sa.select(Team.id)) == [(team,)]
