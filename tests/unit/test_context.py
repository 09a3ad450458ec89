"""The one dict that is passed from task to task: its paths, and how branches become one."""

from __future__ import annotations

import json

from adaptation.context import Context


def test_hls_and_dash_of_a_track_share_a_folder() -> None:
    context = Context(name="720p", output_folder="/srv/film", transcoded_keys=["a/1/720p.mp4"])

    assert context.folder_out == "/srv/film"
    assert context.hls_folder == context.dash_folder == "720p"
    assert context.rendition_playlist == "720p/playlist.m3u8"
    assert (context.master_playlist, context.dash_manifest) == ("master.m3u8", "manifest.mpd")
    assert (context.transcoded_folder, context.transcoded_file) == ("a/1", "a/1/720p.mp4")


def test_branches_keep_what_they_agree_on_and_list_what_is_collected() -> None:
    branches = [
        {"job_id": 1, "name": name, "height": height}
        for name, height in (("720p", 720), ("360p", 360))
    ]

    joined = Context.joined(branches, collect=("name",))

    assert joined == {"job_id": 1, "name": ["720p", "360p"]}
    assert json.loads(json.dumps(joined)) == joined


def test_no_branches_join_to_empty_lists() -> None:
    assert Context.joined([], collect=("name",)) == {"name": []}


def test_extending_leaves_the_context_before_as_it_was() -> None:
    before = Context(width=1)

    assert before.extended(width=2, height=3) == {"width": 2, "height": 3}
    assert before == {"width": 1}
