"""`adaptation --server URL top`: the same of a server."""

from __future__ import annotations

from adaptation.cli import remote
from adaptation.cli.remote import opened_client
from adaptation.cli.top.options import AsJson, Interval
from adaptation.cli.top.run import run
from adaptation.cli.top.scene import LAST_LINES, Act, Detail
from adaptation.client import Client, Overview, Worker


def top(*, once: bool = False, as_json: AsJson = False, interval: Interval = 1.0) -> int:
    """Show the server's queue and fleet live: one's own jobs, or all for an admin.

    Where the output is no terminal it is printed once.

    Args:
        once: Print it once, as plain text.
        as_json: Print it once, as a JSON object.
        interval: Seconds between looks, 1 when not given.
    """
    with opened_client() as client:
        return run(There(client), once=once, as_json=as_json, interval_seconds=interval)


class There:
    """A server, through its API."""

    outages: tuple[type[Exception], ...] = ()

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = remote.choice.server

    def overview(self) -> Overview:
        """How the jobs are."""
        return self._client.overview()

    def workers(self) -> list[Worker]:
        """Who works."""
        return self._client.workers()

    def detail(self, job_id: int) -> Detail:
        """One job more closely."""
        lines = self._client.logs(job_id, last=LAST_LINES)
        return Detail(job_id, self._client.tasks(job_id), lines)

    def act(self, act: Act, job_id: int) -> None:
        """Do something to a job.

        Raises:
            ApiError: its state, or one's rights, forbid it.
        """
        client = self._client
        todo = {
            "cancel": client.cancel,
            "retry": client.retry,
            "pause": client.pause,
            "resume": client.resume,
        }
        todo[act](job_id)
