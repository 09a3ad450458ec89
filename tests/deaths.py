"""Jobs whose workers are killed at chosen moments, while somebody reads what they publish."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adaptation.settings import Settings
from adaptation.wiring import Deployment
from dying_worker import JOB, MOMENTS, Life
from receiver import Receiver

KILLED = -9
TOOL = str(MOMENTS.index("subprocess.Popen"))
IN_THE_TOOL_SECONDS = 0.03
"""How long after a tool was started its worker may be killed."""
MAIN_TASK = "0123456789abcdef"
"""Names an asset that is made: always the same, as its bytes are to be."""
PROGRAM = Path(__file__).with_name("dying_worker.py")
Snapshot = Mapping[str, str]
"""SHA-256 of each file of a folder, by its relative path."""
_numbers = itertools.count(1)


@dataclass
class Graveyard:
    """Where workers are made that die when they are told to."""

    process: subprocess.Popen[str]

    def run(self, life: Life) -> tuple[int, str]:
        """Let a worker live; how it ended, and a character for each moment it had come to."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(life)) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["moments"]


@contextmanager
def a_graveyard() -> Iterator[Graveyard]:
    """Load everything once, for the length of a block."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield Graveyard(process)
        finally:
            process.kill()


def snapshot(folder: Path) -> Snapshot | None:
    """What a reader finds in a folder; None: there is none.

    Raises:
        InterruptedError: the folder became another meanwhile, or one below it went while it was
            listed, such as that of a try; which says nothing.
    """
    try:
        before = folder.stat().st_ino
    except FileNotFoundError:
        return None
    try:
        paths = sorted(folder.rglob("*"))
    except FileNotFoundError as error:
        raise InterruptedError from error
    found = dict[str, str]()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        # What has a name of its own for each try is no reader's.
        if path.is_file() and "/." not in f"/{name}":
            with suppress(FileNotFoundError):
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    with suppress(FileNotFoundError):
        if folder.stat().st_ino == before:
            return found
    raise InterruptedError


@dataclass
class Reader:
    """Reads a folder again and again, and keeps each different thing that it found."""

    folder: Path
    found: list[Snapshot | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Until it is over, and once more."""
        while True:
            last = self.over.is_set()
            with suppress(InterruptedError):
                if (seen := snapshot(self.folder)) not in self.found:
                    self.found.append(seen)
            if last:
                return

    @contextmanager
    def reading(self) -> Iterator[None]:
        """In the background, for the length of a block."""
        thread = threading.Thread(target=self.read)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()


@dataclass(frozen=True)
class Case:
    """A workflow, and what it works on."""

    workflow: str
    template: Path
    """A folder that becomes the folder of outputs."""
    given: Mapping[str, Any]
    watched: str
    """The folder in it that readers look at."""


@dataclass(frozen=True)
class Outcome:
    """What a job left, with the names of its home taken out."""

    tree: Snapshot
    """All files below the folder of outputs."""
    folders: frozenset[str]
    told: list[Any]
    """Bodies of its callbacks, without their times."""


@dataclass(frozen=True)
class Trial:
    """One job under a home of its own."""

    case: Case
    folder: Path
    receiver: Receiver
    path: str = field(default_factory=lambda: f"/ok/{next(_numbers)}")

    @property
    def home(self) -> Path:
        """Of the engine."""
        return self.folder / "home"

    @property
    def assets(self) -> Path:
        """The folder of outputs."""
        return self.home / "assets"

    def submit(self) -> None:
        """Store the job; nobody does it yet."""
        shutil.copytree(self.case.template, self.assets, copy_function=os.link)
        deployment = Deployment(Settings(home=self.home))
        given = {"rest_endpoints": [self.receiver.url + self.path], **self.case.given}
        definition = deployment.registry.workflow(self.case.workflow)
        deployment.store.create()
        checked = definition.check(given)
        job = deployment.engine.submit(self.case.workflow, checked, main_task_id=MAIN_TASK)
        assert job.id == JOB
        deployment.store.close()

    def outcome(self) -> Outcome:
        """What is there when it has ended."""
        paths = list(self.assets.rglob("*"))
        digests = {
            path.relative_to(self.assets).as_posix(): hashlib.sha256(
                self._lasting(path)
            ).hexdigest()
            for path in paths
            if path.is_file()
        }
        folders = {path.relative_to(self.assets).as_posix() for path in paths if path.is_dir()}
        return Outcome(digests, frozenset(folders), self._told())

    def left_over(self) -> list[str]:
        """What is left beside it in the engine's home."""
        places = "scratch/*", "work/jobs/*", "downloads/*", "live/*"
        return [str(path) for place in places for path in self.home.glob(place)]

    def _lasting(self, path: Path) -> bytes:
        """The content of a file; of a record all but when the asset was made, and in which home."""
        content = path.read_bytes()
        if path.name != "asset.json":
            return content
        document = json.loads(content.replace(str(self.home).encode(), b"HOME"))
        return json.dumps({**document, "created_at": ""}).encode()

    def _told(self) -> list[Any]:
        once = dict[str, Any]()
        for request in self.receiver.requests(self.path):
            body = json.loads(request["body"].replace(str(self.home), "HOME"))
            once[request["headers"]["webhook-id"]] = {**body, "time": ""}
        return list(once.values())


def moments_of(calm: str, chance: random.Random, count: int) -> list[Life]:
    """Ways to die that are spread evenly over a calm run, as lives without a home.

    Args:
        calm: a character for each moment of the calm run.
        chance: chooses.
        count: how many.
    """
    step = len(calm) / count
    lives = []
    for n in range(count):
        at = min(len(calm) - 1, int(step * (n + chance.random())))
        later = IN_THE_TOOL_SECONDS * chance.random() if calm[at] == TOOL else 0.0
        lives.append(Life("", at, later))
    return lives


def endured(
    graveyard: Graveyard, trial: Trial, deaths: list[Life], judge: Callable[[Reader], None]
) -> tuple[int, str]:
    """Let a worker die in each way, then another end the job.

    Args:
        graveyard: makes workers.
        trial: what they do.
        deaths: one after the other.
        judge: of what a reader found meanwhile.

    Returns:
        How many died, and the moments of the last one.
    """
    trial.submit()
    reader, killed = Reader(trial.assets / trial.case.watched), 0
    with reader.reading():
        for death in deaths:
            life = Life(str(trial.home), death.dies_at, death.later_seconds)
            killed += graveyard.run(life)[0] == KILLED
        status, moments = graveyard.run(Life(str(trial.home)))
        assert status == 0
    judge(reader)
    return killed, moments
