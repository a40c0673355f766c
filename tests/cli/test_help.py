"""Help that a newcomer can use."""

from __future__ import annotations

from importlib.metadata import version

import pytest


def test_no_arguments_show_the_help(run):
    """Whoever types the bare command sees what there is, and how to begin."""
    said = run()

    assert said.code == 0
    assert "splice serve shop.db" in said.out
    for command in ("serve", "routes", "explain", "db"):
        assert f" {command} " in said.out


@pytest.mark.parametrize("command", ["serve", "routes", "explain"])
def test_each_command_has_examples(run, command):
    """The help of a command begins with lines that can be copied."""
    said = run(command, "--help")

    assert said.code == 0
    assert f"\n splice {command} " in said.out
    assert run(command, "-h").out == said.out


def test_help_names_the_variable(run):
    """Where a database may come from without being written is said."""
    assert "DATABASE_URL" in run("serve", "--help").out


def test_the_version_is_that_of_the_package(run):
    """`splice --version` is the installed one."""
    assert run("--version").out == f"splice {version('splice')}\n"


def test_completion_can_be_installed(run):
    """Shells learn the commands in typer's way."""
    assert "--install-completion" in run("--help").out
