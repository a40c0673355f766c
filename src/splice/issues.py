"""What Pydantic finds wrong → an `Issue`, in words that quote nothing of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from splice.errors import Issue

__all__ = ["first_issue", "issue_of"]


def issue_of(
    error: Mapping[str, Any],
    *,
    hint: str | None = None,
    pointer: str | None = None,
    parameter: str | None = None,
    header: str | None = None,
) -> Issue:
    """One entry of `ValidationError.errors()` as an issue; at most one of the places is given.

    >>> issue_of({"type": "int_parsing", "msg": "Input should be a valid integer"}, parameter="id").code
    'int-parsing'
    """
    return Issue(_message(error), str(error["type"]).replace("_", "-"), hint, pointer, parameter, header)


def first_issue(error: ValidationError, *, pointer: str | None = None, parameter: str | None = None) -> Issue:
    """The first thing wrong with a value that stands at one place, whatever lies inside of it."""
    return issue_of(
        error.errors(include_url=False, include_input=False)[0], pointer=pointer, parameter=parameter
    )


def _message(error: Mapping[str, Any]) -> str:
    """Pydantic's message, save for those that quote what was sent."""
    if error["type"] == "union_tag_invalid":
        expected = error.get("ctx", {}).get("expected_tags", "another value")
        return f"Input tag should be one of {expected}"
    return _UNQUOTING.get(error["type"]) or str(error["msg"])


_UNQUOTING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "uuid_parsing": "Input should be a valid UUID",
        "url_parsing": "Input should be a valid URL",
        "model_type": "Input should be a JSON object",
        "model_attributes_type": "Input should be a JSON object",
        "dict_type": "Input should be a JSON object",
        "list_type": "Input should be a JSON array",
    }
)
