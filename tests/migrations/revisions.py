"""Revisions written by hand, for tests."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_revision"]


def write_revision(versions: Path, name: str, previous: str | None, up: str, down: str = "pass") -> None:
    """A file of one revision; `up` and `down` are the lines of its functions."""
    (versions / f"{name}.py").write_text(
        f'"""do {name}"""\nimport time\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f"revision = {name!r}\ndown_revision = {previous!r}\n\n\n"
        f"def upgrade():\n{_indented(up)}\n\n\ndef downgrade():\n{_indented(down)}\n"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
