"""What Pydantic finds wrong, in words that quote nothing."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter, ValidationError

from splice.errors import Issue
from splice.issues import first_issue, issue_of


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


def refused(type_: Any, value: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(value)
    return caught.value


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (uuid.UUID, "§§§§"),
        (AnyUrl, "§§§§"),
        (dt.datetime, "§§§§"),
        (dt.timedelta, "§§§§"),
        (int, "§§§§"),
        (Cat, "§§§§"),
        (dict[str, int], "§§§§"),
        (list[int], "§§§§"),
        (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "§§§§"}),
    ],
)
def test_what_was_sent_is_not_quoted(type_, value):
    """Some of Pydantic's messages hold the value, or a part of it."""
    issue = first_issue(refused(type_, value))

    assert "§" not in issue.detail


def test_an_issue_stands_where_it_is_told():
    """The place is the caller's to know; the code is Pydantic's name of the error."""
    assert first_issue(refused(int, "x"), parameter="id") == Issue(
        "Input should be a valid integer, unable to parse string as an integer", "int-parsing", parameter="id"
    )


def test_every_entry_can_be_told():
    """Of a value with several faults each is an issue of its own."""
    errors = refused(list[int], ["x", "y"]).errors()

    issues = [issue_of(error, pointer=f"/{error['loc'][0]}") for error in errors]

    assert [issue.pointer for issue in issues] == ["/0", "/1"]
