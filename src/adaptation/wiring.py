"""The composition root: settings in, an engine with its store, tools and workflows out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from adaptation.adapters import object_publish, orphans
from adaptation.adapters.key_files import KeyFiles
from adaptation.adapters.live import LiveArea
from adaptation.adapters.machine import Machine
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.object_work import ObjectWork
from adaptation.adapters.publish import asset_id_of, check_output, discard_staging
from adaptation.adapters.scratch import Scratch
from adaptation.adapters.semaphore import answers_well
from adaptation.adapters.storage import LocalStorage
from adaptation.adapters.tools import find_tools
from adaptation.engine.acceptance import check_reach
from adaptation.engine.database import is_there
from adaptation.engine.engine import Engine, Pace
from adaptation.engine.forecast import foretell
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Claim, Job
from adaptation.engine.process import host_identity, is_alive
from adaptation.engine.states import Work
from adaptation.engine.tasks import Outlook, Registry, area_of
from adaptation.engine.terms import Terms
from adaptation.engine.worker import RetryRule
from adaptation.errors import ParameterError
from adaptation.limits import Value
from adaptation.opening import Opening
from adaptation.settings import Settings, load_settings
from adaptation.workflows import (
    build_thumbnails,
    capture_frame,
    deleting,
    drmswitch,
    encoding,
    generate_gif,
    measure_quality,
    mp4,
    plugins,
    properties,
    trickplay,
    vodstream,
)
from adaptation.workflows.ability import describe
from adaptation.workflows.resources import Resources, publish_token
from adaptation.workflows.sameness import check_source, fingerprint
from adaptation.workflows.storage_places import storage_place

logger = structlog.get_logger(__name__)

WATCH_SECONDS = 0.1
"""Time between looks at a job that somebody waits for."""


@dataclass(frozen=True)
class Deployment(Opening):
    """One configured engine on this machine."""

    @cached_property
    def resources(self) -> Resources:
        """What tasks work with."""
        return Resources(
            tools=find_tools(self.settings),
            work=self.work,
            downloads=self.settings.downloads_root,
            live=LiveArea(self.settings.live_root),
            assets_root=self.settings.assets_root,
            shares_outputs=self.settings.shares_outputs,
            source_root=self.settings.source_root,
            parallel_chunks=self.settings.parallel_chunks,
            chunk_cache=self.chunk_cache if self.settings.chunk_cache else None,
            policy=self.policy,
            fetch_seconds=self.settings.fetch_seconds,
            limits=self.settings.limits,
            key_files=KeyFiles(self.settings.cpix_key_file, self.settings.cpix_signers_file),
            storage=self.storage,
            writers_below=self._writers_below,
            measure=lambda job_id: measure_quality.order(self.engine, job_id),
        )

    @cached_property
    def work(self) -> LocalStorage | ObjectWork:
        """The work area: a folder, or a storage with copies in a folder."""
        root, name = self.settings.work_root, self.settings.work_storage
        return ObjectWork(root, lambda: self.storage(name)) if name else LocalStorage(root)

    def storage(self, name: str) -> ObjectStore:
        """A configured storage, opened anew, so that a changed key counts from the next task on.

        Raises:
            ParameterError: `storage_unknown`.
            AdaptationError: as `ObjectStore`.
        """
        return ObjectStore(self.store.storage(name), self.policy)

    def _has_storage(self, name: str) -> bool:
        """Whether a storage is configured; without a database none is, and none is made."""
        if name == self.settings.work_storage:
            return False  # jobs of all clients lie there
        is_open = "store" in vars(self) or is_there(self.settings.database)
        return is_open and self.store.has_storage(name)

    @cached_property
    def registry(self) -> Registry:
        """The workflows there are, those of other packages among them.

        Raises:
            SettingsError: `workflow_plugin`.
        """
        settings = self.settings
        registry = Registry(
            settings.assets_root, settings.source_root, settings.limits, self._has_storage
        )
        encoding.register(registry, settings.assets_root, settings.profiles, settings.source_root)
        for workflow in (
            *(capture_frame, generate_gif, build_thumbnails),
            *(trickplay, drmswitch, deleting, measure_quality),
        ):
            workflow.register(registry)
        properties.register(registry)
        mp4.register(registry, settings.assets_root, settings.source_root)
        vodstream.register(registry, settings.profiles)
        plugins.load(registry)
        return registry

    @cached_property
    def engine(self) -> Engine:
        """Jobs in, tasks run."""
        scratch = Scratch(self.settings.scratch_root)
        return Engine(
            store=self.store,
            registry=self.registry,
            resources=self.resources,
            scratch=scratch.attempt,
            remove_work=self._remove_work,
            sweep_scratch=lambda: self._sweep_scratch(scratch),
            answers=partial(answers_well, policy=self.policy),
            policy=self.policy,
            room=scratch,
            discard=self._discard,
            describe=lambda: describe(self.resources.tools),
            load=Machine(self.settings.scratch_root).load,
            broker_url=self.settings.broker_url,
            schedule_seconds=self.settings.callback_schedule,
            pace=Pace(
                lease_seconds=self.settings.lease_seconds,
                heartbeat_seconds=self.settings.heartbeat_seconds,
                sweep_seconds=self.settings.sweep_seconds,
                keep_failed_seconds=self.settings.keep_failed_days * 86_400,
                retry=RetryRule(self.settings.retry_limit, self.settings.retry_delay),
            ),
        )

    def _writers_below(self, folder: str) -> list[int]:
        """Asked of a store that is opened by then: tools can be had without one."""
        return self.store.unfinished_below(folder)

    def _remove_work(self, job_id: int) -> None:
        """Delete what a job that is over left anywhere, except its asset."""
        self.resources.remove_work(job_id)
        found = self.store.list_jobs(JobQuery(job_ids=(job_id,)))  # another may have deleted it
        for output in [job.output for job in found if job.output and not storage_place(job.output)]:
            discard_staging(
                Path(output), token=publish_token(job_id), root=self.settings.assets_root
            )

    def _discard(self, claim: Claim) -> None:
        """Delete what an attempt left that lost its task to another one."""
        if self.store.job(claim.job_id).work is Work.KEPT:
            self.resources.work.delete_prefix(area_of(claim))
        else:
            # It may have put something where everything was deleted meanwhile.
            self._remove_work(claim.job_id)

    def _sweep_scratch(self, scratch: Scratch) -> None:
        """Remove what killed processes of this host left: folders, and tools of their tools."""
        if scratch.sweep(self._is_running) and (ended := orphans.end_abandoned()):
            logger.warning("tools of a killed worker were left and are ended", processes=ended)
        if isinstance(self.work, ObjectWork):
            self._forget_work(self.work)

    def _forget_work(self, work: ObjectWork) -> None:
        """Remove this host's copies for jobs whose work area another host has emptied."""
        if jobs := work.jobs() | self.resources.jobs_beside():
            found = self.store.list_jobs(JobQuery(len(jobs), job_ids=tuple(jobs)))
            for job_id in jobs - {job.id for job in found if job.work is not Work.REMOVED}:
                work.forget(f"jobs/{job_id}")
                self.resources.forget(job_id)

    def _is_running(self, job_id: int, task_id: int, generation: int) -> bool:  # noqa: ARG002
        return self.store.running(task_id, generation)

    def submit_encoding(
        self, parameters: Mapping[str, Any], *, anew: bool = False, terms: Terms | None = None
    ) -> tuple[Job, bool]:
        """Submit a ladder, or go on with the job that was asked for in the same words.

        A job is the same when its parameters are, and its local source has the same size and
        time of change. An unfinished one is taken up where it stopped, a failed one is retried
        from its finished tasks, a completed one is given as it is.

        Args:
            parameters: of `encoding_workflow`.
            anew: whether to encode again what has been completed.
            terms: whose it is, when it runs and how urgently; one that is taken up keeps its own.

        Returns:
            The job, and whether it existed before.

        Raises:
            ParameterError: bad parameters, or the output belongs to another unfinished job.
            SourceError: `source_missing`, a local source that is not there.
            OutputError: the output cannot be written, or holds something else.
        """
        self.engine.prepare()
        checked = self.registry.workflow(encoding.NAME).check(parameters)
        terms = terms or Terms()
        known_as = fingerprint(checked, terms.client)
        known = self.store.latest_with(known_as)
        if known is not None and self._goes_on(known, anew=anew):
            return self.store.job(known.id), True
        check_source(checked["url"])
        if not storage_place(checked["output_folder"]):  # of a storage the first task looks at it
            check_output(Path(checked["output_folder"]), overwrite=checked["empty_target"])
        job = self.engine.submit(encoding.NAME, checked, fingerprint=known_as, terms=terms)
        return job, False

    def forecast(
        self,
        workflow: str,
        parameters: Mapping[str, Any],
        *,
        within: str | None = None,
        limits: Mapping[str, Value] | None = None,
        commands: bool = False,
    ) -> dict[str, Any]:
        """What a job would do and cost, as docs/workflows.md says; nothing is stored.

        Args:
            workflow: a registered name.
            parameters: as the client gave them.
            within: path below which its outputs must lie; None: anywhere.
            limits: the client's own; None: nothing limits it.
            commands: whether to tell the commands of tools, which name places on this machine.

        Raises:
            ParameterError: an unknown workflow or parameter.
            SourceError: the source cannot become an asset.
            AdaptationError: more is wanted than the client may use.
        """
        definition = self.registry.workflow(workflow)
        if within is not None:
            parameters = definition.confine(parameters, within)
        checked = definition.check(parameters)
        definition.limit(checked, limits)
        check_reach(self.policy.granting(limits), definition, checked)
        # A forecast makes no database: without one there is no past.
        store = self.store if is_there(self.settings.database) else None
        live = store.slots(self.settings.lease_seconds) if store else 0
        with TemporaryDirectory(prefix="adaptation-plan-") as folder:
            outlook = Outlook(
                self.resources,
                Path(folder),
                slots=live or self.settings.slots,
                past=lambda *named: store.past_jobs(workflow, *named) if store else (),
                limits=limits,
                commands=commands,
            )
            return foretell(self.registry, definition, checked, outlook)

    def repair(self) -> None:
        """Take back what processes of this host held when they died, and remove what is spent."""
        controller = self.engine.node(1).controller
        controller.bury_dead()
        controller.tidy()
        controller.sweep_scratch()

    def encode(self, url: str, output_folder: str, **parameters: Any) -> Job:
        """Make an asset here and now; returns the job when it has ended, well or not.

        Args:
            url: a path, a `file://` or an `http(s)://` URL.
            output_folder: the folder the asset appears as.
            parameters: the others of `encoding_workflow`, such as `renditions`.

        Raises:
            ParameterError, SourceError, OutputError: as `submit_encoding`.
        """
        wanted = {"url": url, "output_folder": str(Path(output_folder).absolute()), **parameters}
        job, _ = self.submit_encoding(wanted)
        if job.ended:
            self.repair()
            return job
        with self.engine.running(self.settings.slots, job.id):
            while not (job := self.store.job(job.id)).ended:
                time.sleep(WATCH_SECONDS)
        self.engine.tidy()
        return job

    def _goes_on(self, known: Job, *, anew: bool) -> bool:
        if not known.ended:
            self._refuse_second_run(known)
            self.store.forgive_losses(known.id)
            self.store.resume(known.id)
            return True
        if known.succeeded:
            return not anew and self._asset_id_of(str(known.output)) == known.main_task_id
        if not known.retryable:
            return False
        self.store.retry(known.id)
        return True

    def _asset_id_of(self, output: str) -> str | None:
        if place := storage_place(output):
            return object_publish.asset_id_of(self.storage(place.storage), place.key)
        return asset_id_of(Path(output))

    def _refuse_second_run(self, known: Job) -> None:
        for process in self.store.processes(host_identity()):
            if process.job_id == known.id and is_alive(process):
                raise ParameterError(
                    f"process {process.pid} is encoding the same to {known.output}",
                    code="output_busy",
                    hint=f"Wait for it, or cancel it: adaptation cancel {known.id}",
                )


def deploy(settings: Settings | None = None) -> Deployment:
    """A deployment from the settings given, else from the environment.

    Raises:
        SettingsError: a setting has a bad value.
    """
    return Deployment(settings or load_settings())
