"""The button of an empty queue: a job on a clip that is made here."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from adaptation.adapters.sample_clip import sample_clip
from adaptation.api.auth import Engine
from adaptation.dashboard.answers import go_to
from adaptation.dashboard.forms import Sent, need_admin
from adaptation.engine.terms import Terms

router = APIRouter()

WORKFLOW, OUTPUT = "encoding_workflow", "samples/testsrc2"


@router.post("/sample")
def sample(sent: Sent, engine: Engine) -> Response:
    """Make a clip where all workers of the fleet see it, encode it, and show the job."""
    need_admin(sent.visitor)
    clip = sample_clip(engine.resources.tools, engine.settings.shared_root / "demo")
    parameters = {"url": str(clip), "output_folder": OUTPUT, "content_id": "sample"}
    job = engine.engine.submit(WORKFLOW, parameters, terms=Terms(client=sent.visitor.client.name))
    return go_to(f"/ui/jobs/{job.id}")
