"""What is written as Python is read back as the same, and as a formatter would have written it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.python_source import WIDTH, Call, docstring, import_lines, literal, natural

RUFF = Path(sys.executable).with_name("ruff")
LONG = "a" * 50


@given(st.text())
def test_a_literal_is_the_text(text):
    """Whatever it holds, quotes and control characters too, Python reads the same text back."""
    assert ast.literal_eval(literal(text)) == text


@pytest.mark.parametrize(
    ("text", "spelt"),
    [("plain", '"plain"'), ("it's", '"it\'s"'), ('"so"', "'\"so\"'"), ("\"'", '"\\"\'"'), ("a\n", '"a\\n"')],
)
def test_a_literal_has_the_quotes_of_a_formatter(text, spelt):
    """Double quotes, unless single ones need fewer escapes."""
    assert literal(text) == spelt


@given(st.text())
def test_a_docstring_cannot_be_left(text):
    """Nothing in a text ends its docstring or escapes: it is one statement, on one line."""
    (statement,) = ast.parse(docstring(f"About {text}.")).body

    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert statement.lineno == statement.end_lineno


CALLS = {
    "one line": Call("f(", ["a", "b"]),
    "together": Call("some_function(", [f'"{LONG}"', f"x={LONG[:20]}"]),
    "one a line": Call("f(", [f'"{LONG}"', f'"{LONG}"']),
    "the only argument": Call("f(", [f'"{LONG}{LONG}"']),
    "a call in a call": Call("f(", [Call("g(", [f'"{LONG}"', f'"{LONG}"'])]),
    "a call beside others": Call("f(", [f'"{LONG}"', Call("g(", [f'"{LONG}"', f'"{LONG}"'])]),
    "a tuple of one": Call("(", [Call("f(", [f'"{LONG}"', f'"{LONG}"'])]),
    "a dictionary": Call("{", [f'"{LONG}": 1', f'"{LONG}": 2'], "}"),
    "a list in it": Call("{", [Call('"a": [', [f'"{LONG}"', f'"{LONG}"'], "]")], "}"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_broken_as_formatters_do_it(name):
    """A formatter has nothing to change, at whatever width the line begins."""
    text = f"x = {CALLS[name].spelt(room=WIDTH - 4)}\n"

    assert formatted(text) == text


def test_imports_are_in_the_order_of_isort():
    """Letter case decides last, and only digits are numbers."""
    names = [
        "AB",
        "AB_2",
        "ABAB",
        "OClock",
        "ObjectRow",
        "QuOte",
        "QueryRow",
        "Table१२",
        "Table100",
        "User_2",
        "UserS",
    ]
    names += ["UserS2", "User", "Item10", "Item2", "XY", "aB", "Ab", "Ünicode"]
    text = "\n".join(import_lines("models", {name: name for name in names}))

    assert sorted_by_ruff(text) == text


def sorted_by_ruff(text: str) -> str:
    command = [RUFF, "check", "--isolated", "--no-cache", "--select", "I", "--fix", "-"]
    return subprocess.run(
        command, input=f"{text}\n", capture_output=True, text=True, check=True
    ).stdout.strip()


def formatted(text: str) -> str:
    command = [RUFF, "format", "--isolated", "--no-cache", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def test_a_tuple_of_one_is_a_tuple():
    """The comma that makes it one is there on a single line, too."""
    assert Call("(", ["a"]).spelt() == "(a,)"
    assert Call("f(", ["a"]).spelt() == "f(a)"


def test_imports_are_sorted_and_renamed():
    """Constants first, classes, then functions, by number; what is called otherwise has a statement of its own."""
    called = dict.fromkeys(["text", "Item10", "Item2", "JSON", "Mapped"])

    lines = list(import_lines("shop", {name: name if name != "Mapped" else "Mapped_" for name in called}))

    assert lines == [
        "from shop import JSON, Item2, Item10, text",
        "from shop import Mapped as Mapped_",
    ]


def test_many_imports_stand_one_a_line():
    """Where a line is too short, each name has its own."""
    (lines,) = import_lines("shop", {name: name for name in (f"A{LONG}", f"B{LONG}")})

    assert lines == f"from shop import (\n    A{LONG},\n    B{LONG},\n)"


def test_numbers_in_names_are_numbers():
    """Two comes before ten."""
    assert sorted(["b", "a10", "a2"], key=natural) == ["a2", "a10", "b"]
