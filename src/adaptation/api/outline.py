"""What a page about an API says, out of its description (OpenAPI 3.1, JSON Schema 2020-12)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

DEEPEST = 6
"""As deep an example goes: what contains itself would have no end."""
BOUNDS = {
    "minimum": "at least {}",
    "ge": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "le": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "{} letters or more",
    "maxLength": "{} letters or less",
}
SAMPLES = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
MOMENT = "2040-06-06T10:00:00.000Z"
_MARK = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Piece:
    """A part of a type's name."""

    text: str
    anchor: str = ""
    """Of the object that it names; empty: none."""


@dataclass(frozen=True)
class Row:
    """A parameter, or a field of an object."""

    name: str
    kind: tuple[Piece, ...]
    meaning: str
    is_required: bool
    place: str = ""
    """path, query or header; empty for a field."""


@dataclass(frozen=True)
class Reply:
    """What a route may answer."""

    status: str
    kind: tuple[Piece, ...]
    meaning: str


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    anchor: str
    summary: str
    text: str
    needs_key: bool
    parameters: tuple[Row, ...]
    body: tuple[Piece, ...]
    """Empty: it takes none."""
    body_is_required: bool
    example: str
    """A request, as a client writes it to the server."""
    answers: tuple[Reply, ...]


@dataclass(frozen=True)
class Group:
    """The routes about one thing."""

    name: str
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Shape:
    """An object of a body or an answer."""

    name: str
    anchor: str
    text: str
    fields: tuple[Row, ...]
    example: str
    """As JSON."""


@dataclass(frozen=True)
class Outline:
    """All there is to say."""

    title: str
    version: str
    paragraphs: tuple[str, ...]
    description_url: str
    groups: tuple[Group, ...]
    shapes: tuple[Shape, ...]


def outline(document: Mapping[str, Any], url: str) -> Outline:
    """What a page about an API says.

    Args:
        document: OpenAPI 3.1.
        url: where that is to be had.
    """
    shapes = document["components"]["schemas"]
    grouped: dict[str, list[Route]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            name = next(iter(route.get("tags", ())), "more")
            grouped.setdefault(name, []).append(_route(method.upper(), path, route, shapes))
    facts = document["info"]
    return Outline(
        title=facts["title"],
        version=facts["version"],
        paragraphs=tuple(part.replace("`", "") for part in facts["description"].split("\n\n")),
        description_url=url,
        groups=tuple(Group(name, tuple(routes)) for name, routes in grouped.items()),
        shapes=tuple(_shape(name, shape, shapes) for name, shape in sorted(shapes.items())),
    )


def _route(method: str, path: str, route: Schema, shapes: Schema) -> Route:
    parameters = tuple(_parameter(one) for one in route.get("parameters", ()))
    body = route.get("requestBody", {})
    wanted = _content(body)
    return Route(
        method=method,
        path=path,
        anchor=_anchor(f"{method} {path}"),
        summary=route.get("summary", "").rstrip("."),
        text=route.get("description", ""),
        needs_key=bool(route.get("security")),
        parameters=parameters,
        body=kind_of(wanted) if wanted else (),
        body_is_required=bool(body.get("required")),
        example=_request(method, path, route, shapes),
        answers=tuple(_reply(status, one) for status, one in sorted(route["responses"].items())),
    )


def _parameter(one: Schema) -> Row:
    schema = one["schema"]
    meaning = one.get("description") or schema.get("description", "")
    is_required = bool(one.get("required"))
    return Row(one["name"], kind_of(schema), meaning, is_required, one["in"])


def _reply(status: str, one: Schema) -> Reply:
    types = one.get("content", {})
    schema = _content(one)
    kind = kind_of(schema) if schema else tuple(Piece(name) for name in types)
    is_plain = kind == (Piece("text"),) or not schema
    meaning = "As asked." if one["description"] == "Successful Response" else one["description"]
    return Reply(status, tuple(map(Piece, types)) if is_plain else kind, meaning)


def _shape(name: str, shape: Schema, shapes: Schema) -> Shape:
    needed = shape.get("required", ())
    rows = tuple(
        Row(field, kind_of(schema), schema.get("description", ""), field in needed)
        for field, schema in shape.get("properties", {}).items()
    )
    example = _as_json(example_of(shape, shapes))
    return Shape(name, _anchor(f"object {name}"), shape.get("description", ""), rows, example)


def kind_of(schema: Schema) -> tuple[Piece, ...]:
    """The name of a type, with its bounds and its default."""
    return (*_name(schema), *map(Piece, _bounds(schema)))


def _name(schema: Schema) -> tuple[Piece, ...]:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return (Piece(name, _anchor(f"object {name}")),)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _joined(map(kind_of, choices))
    inner = schema.get("items") or schema.get("additionalProperties")
    if isinstance(inner, Mapping):
        return (Piece("list of " if "items" in schema else "object of "), *kind_of(inner))
    return (Piece(_word(schema)),)


def _word(schema: Schema) -> str:
    if allowed := _allowed(schema):
        return " or ".join(map(json.dumps, allowed))
    if schema.get("format") == "date-time":
        return "moment"
    kind = str(schema.get("type", "anything"))
    return {"string": "text"}.get(kind, kind)


def _allowed(schema: Schema) -> list[Any]:
    """The values that a schema counts up; empty: it does not."""
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _bounds(schema: Schema) -> Iterable[str]:
    for word, phrase in BOUNDS.items():
        if word in schema:
            yield ", " + phrase.format(schema[word])
    if schema.get("default") is not None:
        yield f"; {json.dumps(schema['default'])} when not given"


def _joined(kinds: Iterable[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for kind in kinds:
        pieces += [Piece(" or "), *kind] if pieces else kind
    return tuple(pieces)


def _request(method: str, path: str, route: Schema, shapes: Schema) -> str:
    filled = path
    for one in route.get("parameters", ()):
        if one["in"] == "path":
            value = example_of(one["schema"], shapes)
            filled = filled.replace(f"{{{one['name']}}}", str(value))
    lines = [f"{method} {filled} HTTP/1.1"]
    lines += [f"{name}: …" for keys in route.get("security", ()) for name in keys]
    wanted = _content(route.get("requestBody", {}))
    if wanted:
        lines += ["Content-Type: application/json", "", _as_json(example_of(wanted, shapes))]
    return "\n".join(lines)


def example_of(schema: Schema, shapes: Schema, depth: int = 0) -> Any:
    """A value that fits a schema, its own example if it has one."""
    if reference := schema.get("$ref"):
        return example_of(shapes[reference.rpartition("/")[2]], shapes, depth)
    if given := schema.get("examples"):
        return given[0]
    if schema.get("default") is not None:
        return schema["default"]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(choices[0], shapes, depth)
    if allowed := _allowed(schema):
        return allowed[0]
    return _sample(schema, shapes, depth)


def _sample(schema: Schema, shapes: Schema, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "array":
        return [example_of(schema.get("items", {}), shapes, depth + 1)] if depth < DEEPEST else []
    if kind == "object":
        known = schema.get("properties", {}) if depth < DEEPEST else {}
        return {name: example_of(one, shapes, depth + 1) for name, one in known.items()}
    if kind == "string":
        return MOMENT if schema.get("format") == "date-time" else "…"
    least = schema.get("minimum", schema.get("ge"))
    return least if least is not None else SAMPLES.get(str(kind), {})


def _content(message: Schema) -> Schema | None:
    """The schema of a message, of whatever media type."""
    found: list[Schema] = [one["schema"] for one in message.get("content", {}).values()]
    return found[0] if found else None


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _anchor(words: str) -> str:
    return _MARK.sub("-", words.lower()).strip("-")
