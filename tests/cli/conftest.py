"""A folder to be in, and commands run without a process for each where only words matter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from splice.cli import main
from tests.cli.running import make_shop

MODELS = '''"""Models of a shop."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    password_hash: Mapped[str | None] = mapped_column(String(80))
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
'''

APPLICATION = '''"""An application of the user's own."""

import os

from fastapi import FastAPI
from models import Base, Customer

from splice import Database, Resource, install

db = Database(os.environ.get("SHOP", "sqlite:///shop.db"), create=Base.metadata)
app = FastAPI(title="mine")
install(app, db)
app.include_router(Resource(Customer, db))


@app.get("/hello")
def hello() -> str:
    """Say hello."""
    return "hello"
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with `shop.db`, `models.py` and `main.py`."""
    make_shop(tmp_path / "shop.db")
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "main.py").write_text(APPLICATION, encoding="utf-8")
    return tmp_path


@dataclass(frozen=True)
class Said:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run the command in this process, in the test's folder; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("COLUMNS", "200")
    before = dict(sys.modules)

    def run_here(*arguments: str) -> Said:
        variables = dict(os.environ)
        code = main(arguments)
        said = capsys.readouterr()
        for name in set(sys.modules) - set(before):
            if str(getattr(sys.modules[name], "__file__", "")).startswith(("/tmp", str(tmp_path))):
                del sys.modules[name]
        os.environ.clear()
        os.environ.update(variables)
        return Said(code, said.out, said.err)

    return run_here
