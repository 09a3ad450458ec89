"""The limits that count for a client, as the API shows and uses them."""

from __future__ import annotations

from pydantic import Field

from adaptation.api.schemas import Answer
from adaptation.engine.clients import Client
from adaptation.limits import LIMITS, Value
from adaptation.wiring import Deployment

COUNTED = {
    "rate": "requests a minute",
    "most_unfinished": "jobs that may be unfinished at one time",
}
"""The limits that stand beside the others, and what they limit."""


class LimitRow(Answer):
    """A limit that counts for whoever asks."""

    name: str = Field(description="As in `adaptation client set NAME --limit name=value`.")
    limit: int | list[str] | None = Field(description="What it may use; null: as much as it likes.")
    own: bool = Field(description="true: the client's own; false: that of all clients.")
    meaning: str = Field(description="What it limits, with its unit.")


def most_unfinished(client: Client, engine: Deployment) -> int | None:
    """Jobs of a client that may be unfinished at one time; None: as many as it likes."""
    own = client.most_unfinished
    return engine.settings.limit_most_unfinished if own is None else own


def limit_rows(client: Client, engine: Deployment) -> list[LimitRow]:
    """Every limit there is, as it counts for a client."""
    usual = engine.settings.limits | {"most_running": engine.store.rules().most_running}
    counted = {"rate": client.rate, "most_unfinished": most_unfinished(client, engine)}
    return [
        *(
            _row(name, counted[name], getattr(client, name) is not None, meaning)
            for name, meaning in COUNTED.items()
        ),
        *(
            _row(name, {**usual, **client.limits}.get(name), name in client.limits, limit.meaning)
            for name, limit in LIMITS.items()
        ),
    ]


def _row(name: str, limit: Value, own: bool, meaning: str) -> LimitRow:
    return LimitRow(name=name, limit=limit, own=own, meaning=meaning)
