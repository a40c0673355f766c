"""Bring `constraints.txt` up to date: the exact version of everything that developing splice installs.

The first Python named resolves everything anew; each further one installs under the pins found so far and adds
what only it needs. Lines are `name==version` and nothing else: the file holds no address of any index.

    python scripts/pin.py python3.11 python3.13
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
TARGETS = ("-e", ".[postgresql,mariadb,embedded,standard,testing]", "--group", "dev")
PIN = re.compile(r"[A-Za-z0-9._-]+==\S+")


def main(pythons: Sequence[str]) -> None:
    """Write the pins that satisfy every one of the given Pythons."""
    pins: set[str] = set()
    for python in pythons or [sys.executable]:
        pins |= resolve(python, pins)
    CONSTRAINTS.write_text("".join(f"{pin}\n" for pin in sorted(pins, key=str.lower)), encoding="utf-8")


def resolve(python: str, pins: set[str]) -> set[str]:
    """Install everything into a new environment of `python` and say what came."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "venv")
        subprocess.run([python, "-m", "venv", environment], check=True)
        known = Path(folder, "constraints.txt")
        known.write_text("\n".join(sorted(pins)), encoding="utf-8")
        executable = environment / "bin" / "python"
        install(executable, "--upgrade", "pip", "-c", str(known))
        install(executable, "-c", str(known), *TARGETS)
        return frozen(executable)


def install(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True, cwd=ROOT)


def frozen(python: Path) -> set[str]:
    """The installed versions, without splice itself and what old Pythons bring along."""
    command = [python, "-m", "pip", "freeze", "--all", "--exclude-editable", "--exclude", "setuptools"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line for line in lines if PIN.fullmatch(line)}


if __name__ == "__main__":
    main(sys.argv[1:])
