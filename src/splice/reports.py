"""Failures of the service in its log: each once, under its request id, and without data."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from fastapi.exceptions import ValidationException
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from splice.drivers import is_driver, is_of_driver, sqlstate_of
from splice.errors import InternalError
from splice.problems import Answer, exchange_of

__all__ = ["report", "speaks_of_data"]

_log: Final = logging.getLogger("splice")


def report(error: BaseException, answer: Answer | None, scope: Scope) -> None:
    """Write a failure of the service to the log of `splice`, once.

    A foreseen one (503, a database that is away or too busy) takes a line. An error that speaks of data (of SQLAlchemy,
    a driver or Pydantic, anywhere in its chain) is reduced to class names, SQLSTATE and frames: no SQL, no text of a
    driver, no values.
    """
    exchange = exchange_of(scope)
    if any(error is reported for reported in exchange.reported) or isinstance(error, ClientDisconnect):
        return
    exchange.reported.append(error)
    path = quote(scope["path"], errors="replace")
    context = {"method": scope["method"], "path": path, "request_id": exchange.request_id}
    if answer is not None and answer.code != InternalError.code:
        names = ", ".join(_name(each) for each in _led_to(error))
        _log.warning("%s %s, request %s: %s (%s)", *context.values(), answer.title, names, extra=context)
    else:
        told = "".join(_without_data(error) if speaks_of_data(error) else traceback.format_exception(error))
        _log.error("%s %s, request %s: unhandled exception\n%s", *context.values(), told, extra=context)


def speaks_of_data(error: BaseException) -> bool:
    """Whether the text of an error, or of one that led to it, may hold SQL or values."""
    return any(_holds_data(each) for each in _led_to(error))


def _holds_data(error: BaseException) -> bool:
    if isinstance(error, SQLAlchemyError | ValidationError | ValidationException):
        return True
    return is_of_driver(error) or _comes_from_rows(error)


def _comes_from_rows(error: BaseException) -> bool:
    """Raised while SQLAlchemy or a driver turned a stored value into Python's: its text quotes the value."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    innermost = str(frames[-1].f_globals.get("__name__")) if frames else ""
    return is_driver(innermost) or innermost.partition(".")[0] == "sqlalchemy"


def _led_to(error: BaseException) -> Iterator[BaseException]:
    """The error, and each that led to it, however they are tied together.

    Wider than what names a fault in `splice.drivers`: any of them may hold data, even one that was being handled.
    """
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is known for known in found):
            continue
        yield each
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _without_data(error: BaseException) -> Iterator[str]:
    for each in _led_to(error):
        yield f"{_name(each)}\n"
        for frame, line in traceback.walk_tb(each.__traceback__):
            # Without the line of source: it may be SQL.
            yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}\n'


def _name(error: BaseException) -> str:
    state = sqlstate_of(error)
    return f"{type(error).__module__}.{type(error).__qualname__}" + (f" [{state}]" if state else "")
