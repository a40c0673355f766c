"""The page of the command line has every command, with every option."""

from __future__ import annotations

import re
from typing import Any

import pytest

from splice.cli import commands
from tests.docs.runner import ROOT

PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
OWN = ("serve", "routes", "explain")


def command_called(name: str) -> Any:
    return commands.command().commands[name]


def options(command: Any) -> set[str]:
    """Every spelling of every option."""
    parameters = [each for each in command.params if each.param_type_name == "option"]
    return {text for each in parameters for text in (*each.opts, *each.secondary_opts)} - {"--help", "-h"}


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", OWN)
def test_every_option_has_a_row(name):
    """The table of a command explains its options, and no others."""
    rows = re.findall(r"^\| (`-[^|]+) \|", section(f"`splice {name}`"), re.MULTILINE)
    explained = {option for row in rows for option in re.findall(r"`(--?[\w-]+)", row)}

    assert explained == options(command_called(name))


def test_options_of_all_commands_have_a_row():
    """What stands before a command is explained first."""
    explained = set(re.findall(r"`(--?[\w-]+)`", PAGE.split("\n## ")[1]))

    assert options(commands.command()) - {"--install-completion", "--show-completion"} <= explained
    assert "--install-completion" in PAGE


def test_every_command_is_named():
    """A group of commands is named where it is explained on a page of its own."""
    assert {name for name in commands.command().commands if f"`splice {name}" not in PAGE} == set()
