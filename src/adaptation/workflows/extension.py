"""What packages with workflows of their own may rely on, in one place."""

from __future__ import annotations

from celery import chain, chord, group

from adaptation.adapters.ffmpeg import encode
from adaptation.adapters.process import Limits
from adaptation.adapters.storage import LocalStorage
from adaptation.context import Context
from adaptation.engine.tasks import Expand, Outlook, Registry, WorkflowDefinition
from adaptation.workflows.material import source_path
from adaptation.workflows.parameters import CommonParameters, checked, confined
from adaptation.workflows.resources import Run, get_file, get_json, put_file, put_json, put_text
from adaptation.workflows.step import step
from adaptation.workflows.steps import download_file, notify

__all__ = [
    "CommonParameters",
    "Context",
    "Expand",
    "Limits",
    "LocalStorage",
    "Outlook",
    "Registry",
    "Run",
    "WorkflowDefinition",
    "chain",
    "checked",
    "chord",
    "confined",
    "download_file",
    "encode",
    "get_file",
    "get_json",
    "group",
    "notify",
    "put_file",
    "put_json",
    "put_text",
    "source_path",
    "step",
]
