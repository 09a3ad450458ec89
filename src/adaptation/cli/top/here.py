"""`adaptation top` on this machine's deployment."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from adaptation.api import operations
from adaptation.api.overview import overview_of
from adaptation.api.rows import log_row, task_rows
from adaptation.api.schemas import LogRow, TaskRow
from adaptation.cli.top.options import AsJson, Interval
from adaptation.cli.top.run import run
from adaptation.cli.top.scene import LAST_LINES, Act, Detail
from adaptation.client import LogLine, Overview, Task, Worker
from adaptation.client.records import record
from adaptation.engine.clients import Client, Role
from adaptation.errors import ParameterError
from adaptation.wiring import Deployment, deploy

OPERATOR = Client("", Role.ADMIN)
"""Who can read the database sees the jobs of all clients."""


def top(*, once: bool = False, as_json: AsJson = False, interval: Interval = 1.0) -> int:
    """Show the queue and the fleet live: what runs, waits and failed, and who works.

    Where the output is no terminal it is printed once.

    Args:
        once: Print it once, as plain text.
        as_json: Print it once, as a JSON object.
        interval: Seconds between looks, 1 when not given.
    """
    deployment = deploy()
    deployment.engine.prepare()
    try:
        return run(Here(deployment), once=once, as_json=as_json, interval_seconds=interval)
    finally:
        deployment.store.close()


class Here:
    """The deployment of this machine, through the API's own functions."""

    name = "this machine"
    outages: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def overview(self) -> Overview:
        """How the jobs are."""
        return record(Overview, overview_of(self._deployment, OPERATOR).model_dump(mode="json"))

    def workers(self) -> list[Worker]:
        """Who works."""
        found = operations.workers(OPERATOR, self._deployment)
        return [record(Worker, one.model_dump(mode="json")) for one in found]

    def detail(self, job_id: int) -> Detail:
        """One job more closely."""
        store = self._deployment.store
        tasks = map(TaskRow.model_validate, task_rows(store.tasks(job_id), store.edges(job_id)))
        lines = map(LogRow.model_validate, map(log_row, store.last_lines(job_id, LAST_LINES)))
        return Detail(
            job_id,
            [record(Task, one.model_dump(mode="json")) for one in tasks],
            [record(LogLine, one.model_dump(mode="json")) for one in lines],
        )

    def act(self, act: Act, job_id: int) -> None:
        """Do something to a job.

        Raises:
            ParameterError: `state_forbids`, `work_removed`, `job_unknown`.
        """
        store = self._deployment.store
        job = store.job(job_id)
        if act == "retry":
            store.retry(job_id)
            return
        if act == "cancel":
            # A worker that was killed stops nothing: what it held is taken back first.
            self._deployment.repair()
        done = {"cancel": store.cancel, "pause": store.pause, "resume": store.resume}[act](job_id)
        if act == "cancel":
            self._deployment.repair()
        if not done:
            raise ParameterError(
                f"job {job_id} is {job.state}",
                code="state_forbids",
                hint=f"Look at it: adaptation show {job_id}",
            )
