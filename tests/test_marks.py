"""Marks are `info` dictionaries that cannot be changed."""

from __future__ import annotations

import copy
import pickle

import pytest
from sqlalchemy import Column, Integer

from splice import private, read_only, write_once, write_only
from splice.marks import MARK_KEY, Mark


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        (private, "private"),
        (read_only, "read_only"),
        (write_only, "write_only"),
        (write_once, "write_once"),
    ],
)
def test_a_mark_says_what_clients_may_do(mark, says):
    """The four marks differ in one word."""
    assert mark == {MARK_KEY: says}


def test_marks_are_joined_with_other_info():
    """A mark and an ordinary dictionary make one `info`, from either side."""
    joined = private | {"unit": "EUR"}

    assert joined == {MARK_KEY: "private", "unit": "EUR"}
    assert {"unit": "EUR"} | private == joined
    assert isinstance({"unit": "EUR"} | private, Mark)


def test_the_right_mark_wins():
    """Of two marks on one column the later one counts."""
    assert (private | read_only)[MARK_KEY] == "read_only"


@pytest.mark.parametrize(
    "change",
    [
        lambda mark: mark.update(a=1),
        lambda mark: mark.pop(MARK_KEY),
        lambda mark: mark.clear(),
        lambda mark: mark.setdefault("a", 1),
        lambda mark: mark.__setitem__("a", 1),
        lambda mark: mark.__delitem__(MARK_KEY),
        lambda mark: mark.__ior__({"a": 1}),
    ],
)
def test_a_mark_cannot_be_changed(change):
    """One object stands on many columns, so none of them may change it."""
    with pytest.raises(TypeError, match=r"join it with another"):
        change(private)

    assert private == {MARK_KEY: "private"}


def test_a_mark_survives_copies():
    """Columns of mixins and models sent to other processes keep their marks."""
    assert copy.deepcopy(private) == private
    assert pickle.loads(pickle.dumps(private)) == private
    assert Column("a", Integer, info=private)._copy().info == private
