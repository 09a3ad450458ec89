"""Sources that a server cuts or changes: what is taken for whole is whole, or nobody could know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

import clips
import fault_server
from adaptation.adapters import web
from adaptation.adapters.web import Fetched
from adaptation.errors import SourceError, Transient
from adaptation.workflows.material import check_end, read_material
from fault_server import FaultServer, Resource
from hostile import trial
from hostile.boxes import boxes_in
from hostile.mutants import TS_PACKET_BYTES
from hostile.originals import H264, INPUTS
from services import HERE

fetch = partial(web.fetch, policy=HERE, retry_delay_seconds=0.0)
Framing = Literal["length", "chunked"]
TS_SYNC = 0x47

UNREADABLE = {"source_unreadable", "source_not_media"}
CUTS = 10
"""Places at which each film is cut: the first after a few bytes, the last just before the end."""
COMMANDS = {
    "index at the end": f"{INPUTS} {H264} -c:a aac late.mp4",
    "index at the start": f"{INPUTS} {H264} -c:a aac -movflags +faststart early.mp4",
    "fragmented": f"{INPUTS} {H264} -c:a aac -movflags +frag_keyframe+empty_moov parts.mp4",
    "Matroska": f"{INPUTS} {H264} -c:a aac film.mkv",
    "transport stream": f"{INPUTS} {H264} -c:a mp2 film.ts",
}


@dataclass(frozen=True)
class Film:
    """A whole film, and another that takes its place on the server."""

    content: bytes
    other: bytes
    packets: int


@pytest.fixture(scope="module", params=COMMANDS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("film")
    path = clips.ffmpeg(folder, COMMANDS[request.param])
    content = path.read_bytes()
    other = clips.ffmpeg(folder, COMMANDS[request.param].replace("testsrc2", "testsrc"))
    return Film(content, other.read_bytes(), packets_of(path))


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with fault_server.running() as running:
        yield running


def packets_of(path: Path) -> int:
    return read_material(path, clips.tools()).stored.packets


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.long)])
def cuts(request: pytest.FixtureRequest, film: Film) -> list[int]:
    """Places all over a film, and just before its end."""
    size = len(film.content)
    places = [20, *(size * number // CUTS for number in range(1, CUTS - 1)), size - 1]
    return places if request.param == "all" else places[::3]


def fetched(server: FaultServer, resource: Resource, target: Path) -> Fetched:
    url = server.add("/film", resource)
    return fetch(url, target, retries=1)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_cut_before_an_announced_end_is_never_taken_for_it(
    framing: Literal["length", "chunked"],
    cuts: list[int],
    film: Film,
    server: FaultServer,
    tmp_path: Path,
) -> None:
    for cut in cuts:
        resource = Resource(film.content, framing=framing, ranges=False, cuts=[cut] * 9)
        with pytest.raises(Transient) as caught:
            fetched(server, resource, tmp_path / "film")
        assert caught.value.code == "fetch_incomplete", cut
        assert not (tmp_path / "film").exists()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_what_is_resumed_is_the_whole_film(
    framing: Literal["length", "chunked"],
    cuts: list[int],
    film: Film,
    server: FaultServer,
    tmp_path: Path,
) -> None:
    for cut in cuts:
        resource = Resource(film.content, framing=framing, etag='"1"', cuts=[cut])
        fetched(server, resource, tmp_path / "film")
        assert (tmp_path / "film").read_bytes() == film.content, cut
        assert server.requests[-1].headers["range"] == f"bytes={cut}-"


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_film_that_is_replaced_meanwhile_is_never_mixed_with_the_other(
    honours_if_range: bool, cuts: list[int], film: Film, server: FaultServer, tmp_path: Path
) -> None:
    for cut in cuts:
        resource = Resource(film.content, etag='"1"', cuts=[cut], conditions=honours_if_range)
        url = server.add("/film", resource)

        def replace(done: int, total: int | None, resource: Resource = resource) -> None:
            # Of the same size: nothing but the validator tells that it is another one.
            resource.body = film.other[: len(film.content)].ljust(len(film.content), b"\0")
            resource.etag = '"2"'

        fetch(url, tmp_path / "film", retries=2, on_progress=replace)
        assert (tmp_path / "film").read_bytes() == resource.body, cut


def test_a_cut_that_nothing_announces_shows_in_the_container_if_it_can(
    cuts: list[int], film: Film, server: FaultServer, tmp_path: Path
) -> None:
    path = tmp_path / "film"
    for cut in {*cuts, *unseen_cuts(film)}:
        resource = Resource(film.content, framing="close", cuts=[cut])
        arrived = fetched(server, resource, path)
        assert not arrived.length_known  # so that the log of the job warns
        seen = verdict(path, arrived)
        if cut in unseen_cuts(film):
            assert seen == "fine", cut
        else:
            assert seen == "source_truncated" or (seen in UNREADABLE and cut == 20), (cut, seen)


def verdict(path: Path, arrived: Fetched) -> str:
    """The code by which a film is refused; `fine` when it is not."""
    try:
        check_end(path, arrived.length_known)
        packets_of(path)
    except SourceError as error:
        return error.code
    return "fine"


def unseen_cuts(film: Film) -> set[int]:
    """Places where a film looks whole: between the packets of a stream, or between fragments."""
    if film.content[0] == TS_SYNC:
        return {TS_PACKET_BYTES * number for number in (100, 200, 300)}
    ends, place = set[int](), 0
    for box in boxes_in(film.content):
        place += len(box.written())
        if box.kind == b"mdat":
            ends.add(place)
    is_fragmented = b"moof" in film.content
    return ends if is_fragmented else set()


def test_a_job_warns_of_a_film_whose_end_nobody_told(
    server: FaultServer, tmp_path: Path, home: Path
) -> None:
    content = clips.ffmpeg(tmp_path, COMMANDS["transport stream"]).read_bytes()
    half = len(content) // TS_PACKET_BYTES // 2 * TS_PACKET_BYTES
    cuts = {"between": half, "inside": half + 100}
    with trial.engine_in(home) as engine:
        jobs = {
            name: trial.submitted(
                engine,
                server.add(f"/{name}.ts", Resource(content, framing="close", cuts=[cut])),
                output_folder=str(tmp_path / name),
            )
            for name, cut in cuts.items()
        }
        trial.run_to_end(engine, [*jobs.values()])
        endings = {name: trial.ending(engine.store.job(job.id)) for name, job in jobs.items()}
        lines = engine.store.logs(jobs["between"].id, severity=30)

    assert {name: ending.code for name, ending in endings.items()} == {
        "between": "fine",
        "inside": "source_truncated",
    }
    assert 0 < endings["between"].frames < 20
    assert [line.message for line in lines] == [
        "the server announced no length: a cut would show only in the container"
    ]
