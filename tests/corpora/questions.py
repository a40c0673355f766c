"""The questions of `docs/how-to/ask-questions.md`, and answers as plain rows: those of the API, and those of SQL."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from fastapi.testclient import TestClient
from markdown_it import MarkdownIt

__all__ = ["Question", "answered", "queried", "questions"]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "ask-questions.md"
CORPORA: Mapping[str, str] = {
    "A music shop": "chinook",
    "A trading company": "northwind",
    "A film rental": "sakila",
}
GAP = "…"
NUMBER = re.compile(r"-?\d+(\.\d+)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Question:
    """A question in words, the request that asks it, and the SQL that answers it."""

    words: str
    corpus: str
    request: str
    sql: str

    @property
    def head(self) -> list[str]:
        """The lines before the body."""
        return self.request.split("\n\n", 1)[0].splitlines()

    @property
    def body(self) -> str | None:
        _, gap, body = self.request.partition("\n\n")
        return body if gap else None

    @property
    def headers(self) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in self.head[1:])


def questions() -> list[Question]:
    """All questions of the page, in its order."""
    return list(_questions(PAGE.read_text("utf-8")))


def _questions(text: str) -> Iterator[Question]:
    tokens = MarkdownIt().parse(text)
    corpus = words = request = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            corpus = CORPORA.get(token.content, corpus)
            words = token.content
        elif token.type == "fence" and token.info == "http":
            request = token.content.strip()
        elif token.type == "fence" and token.info == "sql":
            yield Question(words, corpus, request, token.content)


# What the API answers.


def answered(client: TestClient, question: Question) -> list[Row]:
    """The rows of an answer as SQL would give them: one for each row of the longest way down, and the total behind."""
    method, address = question.head[0].split(" ", 1)
    if GAP in address:
        first = re.sub(rf"[&?]cursor={GAP}", "", address)
        address = address.replace(GAP, _sent(client, method, first, question).json()["next"])
    answer = _sent(client, method, address, question)
    if answer.headers["content-type"].startswith("text/csv"):
        return [_row(line) for line in list(csv.reader(io.StringIO(answer.text)))[1:]]
    if answer.headers["content-type"].startswith("application/jsonl"):
        return [_row(json.loads(line).values()) for line in answer.text.splitlines()]
    page = answer.json()
    total = [page["total"]] if "total" in page else []
    return [_row([*row, *total]) for item in page["items"] for row in _flat(item)]


def _sent(client: TestClient, method: str, address: str, question: Question) -> Any:
    headers = {**question.headers, **({"content-type": "application/json"} if question.body else {})}
    answer = client.request(method, address, content=question.body, headers=headers)
    assert answer.status_code == 200, f"{method} {address}: {answer.status_code} {answer.text[:1000]}"
    return answer


def _flat(item: Mapping[str, Any]) -> list[list[Any]]:
    """One row of values for each of the rows within an item; nothing stands where there are none."""
    rows: list[list[Any]] = [[]]
    for value in item.values():
        if isinstance(value, list):
            inner = [row for one in value for row in _flat(one)] or [[None]]
        else:
            inner = _flat(value) if isinstance(value, dict) else [[value]]
        rows = [[*row, *more] for row in rows for more in inner]
    width = max(map(len, rows))
    return [[*row, *[None] * (width - len(row))] for row in rows]


# What the database answers.


def queried(engine: sa.Engine, question: Question) -> list[Row]:
    """The rows that SQL gives."""
    with engine.connect() as connection:
        if connection.dialect.name in {"mysql", "mariadb"}:
            connection.exec_driver_sql("SET SESSION sql_mode = concat(@@sql_mode, ',ANSI_QUOTES')")
        # As it stands, so that neither a colon nor a percent sign means anything to SQLAlchemy or the driver.
        cursor = connection.connection.cursor()
        cursor.execute(question.sql)
        rows = [_row(row) for row in cursor.fetchall()]
        cursor.close()
        connection.rollback()
    return rows


# Both in one spelling.


def _row(values: Sequence[Any] | Any) -> Row:
    """Values without what differs between drivers, JSON and CSV; trailing NULLs are left out."""
    row = [_level(value) for value in values]
    while row and row[-1] is None:
        row.pop()
    return tuple(row)


def _level(value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, dt.datetime | dt.date):
        value = value.isoformat()
    text = str(value)
    if MOMENT.fullmatch(text):
        return dt.datetime.fromisoformat(text).replace(tzinfo=None).isoformat()
    return f"{Decimal(text).normalize():f}" if NUMBER.fullmatch(text) else text
