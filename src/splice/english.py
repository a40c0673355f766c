"""Singular and plural of English nouns, as far as names of tables need them.

By hand: the packages that know more take longer to import than a service takes to start.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

__all__ = ["article", "plural", "singular"]

_IRREGULAR: Final = MappingProxyType(
    {
        "aliases": "alias",
        "analyses": "analysis",
        "appendices": "appendix",
        "atlases": "atlas",
        "axes": "axis",
        "biases": "bias",
        "caches": "cache",
        "calves": "calf",
        "canvases": "canvas",
        "children": "child",
        "cookies": "cookie",
        "crises": "crisis",
        "criteria": "criterion",
        "diagnoses": "diagnosis",
        "echoes": "echo",
        "feet": "foot",
        "gases": "gas",
        "geese": "goose",
        "halves": "half",
        "heroes": "hero",
        "hypotheses": "hypothesis",
        "indices": "index",
        "knives": "knife",
        "leaves": "leaf",
        "lenses": "lens",
        "lives": "life",
        "loaves": "loaf",
        "matrices": "matrix",
        "men": "man",
        "mice": "mouse",
        "movies": "movie",
        "niches": "niche",
        "people": "person",
        "phenomena": "phenomenon",
        "potatoes": "potato",
        "quizzes": "quiz",
        "shelves": "shelf",
        "shoes": "shoe",
        "teeth": "tooth",
        "theses": "thesis",
        "thieves": "thief",
        "tomatoes": "tomato",
        "vertices": "vertex",
        "wives": "wife",
        "wolves": "wolf",
        "women": "woman",
        "zombies": "zombie",
    }
)
_IRREGULAR_PLURALS: Final = MappingProxyType(
    {one: many for many, one in _IRREGULAR.items()} | {"index": "indexes"}
)

_UNCHANGED: Final = frozenset(
    {
        "analytics",
        "aws",
        "chaos",
        "chassis",
        "christmas",
        "corps",
        "cosmos",
        "css",
        "data",
        "diagnostics",
        "dns",
        "economics",
        "equipment",
        "ethics",
        "feedback",
        "gps",
        "https",
        "information",
        "lens",
        "logistics",
        "mathematics",
        "media",
        "metadata",
        "metrics",
        "news",
        "physics",
        "series",
        "sms",
        "software",
        "species",
        "staff",
        "statistics",
        "tls",
    }
)
"""Words that are their own plural, or only look like one."""

_NO_PLURAL: Final = re.compile(r"(ss|us|is|as)")
"""Endings of words that are one already: address, status, analysis, canvas."""

_SINGULAR_RULES: Final = (
    (re.compile(r"(?<=[^aeiou])ies$"), "y"),
    (re.compile(r"(?<=\w)(?<![oafm])uses$"), "us"),
    (re.compile(r"(?<=ss|sh|ch|zz)es$|(?<=x)es$"), ""),
    (re.compile(r"s$"), ""),
)
_PLURAL_RULES: Final = (
    (re.compile(r"(?<=[^aeiou])y$"), "ies"),
    (re.compile(r"(?<=[sxz])$|(?<=sh|ch)$"), "es"),
    (re.compile(r"$"), "s"),
)
"""First match wins."""

_VOWEL: Final = re.compile(
    r"[aio](?!ne(s|$))|e(?!u)|u(?!n[ai]|s[aeiu]|t[ei]|r[aiou]|k)|hour|honest|heir", re.IGNORECASE
)
"""A sound, not a letter: an hour and an update, a user and a euro."""


def singular(word: str) -> str:
    """One of what the word counts, in lower case; a word that is no plural as it is.

    >>> singular("categories"), singular("statuses"), singular("address"), singular("data")
    ('category', 'status', 'address', 'data')
    """
    known = _IRREGULAR.get(word)
    return known or (_ruled(word, _SINGULAR_RULES) if _is_plural(word) else word)


def plural(word: str) -> str:
    """Many of what the word counts, in lower case; a word that is a plural as it is.

    >>> plural("category"), plural("status"), plural("people"), plural("staff")
    ('categories', 'statuses', 'people', 'staff')
    """
    if word in _UNCHANGED or word in _IRREGULAR or _is_plural(word):
        return word
    return _IRREGULAR_PLURALS.get(word) or _ruled(word, _PLURAL_RULES)


def _is_plural(word: str) -> bool:
    counted = len(word) > 2 and word.isascii() and word.isalpha() and word not in _UNCHANGED
    return counted and word.endswith("s") and not _NO_PLURAL.fullmatch(word[-2:])


def _ruled(word: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    return next(pattern.sub(ending, word, count=1) for pattern, ending in rules if pattern.search(word))


def article(word: str) -> str:
    """`a` or `an`, by how the word begins to sound.

    >>> article("Order"), article("User"), article("Invoice"), article("Hour")
    ('an', 'a', 'an', 'an')
    """
    return "an" if _VOWEL.match(word) else "a"
