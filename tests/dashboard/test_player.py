"""The film on a job's page: who gets its files, and that it plays while it is made and after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

import clips
from api_kit import Caller
from contract.browser import Browser
from dashboard.cinema import (
    CAPTION,
    COLOUR,
    FILM,
    THUMBNAIL,
    Site,
    a_site,
    make_film,
    seeking,
    seen_at,
)
from dashboard.visits import need_browser, signed_in, visit

EAR = f"""(() => {{
  const context = new AudioContext();
  window.ear = context.createAnalyser();
  window.ear.fftSize = 8192;
  context.createMediaElementSource({FILM}).connect(window.ear);
  {FILM}.muted = false;
  context.resume();
}})()"""
LOUDEST = """(() => {
  const loud = new Uint8Array(window.ear.frequencyBinCount);
  window.ear.getByteFrequencyData(loud);
  const most = Math.max(...loud);
  return most && loud.indexOf(most) * window.ear.context.sampleRate / window.ear.fftSize;
})()"""
"""The pitch that is heard most, in hertz."""
NOTHING = "{configurable: true, get: () => ({length: 0})}"
"""What a film has buffered while its tracks change."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("player")) as found:
        yield found


@pytest.fixture(scope="module")
def film(site: Site) -> int:
    """A job of `vodstream` whose film has image tiles."""
    make_film(site.sources / "film")
    tiles = {"trickplay_thumbnails": True, "trickplay_thumbnail_interval": 1}
    return site.done("vodstream", source_folder="film", **tiles)


@contextmanager
def visitor(site: Site, caller: Caller | None = None) -> Iterator[httpx2.Client]:
    """A browser of somebody, or of nobody, that follows no redirection."""
    with httpx2.Client(base_url=site.url, trust_env=False) as web:
        if caller:
            assert Browser(site.url, web).sign_in(caller).status_code == 303
        yield web


def test_only_who_may_see_a_job_gets_its_film(site: Site, film: int) -> None:
    paths = [f"/ui/jobs/{film}/film", f"/ui/jobs/{film}/media/master.m3u8"]
    with visitor(site, site.client) as web:
        assert [web.get(path).status_code for path in paths] == [200, 200]
    with visitor(site, site.other) as web:
        assert [web.get(path).status_code for path in paths] == [404, 404]
    with visitor(site) as web:
        assert [web.get(path).status_code for path in paths] == [401, 401]


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e/film/master.m3u8",
        "..%2f..%2f..%2fsecret.key",
        "%2fetc%2fpasswd",
        "video%2f..%2fmaster.m3u8",
        "asset.json",
        "nothing.m4s",
        "",
    ],
)
def test_no_name_leads_to_another_file(site: Site, film: int, name: str) -> None:
    with visitor(site, site.client) as web:
        assert web.get(f"/ui/jobs/{film}/media/{name}").status_code == 404


def test_a_link_in_an_asset_leads_nowhere(site: Site, film: int) -> None:
    asset = Path(str(site.deployment.store.job(film).output))
    link = asset / "link.vtt"
    link.symlink_to(site.sources / "film" / "text_fre.srt")
    try:
        with visitor(site, site.client) as web:
            assert web.get(f"/ui/jobs/{film}/media/link.vtt").status_code == 404
    finally:
        link.unlink()


def test_parts_of_files_are_answered_as_they_are_asked_for(site: Site, film: int) -> None:
    asset = Path(str(site.deployment.store.job(film).output))
    name = next(one.relative_to(asset).as_posix() for one in asset.rglob("media_*.mp4"))
    whole, address = (asset / name).read_bytes(), f"/ui/jobs/{film}/media/{name}"
    size = len(whole)
    with visitor(site, site.client) as web:
        first = web.get(address)
        assert (first.status_code, first.content) == (200, whole)
        assert first.headers["content-type"] == "video/mp4"
        assert first.headers["content-security-policy"] == "default-src 'none'; sandbox"
        for words, span in {
            "bytes=0-99": (0, 100),
            "bytes=100-": (100, size),
            "bytes=-7": (size - 7, size),
            f"bytes=5-{size * 2}": (5, size),
        }.items():
            part = web.get(address, headers={"Range": words})
            assert (part.status_code, part.content) == (206, whole[slice(*span)])
            assert part.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{size}"
        beyond = web.get(address, headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        etag = first.headers["etag"]
        assert web.get(address, headers={"If-None-Match": etag}).status_code == 304
        changed = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert web.get(address, headers=changed).content == whole
        head = web.head(address)
        assert (head.content, head.headers["content-length"]) == (b"", str(size))


def test_what_is_chosen_is_what_plays(site: Site, film: int) -> None:
    steps = [
        *signed_in(site.client, f"/ui/jobs/{film}"),
        ["until", "document.getElementById('film-picture').options.length === 3"],
        ["axe"],
        ["wide"],
        # By keyboard.
        ["value", "document.getElementById('film-play').focus()"],
        ["press", "Enter"],
        ["until", f"{FILM}.currentTime > 0.2"],
        ["value", EAR],
        ["choose", "#film-picture", "1"],
        ["until", f"{FILM}.videoHeight === 90"],
        ["choose", "#film-picture", "0"],
        ["until", f"{FILM}.videoHeight === 180"],
        ["choose", "#film-sound", "1"],
        *seen_at(4.2, "blue"),
        ["until", f"({FILM}.paused && {FILM}.play(), Math.abs({LOUDEST} - 1760) < 60)"],
        ["choose", "#film-sound", "0"],
        *seen_at(0.5, "red"),
        ["until", f"({FILM}.paused && {FILM}.play(), Math.abs({LOUDEST} - 440) < 60)"],
        # Who seeks while tracks change arrives, even if no event tells the end of it.
        ["value", f"{FILM}.pause()"],
        ["value", f"void Object.defineProperty({FILM}, 'buffered', {NOTHING})"],
        ["value", f"void document.dispatchEvent({seeking(4.2)})"],
        ["value", f"delete {FILM}.buffered"],
        ["until", f"{FILM}.paused && Math.abs({FILM}.currentTime - 4.2) < 0.1"],
        # Captions come and go on a picture that stands still.
        *seen_at(2, "red"),
        ["choose", "#film-captions", "0"],
        ["until", f"{FILM}.paused && {CAPTION} === 'Bonjour'"],
        ["choose", "#film-captions", ""],
        ["until", f"{FILM}.paused && {CAPTION} === ''"],
        *_by("hls", "audio_en/playlist.m3u8"),
        ["choose", "#film-captions", "0"],
        ["until", f"{FILM}.paused && {CAPTION} === 'Bonjour'"],
        ["choose", "#film-sound", "1"],
        # What was chosen of one manifest is chosen of the other.
        ["value", "performance.clearResourceTimings()"],
        *_by("dash", "manifest.mpd"),
        ["until", f"{FILM}.paused && {CAPTION} === 'Bonjour'"],
        ["until", "document.getElementById('film-sound').value === '1'"],
        *seen_at(4.2, "blue"),
        ["until", f"({FILM}.paused && {FILM}.play(), Math.abs({LOUDEST} - 1760) < 60)"],
    ]
    seen = visit(site.url, steps)
    assert seen.errors == []
    told = [answer for step, answer in zip(steps, seen.seen, strict=True) if step[0] == "axe"]
    assert told == [[]]
    assert seen.seen[[step[0] for step in steps].index("wide")] <= 1280


def test_a_small_picture_stands_above_the_time_line(site: Site, film: int) -> None:
    steps = [
        *signed_in(site.client, f"/ui/jobs/{film}"),
        ["until", "document.getElementById('film-picture').options.length === 3"],
        ["hover", "#film-at"],
        ["until", "!document.getElementById('film-thumbnail').hidden"],
        ["value", "document.getElementById('film-at').focus()"],
        ["press", "Home"],
        ["until", f"{COLOUR.replace('SOURCE', THUMBNAIL)} === 'red'"],
    ]
    seen = visit(site.url, steps)
    assert seen.errors == []


def _by(manifest: str, fetched: str) -> list[list[str]]:
    """Let the film come by another manifest, at the moment where it is."""
    asked = f"performance.getEntriesByType('resource').some(one => one.name.endsWith('{fetched}'))"
    there = f"Math.abs({FILM}.currentTime - 2) < 1 && {FILM}.readyState > 1"
    return [["choose", "#film-manifest", manifest], ["until", f"{asked} && {there}"]]


def test_the_player_fits_a_telephone(site: Site, film: int) -> None:
    steps = [
        *signed_in(site.client, f"/ui/jobs/{film}"),
        ["until", "document.getElementById('film-picture').options.length === 3"],
        ["axe"],
        ["wide"],
    ]
    seen = visit(site.url, steps, width=390, dark=True)
    assert seen.errors == []
    assert seen.seen[-2] == []
    assert seen.seen[-1] <= 390


RUNGS = [{"height": 180, "bitrate": 300}, {"height": 90, "bitrate": 80}]
GROWING: dict[str, dict[str, Any]] = {
    "encoding_workflow": {"url": "grows/grows.mp4", "renditions": RUNGS},
    # Published with its tracks in one file each, which is another one than was watched.
    "vodstream": {"content_id": "grows", "source_folder": "grows", "encode_source": True},
}


@pytest.mark.parametrize(
    "workflow", ["encoding_workflow", pytest.param("vodstream", marks=pytest.mark.long)]
)
def test_a_film_plays_by_itself_while_it_is_encoded_and_on_to_its_end(
    site: Site, tmp_path: Path, workflow: str
) -> None:
    need_browser()
    inputs = f"{clips.picture(seconds=16)} {clips.beep(seconds=16)}"
    clips.ffmpeg(site.sources / "grows", f"{inputs} {clips.X264} -c:a aac grows.mp4")
    given = {**GROWING[workflow], "output_folder": f"grown/{workflow}"}
    job_id = site.client.submit(workflow, given)
    store, live = site.deployment.store, site.deployment.settings.live_root / str(job_id)
    waits, plays = tmp_path / "waits", tmp_path / "plays"
    steps = [
        *signed_in(site.client, f"/ui/jobs/{job_id}"),
        ["see", "#film-sentence", "The job waits for its turn."],
        ["axe"],
        ["touch", str(waits)],
        # Nobody does anything: it begins by itself.
        ["until", f"{FILM} && {FILM}.currentTime > 0.3"],
        ["value", "document.getElementById('film-now').dataset.state"],
        ["value", "document.getElementById('film-time').textContent"],
        ["axe"],
        ["touch", str(plays)],
        ["until", f"{FILM}.ended"],
        ["value", f"{FILM}.currentTime"],
    ]

    def work() -> None:
        _wait_for(waits.exists)
        with site.deployment.engine.running(2):
            # Chunks are encoded one after the other: no other begins until the page plays.
            _wait_for((live / "master.m3u8").exists)
            store.pause(job_id)
            _wait_for(plays.exists)
            states.append(str(store.job(job_id).state))
            store.resume(job_id)
            _wait_for(lambda: store.job(job_id).ended)

    states: list[str] = []
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    seen = visit(site.url, steps)
    worker.join(120)
    # Segments that become parts of one file are asked for in vain at that moment: the page then
    # looks again and goes on with that file.
    expected = "404 (Not Found)" if workflow == "vodstream" else "nothing"
    assert [error for error in seen.errors if expected not in error] == []
    assert states == ["paused"], "it played before the job had ended"
    found = [answer for step, answer in zip(steps, seen.seen, strict=True) if step[0] == "value"]
    assert found[0] == "growing"
    assert found[1].endswith("so far")
    assert found[2] == pytest.approx(16, abs=0.1)
    assert [one for step, one in zip(steps, seen.seen, strict=True) if step == ["axe"]] == [[], []]


def _wait_for(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)
