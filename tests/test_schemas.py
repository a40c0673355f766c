"""Descriptions become request and answer models."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import JSON, DateTime, Numeric, Sequence, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from splice import read_only, write_once, write_only
from splice.description import describe
from splice.schemas import Schemas, changes, new_values
from splice.serializers import row_serializer


class Base(DeclarativeBase): ...


class Item(Base):
    """Something to sell."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10), doc="What it is called.")
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    stock: Mapped[int] = mapped_column(default=0)
    batch: Mapped[int] = mapped_column(default=lambda: 7)
    state: Mapped[str] = mapped_column(String(5), server_default="new")
    code: Mapped[str | None] = mapped_column(String(5), info=write_once)
    pin: Mapped[str | None] = mapped_column(String(4), info=write_only)
    rank: Mapped[int] = mapped_column(default=1, info=read_only)
    json: Mapped[Any | None] = mapped_column(JSON)
    made: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


ITEM = describe(Item)
MODELS = Schemas(ITEM)


def refused(model: type[BaseModel], text: str) -> list[tuple[str, Any]]:
    """What is wrong with a body: the kind of each error and its field."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(text)
    return [(error["type"], error["loc"][0]) for error in caught.value.errors()]


def test_models_are_named_after_the_class_and_described_by_it():
    """OpenAPI reads well."""
    assert [model.__name__ for model in (MODELS.Read, MODELS.Create, MODELS.Update, MODELS.Replace)] == [
        "ItemRead",
        "ItemCreate",
        "ItemUpdate",
        "ItemReplace",
    ]
    assert MODELS.Read.__doc__ == "Something to sell."
    assert MODELS.Create.model_json_schema()["properties"]["name"]["description"] == "What it is called."


def test_each_model_has_the_fields_that_its_operation_allows():
    """Read-only fields are only shown, write-only ones only taken, write-once ones not in PATCH."""
    shown = {"id", "name", "price", "stock", "batch", "state", "code", "rank", "json", "made"}
    taken = {"name", "price", "stock", "batch", "state", "pin", "json"}

    assert names(MODELS.Read) == shown
    assert names(MODELS.Create) == taken | {"code"}
    assert names(MODELS.Update) == taken
    assert names(MODELS.Replace) == shown | taken


def names(model: type[BaseModel]) -> set[str]:
    """The fields of a model as clients spell them."""
    return {info.alias or name for name, info in model.model_fields.items()}


@pytest.mark.parametrize(
    ("model", "required"),
    [(MODELS.Create, ["name"]), (MODELS.Replace, ["name", "state"]), (MODELS.Update, [])],
    ids=["create", "replace", "update"],
)
def test_what_has_to_be_sent(model, required):
    """POST leaves defaults to the model, PUT needs what only the database could supply, PATCH needs nothing."""
    assert model.model_json_schema().get("required", []) == required


def test_absent_is_not_null():
    """In PATCH a field may be left out, but null is refused where the column is NOT NULL."""
    assert changes(MODELS.Update.model_validate_json("{}")) == {}
    assert changes(MODELS.Update.model_validate_json('{"price":null}')) == {"price": None}
    assert refused(MODELS.Update, '{"name":null}')[0][1] == "name"


@pytest.mark.parametrize("model", [MODELS.Create, MODELS.Update, MODELS.Replace])
def test_unknown_fields_are_refused(model):
    """A misspelt field would otherwise be lost without a word."""
    assert ("extra_forbidden", "nmae") in refused(model, '{"name":"a","state":"new","nmae":"b"}')


def test_what_was_sent_is_told_from_defaults():
    """Defaults of a generated model are left to SQLAlchemy; those of a user's own model are meant."""

    class Own(BaseModel):
        name: str
        stock: int = 5

    generated = new_values(MODELS.Create.model_validate_json('{"name":"a"}'), generated=True)
    own = new_values(Own(name="a"), generated=False)

    assert generated == {"name": "a"}
    assert own == {"name": "a", "stock": 5}


def test_a_field_called_like_a_method_keeps_its_name():
    """`json` is an attribute of every Pydantic model: inside it gets another name, outside it does not."""
    body = MODELS.Create.model_validate_json('{"name":"a","json":{"b":1}}')

    assert new_values(body, generated=True) == {"name": "a", "json": {"b": 1}}
    assert "json" in MODELS.Read.model_json_schema()["properties"]


def test_read_only_fields_are_marked_in_put():
    """Generated clients know what will be ignored."""
    properties = MODELS.Replace.model_json_schema()["properties"]

    assert {name for name, schema in properties.items() if schema.get("readOnly")} >= {"id", "rank", "made"}


def test_a_dataclass_signature_is_no_description():
    """MappedAsDataclass writes a docstring that would only repeat the constructor."""

    class Point(MappedAsDataclass, Base):
        __tablename__ = "points"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)

    assert Schemas(describe(Point)).Read.__doc__ is None


class Tool(Base):
    """A model with defaults that only an INSERT knows, and with names that Pydantic does not take."""

    __tablename__ = "tools"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str | None] = mapped_column(String(9), default=lambda context: context.isinsert)
    number: Mapped[int] = mapped_column(Sequence("numbers"))
    parts: Mapped[list[int]] = mapped_column(JSON, default=list)
    _rank: Mapped[int | None] = mapped_column(info={"splice": None})
    _json: Mapped[int | None] = mapped_column(info=read_only)
    json: Mapped[int | None]
    json_: Mapped[int | None]
    _hidden: Mapped[int | None]


TOOL = describe(Tool)
TOOLS = Schemas(TOOL)


def test_what_only_an_insert_supplies_is_needed_in_put_alone():
    """POST leaves it to SQLAlchemy; PUT has nothing to take in its place."""
    assert TOOLS.Create.model_json_schema().get("required", []) == []
    assert TOOLS.Replace.model_json_schema()["required"] == ["code", "number"]


def test_marked_names_that_begin_with_an_underscore_are_fields():
    """Inside of the models they have names that Pydantic takes, and no two fields the same."""
    row = {"id": 1, "code": None, "number": 1, "parts": [], "_rank": 2, "_json": 3, "json": 4, "json_": 5}

    assert row_serializer(TOOL).row(row).decode() == TOOLS.Read.model_validate(row).model_dump_json(
        by_alias=True
    )
    assert names(TOOLS.Read) == set(row)
    assert changes(TOOLS.Update.model_validate_json('{"_rank":2,"json":4}')) == {"_rank": 2, "json": 4}
    assert refused(TOOLS.Update, '{"rank_":2}') == [("extra_forbidden", "rank_")]
    assert refused(TOOLS.Create, '{"_json":2}') == [("extra_forbidden", "_json")]
