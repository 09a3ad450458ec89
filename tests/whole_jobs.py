"""Jobs that go in over HTTP, are done by a real engine, and are told of to a real end point."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptation.api.server import serving
from adaptation.engine.clients import Role
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from api_kit import Caller
from receiver import Receiver, receiving
from services import wait_until

TASK_FIELDS = """job_id task_id task_name workflow event content_id message time
    client""".split()  # noqa: SIM905 - the contract's row
JOB_FIELDS = """job_id status workflow content_id message files metadata custom_data time
    client""".split()  # noqa: SIM905
ENDED = 120.0
"""Seconds within which a small job must have ended and be told of."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Studio:
    """A server with an engine, two clients that must not meet, and an end point."""

    deployment: Deployment
    client: Caller
    """Its outputs lie below `studio`."""
    rival: Caller
    """Its outputs lie below `rival`."""
    admin: Caller
    receiver: Receiver
    sources: Path
    """The folder of local sources."""

    @property
    def assets(self) -> Path:
        """The folder of all outputs."""
        return self.deployment.settings.assets_root.resolve()

    def told(self, workflow: str, caller: Caller | None = None, **given: Any) -> list[Any]:
        """All callbacks of a job, in the order they came; the last one tells of its end."""
        path = f"/ok/{next(_numbers)}"
        parameters = {"content_id": "film-42", "rest_endpoints": [self.receiver.url + path]}
        (caller or self.client).submit(workflow, {**parameters, **given})
        assert wait_until(lambda: any("status" in one for one in self._came(path)), ENDED)
        return self._came(path)

    def done(self, workflow: str, caller: Caller | None = None, **given: Any) -> dict[str, Any]:
        """The callback of a job that must complete."""
        body: dict[str, Any] = self.told(workflow, caller, **given)[-1]
        assert body["status"] == "completed", body
        return body

    def failed(self, workflow: str, caller: Caller | None = None, **given: Any) -> str:
        """The code of a job that must fail."""
        body = self.told(workflow, caller, **given)[-1]
        assert body["status"] == "failed", body
        return str((self.deployment.store.job(body["job_id"]).error or {})["code"])

    def foretold(self, workflow: str, **given: Any) -> dict[str, Any]:
        """What a dry run tells."""
        body = {"job": {"workflow": workflow}, "parameters": {"content_id": "film-42", **given}}
        answer = self.client.call("POST", "/job", body, dry_run="true")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def refused(
        self, workflow: str, caller: Caller | None = None, status: int = 400, **given: Any
    ) -> str:
        """The code of a job that is not even accepted."""
        body = {"job": {"workflow": workflow}, "parameters": {"content_id": "film-42", **given}}
        return str((caller or self.client).refused(status, "POST", "/job", body)["code"])

    def _came(self, path: str) -> list[Any]:
        return [one["json"] for one in self.receiver.requests(path)]


@contextmanager
def a_studio(folder: Path) -> Iterator[Studio]:
    """Serve for the length of a block."""
    sources = folder / "sources"
    sources.mkdir()
    deployment = Deployment(Settings(home=folder / "home", source_root=sources, port=0))
    store = deployment.store
    store.migrate()
    with (
        receiving(folder / "receiver.log") as receiver,
        deployment.engine.running(2),
        serving(deployment, "127.0.0.1", 0) as url,
    ):
        callers = []
        for name, role in (("studio", "client"), ("rival", "client"), ("boss", "admin")):
            own = {} if role == "admin" else {"output_root": name}
            callers.append(Caller(url, name, store.add_client(name, Role(role), defaults=own)[1]))
        client, rival, admin = callers
        yield Studio(deployment, client, rival, admin, receiver, sources)
    store.close()
