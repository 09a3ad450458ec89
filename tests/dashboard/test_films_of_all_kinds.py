"""What a job's page shows of a film in a storage, an encrypted one, GIFs, MP4s and images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard.cinema import COLOUR, FILM, THUMBNAIL, Site, a_site, make_film, seen_at
from dashboard.visits import signed_in, visit
from storage_services import S3

KEY = [{"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}]
SPRITED = {"preview_thumbnails": True, "preview_thumbnails_interval": 1}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("kinds")) as found:
        make_film(found.sources / "film")
        yield found


def test_a_film_in_a_storage_plays_with_small_pictures_of_its_sprites(site: Site, s3: S3) -> None:
    site.deployment.store.add_storage(s3.config("shop"))
    job_id = site.done("vodstream", source_folder="film", destination_storage="shop", **SPRITED)
    steps = [
        *signed_in(site.client, f"/ui/jobs/{job_id}"),
        # The storage is asked once the page is there.
        ["until", "document.getElementById('film-picture')?.options.length === 3"],
        *seen_at(4.2, "blue"),
        ["value", "document.getElementById('film-at').focus()"],
        ["press", "Home"],
        ["until", f"!{THUMBNAIL}.hidden && {COLOUR.replace('SOURCE', THUMBNAIL)} === 'red'"],
        ["until", f"{FILM}.currentTime < 0.5 && {COLOUR.replace('SOURCE', FILM)} === 'red'"],
    ]
    seen = visit(site.url, steps)
    assert seen.errors == []
    assert str(site.deployment.store.job(job_id).output).startswith("storage://shop/")


def test_what_is_no_stream_is_shown_as_it_is_and_what_is_locked_says_so(site: Site) -> None:
    of_film = {"source": "film/large.mp4", "output_folder": "stills"}
    gif, image, mp4, locked = site.all_done(
        (
            "generate_gif",
            {"start_at": 2.5, "duration": 1, "gif_filename": "a.gif", "height": 90, **of_film},
        ),
        ("capture_frame", {"frame_time": 4, "image_filename": "a.png", **of_film}),
        ("createmp4", {"source_folder": "film", "output_folder": "mp4", "mp4_filename": "a.mp4"}),
        ("vodstream", {"source_folder": "film", "drm": ["widevine"], "content_keys": KEY}),
    )
    size = "[one.naturalWidth, one.naturalHeight]"
    sizes = f"Promise.all([...document.images].map((one) => one.decode().then(() => {size})))"
    steps = [
        *signed_in(site.client, f"/ui/jobs/{gif}"),
        ["value", sizes],
        ["axe"],
        ["goto", f"/ui/jobs/{image}"],
        ["value", sizes],
        ["until", f"{COLOUR.replace('SOURCE', 'document.images[0]')} === 'blue'"],
        ["goto", f"/ui/jobs/{mp4}"],
        *seen_at(4.2, "blue"),
        ["axe"],
        ["goto", f"/ui/jobs/{locked}"],
        ["text", "#film-sentence"],
        ["count", "#film"],
        ["axe"],
    ]
    seen = visit(site.url, steps)
    assert seen.errors == []
    told = [answer for step, answer in zip(steps, seen.seen, strict=True) if step[-1] == sizes]
    assert told == [[[160, 90]], [[320, 180]]]
    assert [one for step, one in zip(steps, seen.seen, strict=True) if step == ["axe"]] == [[]] * 3
    sentence, players = seen.seen[-3:-1]
    assert "Encrypted. The asset is encrypted (cenc; Widevine)" in " ".join(sentence.split())
    assert "a licence server" in sentence
    assert players == 0
