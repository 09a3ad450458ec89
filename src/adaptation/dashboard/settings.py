"""The page of what is set: for the whole fleet by admins, for this server by its environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import SecretStr

from adaptation.adapters.masking import HIDDEN, masked
from adaptation.api import operations
from adaptation.api.auth import Engine
from adaptation.api.schemas import SettingChange
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.forms import Sent, need_admin
from adaptation.dashboard.said import told
from adaptation.dashboard.session import Looking
from adaptation.errors import AdaptationError
from adaptation.settings import Settings
from adaptation.workflows.profiles import Profiles

router = APIRouter()

HERE = "/ui/settings"
CHANGES = 50
"""Of settings, the newest."""


@router.get("/settings")
def settings(request: Request, looking: Looking, engine: Engine) -> Response:
    """All settings in force, where each comes from, and who has changed it."""
    facts: dict[str, Any] = {
        "known": operations.settings(looking.client, engine),
        "changes": engine.store.setting_changes(CHANGES) if looking.is_admin else [],
        "own": list(_own(engine.settings)) if looking.is_admin else [],
        "profiles": list(_profiles(engine.settings)),
    }
    return page(request, "settings.html", looking, **facts)


@router.post("/settings")
def change_setting(sent: Sent, engine: Engine) -> Response:
    """Change a setting; an empty value brings back what holds while nobody sets another."""
    need_admin(sent.visitor)
    name, value = sent.one("name"), sent.one("setting").strip()
    if value and sent.one("do") != "reset":
        wanted = SettingChange(name=name, setting=value)
        operations.change_setting(sent.visitor.client, engine, wanted)
        return go_to(told(HERE, "setting", name=name))
    engine.store.unset_setting(name, by=sent.visitor.client.name)
    return go_to(told(HERE, "setting-reset", name=name))


def _own(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Variables of this server, each with its value and where that comes from."""
    for name in Settings.model_fields:
        origin = "environment" if name in settings.model_fields_set else "default"
        yield f"ADAPTATION_{name.upper()}", _shown(getattr(settings, name)), origin


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, tuple | frozenset):
        return ", ".join(
            sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value)
        )
    return "" if value is None else masked(str(value))


def _profiles(settings: Settings) -> Iterator[dict[str, str]]:
    """Encoding profiles that jobs of this server may name."""
    try:
        known = Profiles.among(settings.profiles)
    except AdaptationError as error:
        yield {"name": "-", "told": error.message, "origin": str(settings.profiles)}
        return
    for name, file in known.files.items():
        try:
            told_of_it = known.find(name).description
        except AdaptationError as error:
            told_of_it = error.message
        origin = "built in" if file.is_ours else str(file.path)
        yield {"name": name, "told": told_of_it, "origin": origin}
