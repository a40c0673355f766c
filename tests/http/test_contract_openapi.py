"""The OpenAPI document: valid, complete, and true to what is served."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private, read_only, write_once, write_only


class Base(DeclarativeBase):
    pass


class User(Base):
    """Someone who writes."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), doc="As on the book's cover.")
    email: Mapped[str] = mapped_column(sa.String(255), unique=True, comment="Never shown to others.")
    age: Mapped[int | None] = mapped_column(sa.SmallInteger)
    level: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(sa.String(10), server_default="new")
    size: Mapped[str | None] = mapped_column(sa.Enum("s", "m", name="size"))
    is_admin: Mapped[bool] = mapped_column(default=False, info=read_only)
    handle: Mapped[str | None] = mapped_column(sa.String(20), info=write_once)
    pin: Mapped[str | None] = mapped_column(sa.String(20), info=write_only)
    margin: Mapped[int | None] = mapped_column(info=private)
    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Setting(Base):
    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Rename(BaseModel):
    name: str


def build() -> FastAPI:
    db: Database[Any] = Database("sqlite+aiosqlite:///:memory:")
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(User, db))
    app.include_router(Resource(Setting, db))
    app.include_router(Resource(User, db, prefix="/people", update=Rename))
    app.include_router(Resource(User, db), prefix="/v2")
    return app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def body_of(document: dict[str, Any], operation: str) -> dict[str, Any]:
    content = dict(operations(document))[operation]["requestBody"]["content"]["application/json"]
    return resolved(document, content["schema"])


def answer_of(document: dict[str, Any], operation: str, status: str) -> dict[str, Any]:
    content = dict(operations(document))[operation]["responses"][status]["content"]["application/json"]
    return resolved(document, content["schema"])


def test_the_document_is_valid(document):
    """It is OpenAPI 3.1, by the letter."""
    assert document["openapi"].startswith("3.1.")

    schemathesis.openapi.from_dict(document).validate()


def test_every_operation_has_an_id_of_its_own(document):
    """The same model served twice is two sets of operations."""
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(ids) == len(set(ids))


def test_only_operations_that_carry_data_are_described(document):
    """HEAD and OPTIONS are served, and told of by nobody."""
    methods = {method for methods in document["paths"].values() for method in methods}

    assert methods == {"get", "post", "put", "patch", "delete"}


def test_an_own_model_for_update_leaves_no_put(document):
    """The document shows what is served."""
    assert set(document["paths"]["/people/{id}"]) == {"get", "patch", "delete"}
    assert "Rename" in str(document["paths"]["/people/{id}"]["patch"]["requestBody"])


def test_no_reference_leads_nowhere(document):
    """Every schema that is referred to is there, and every one that is there is referred to."""
    names = set(document["components"]["schemas"])
    text = str(document)

    assert {name for name in names if f"#/components/schemas/{name}'" not in text} == set()


def test_nothing_private_is_told(document):
    """A private column is in no schema, parameter or description."""
    assert "margin" not in str(document)


def test_answers_hold_what_is_shown(document):
    """Fields are in the order of the model, write-only ones left out."""
    read = answer_of(document, "GET /users/{id}", "200")

    assert list(read["properties"]) == [
        "id",
        "name",
        "email",
        "age",
        "level",
        "status",
        "size",
        "is_admin",
        "handle",
        "created_at",
    ]
    assert read["description"].startswith("Someone who writes.")


def test_bodies_hold_what_may_be_sent(document):
    """Each verb has a body of its own: what is not the client's is in none of POST and PATCH."""
    create = body_of(document, "POST /users")
    update = body_of(document, "PATCH /users/{id}")

    shared = {"name", "email", "age", "level", "status", "size", "pin"}
    assert set(create["properties"]) == shared | {"handle"}
    assert set(update["properties"]) == shared
    assert (create["required"], update.get("required", [])) == (["name", "email"], [])
    assert create["additionalProperties"] is update["additionalProperties"] is False


def test_put_marks_what_it_ignores(document):
    """Fields that PUT takes and does not write are readOnly."""
    replace = body_of(document, "PUT /users/{id}")

    marked = {name for name, schema in replace["properties"].items() if schema.get("readOnly")}
    assert {"id", "is_admin", "created_at"} <= marked
    assert marked.isdisjoint({"name", "email", "age", "level", "status", "size", "pin"})
    assert set(replace["required"]) == {"name", "email", "status"}


def test_limits_of_columns_are_told(document):
    """Lengths, ranges and choices stand in the schema."""
    properties = body_of(document, "POST /users")["properties"]

    assert properties["name"]["maxLength"] == 100
    age = next(part for part in properties["age"]["anyOf"] if part["type"] == "integer")
    assert (age["minimum"], age["maximum"]) == (-(2**15), 2**15 - 1)
    assert properties["level"]["default"] == 1
    assert ["s", "m"] in [part.get("enum") for part in properties["size"]["anyOf"]]


def test_docs_and_comments_are_descriptions(document):
    """What the model says of a column, clients can read, in bodies, answers and filters."""
    for schema in (body_of(document, "POST /users"), answer_of(document, "GET /users/{id}", "200")):
        assert schema["properties"]["name"]["description"] == "As on the book's cover."
        assert schema["properties"]["email"]["description"] == "Never shown to others."
    assert filters_of(document, "GET /users")["name"]["description"] == "As on the book's cover."


def parameters_of(document: dict[str, Any], operation: str) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in dict(operations(document))[operation]["parameters"]}


def filters_of(document: dict[str, Any], operation: str) -> dict[str, Any]:
    return parameters_of(document, operation)["filters"]["schema"]["properties"]


def test_a_list_tells_its_whole_language(document):
    """The filters are one parameter, whose members are sent as parameters of their own; each setting is one."""
    parameters = parameters_of(document, "GET /users")

    hidden = {"pin", "margin"}
    plain = {name for name in filters_of(document, "GET /users") if "__" not in name}
    assert plain == {column.name for column in User.__table__.columns if column.name not in hidden}
    assert (parameters["filters"]["style"], parameters["filters"]["explode"]) == ("form", True)
    assert set(parameters) == {"filters", "order_by", "limit", "cursor", "offset", "count", "fields"}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}
    assert "-created_at" in parameters["order_by"]["schema"]["items"]["enum"]


def test_a_list_is_told_in_each_of_its_forms(document):
    """A page as JSON, and all rows as files, each with an example."""
    for operation in ("GET /users", "POST /users/query"):
        content = dict(operations(document))[operation]["responses"]["200"]["content"]

        assert list(content) == ["application/json", "application/jsonl", "text/csv"]
        assert content["application/json"]["example"]["items"][0]["name"] == "Ada Lovelace"
        assert content["text/csv"]["example"].startswith("id,name,email,")


def test_bodies_have_examples_in_the_order_of_the_model(document):
    """Nobody has to make one up to try a route."""
    for operation in ("POST /users", "PUT /users/{id}", "PATCH /users/{id}"):
        content = dict(operations(document))[operation]["requestBody"]["content"]["application/json"]

        assert list(content["example"])[:2] == ["name", "email"]


def test_keys_are_typed_parameters_of_the_path(document):
    """Each part of a composite key is one."""
    operation = dict(operations(document))["GET /settings/{name}/{part}"]

    keys = {p["name"]: p["schema"]["type"] for p in operation["parameters"] if p["in"] == "path"}
    assert keys == {"name": "string", "part": "integer"}


STATUSES = {
    "GET /users": {"200", "406", "422", "500", "503"},
    "POST /users/query": {"200", "400", "406", "413", "415", "422", "500", "503"},
    "POST /users": {"201", "400", "409", "413", "415", "422", "500", "503"},
    "GET /users/{id}": {"200", "304", "404", "422", "500", "503"},
    "PUT /users/{id}": {"200", "400", "404", "409", "412", "413", "415", "422", "500", "503"},
    "PATCH /users/{id}": {"200", "400", "404", "409", "412", "413", "415", "422", "500", "503"},
    "DELETE /users/{id}": {"204", "404", "409", "412", "422", "500", "503"},
    "PUT /settings/{name}/{part}": {
        "200",
        "201",
        "400",
        "404",
        "409",
        "412",
        "413",
        "415",
        "422",
        "500",
        "503",
    },
}


@pytest.mark.parametrize("operation", list(STATUSES))
def test_every_answer_is_declared(document, operation):
    """Each route names its successes and its problems."""
    declared = set(dict(operations(document))[operation]["responses"])

    assert declared == STATUSES[operation]


def test_problems_are_declared_as_problems(document):
    """Every failure of every route is a problem document, with one schema for all."""
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                content = answer["content"]
                assert list(content) == ["application/problem+json"], name
                assert content["application/problem+json"]["schema"] == {
                    "$ref": "#/components/schemas/Problem"
                }


def test_headers_are_declared(document):
    """ETag, Location, Link and the preconditions can be read of."""
    described = dict(operations(document))

    assert set(described["POST /users"]["responses"]["201"]["headers"]) == {"ETag", "Location"}
    assert set(described["GET /users"]["responses"]["200"]["headers"]) == {"Link"}
    assert "ETag" in described["GET /users/{id}"]["responses"]["200"]["headers"]
    for operation, header in [
        ("GET /users/{id}", "If-None-Match"),
        ("PUT /users/{id}", "If-Match"),
        ("PATCH /users/{id}", "If-Match"),
        ("DELETE /users/{id}", "If-Match"),
    ]:
        assert header in {parameter["name"] for parameter in described[operation]["parameters"]}


def test_the_document_is_made_once_and_stays(document):
    """Two applications built alike are described alike."""
    assert build().openapi() == document
