"""The API's description (OpenAPI 3.1): what FastAPI makes of the routes, mended where it errs."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

NEVER = "422"
"""FastAPI's status for a bad request; ours is 400, and every route says so itself."""
ITS_SCHEMAS = ("HTTPValidationError", "ValidationError")
OF_BODIES = {"413": "The body is larger than 1 MiB.", "415": "The body is not JSON."}
ERROR = {"$ref": "#/components/schemas/Error"}
HEADERS = {"client": "Name of the client.", "api-key": "One of its keys."}


class DescribedApi(FastAPI):
    """An application whose description says what it really answers."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _mended(super().openapi())
        return self.openapi_schema


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    for methods in document["paths"].values():
        for route in methods.values():
            _mend(route)
    components = document["components"]
    for name in ITS_SCHEMAS:
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {
        name: {"type": "apiKey", "in": "header", "name": name, "description": words}
        for name, words in HEADERS.items()
    }
    return document


def _mend(route: dict[str, Any]) -> None:
    responses = route["responses"]
    responses.pop(NEVER, None)
    # The headers are a matter of every route: said once, as what opens it.
    given = [one for one in route.get("parameters", ()) if one["name"] not in HEADERS]
    if len(given) < len(route.get("parameters", ())):
        route["security"] = [{name: [] for name in HEADERS}]
        route["parameters"] = given
    if "requestBody" in route:
        responses |= {status: {"description": words} for status, words in OF_BODIES.items()}
    for status, response in responses.items():
        if int(status) >= 400:
            # Also where a good answer is no JSON.
            response["content"] = {"application/json": {"schema": ERROR}}
