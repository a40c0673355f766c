"""How schemathesis reads the document of this service, where a schema cannot say all, or says it many times over."""

from typing import Any

import schemathesis

_DEEPER = tuple(f"{kind}{depth}" for kind in ("Row", "Rows") for depth in (2, 3, 4))
"""What is shown behind relations of relations: the same at every depth, so that the first is tried whole."""

_DEEP = {"limit", "expand"}

_EMPTY = {"type": "object", "additionalProperties": False}


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    for path in raw_schema["paths"].values():
        for operation in path.values():
            _forget_cursor(operation)
    for name, schema in raw_schema["components"]["schemas"].items():
        if name.endswith("Query"):
            schema["properties"].pop("cursor")
        elif name.endswith("Filter"):
            _flatten(schema["properties"])
        elif name.endswith(_DEEPER):
            schema["properties"] = {
                key: schema["properties"][key] for key in _DEEP & set(schema["properties"])
            }


def _forget_cursor(operation: dict[str, Any]) -> None:
    """A cursor is made by the service, for one query; one that is made up is refused, however well it is formed."""
    parameters = operation.get("parameters", [])
    operation["parameters"] = [parameter for parameter in parameters if parameter["name"] != "cursor"]


def _flatten(properties: dict[str, Any]) -> None:
    """Try each member of a filter once, and not again at every place where a filter may stand inside of another."""
    for name, schema in properties.items():
        if "$ref" in schema:
            properties[name] = _EMPTY
        elif name in {"and", "or"}:
            schema["items"] = _EMPTY
