"""Singular and plural, as names of tables need them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.english import article, plural, singular

PAIRS = (
    ("address", "addresses"),
    ("alias", "aliases"),
    ("analysis", "analyses"),
    ("batch", "batches"),
    ("box", "boxes"),
    ("bus", "buses"),
    ("cache", "caches"),
    ("category", "categories"),
    ("cause", "causes"),
    ("child", "children"),
    ("class", "classes"),
    ("company", "companies"),
    ("criterion", "criteria"),
    ("day", "days"),
    ("employee", "employees"),
    ("house", "houses"),
    ("id", "ids"),
    ("invoice", "invoices"),
    ("key", "keys"),
    ("leaf", "leaves"),
    ("matrix", "matrices"),
    ("movie", "movies"),
    ("person", "people"),
    ("photo", "photos"),
    ("response", "responses"),
    ("status", "statuses"),
    ("tax", "taxes"),
    ("territory", "territories"),
    ("use", "uses"),
)


@pytest.mark.parametrize(("one", "many"), PAIRS)
def test_a_plural_has_its_singular(one: str, many: str):
    """Plurals become singular; what is singular stays."""
    assert (singular(many), singular(one)) == (one, one)


@pytest.mark.parametrize(("one", "many"), PAIRS)
def test_a_singular_has_its_plural(one: str, many: str):
    """Singulars become plural; what is plural stays."""
    assert (plural(one), plural(many)) == (many, many)


@pytest.mark.parametrize("word", ["data", "news", "series", "staff", "statistics", "dns"])
def test_some_words_are_their_own_plural(word: str):
    """Nobody says a datum, or staffs."""
    assert (singular(word), plural(word)) == (word, word)


@given(st.text())
def test_any_text_has_a_singular_and_a_plural(text: str):
    """No name of a table is too odd, and a plural that was made is not made again."""
    singular(text)

    assert text == "" or plural(text) != ""


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("Order", "an"),
        ("User", "a"),
        ("Update", "an"),
        ("One", "a"),
        ("Euro", "a"),
        ("Hour", "an"),
        ("House", "a"),
    ],
)
def test_a_or_an(word: str, said: str):
    """A sound decides, not a letter."""
    assert article(word) == said
