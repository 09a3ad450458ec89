"""The pictures of the pages: all that are taken are shown and told of, and none is large."""

from __future__ import annotations

import re

from dashboard.pictures import BEFORE, MOST_BYTES, PAGES, PICTURES, ROOT, STALE

MOST_BYTES_OF_ALL = 2_000_000


def test_every_picture_of_a_page_is_shown_with_a_sentence() -> None:
    page = (ROOT / "docs" / "dashboard.md").read_text()
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/pages/(\w+)\.png\)", page)
    taken = {one.name for one in (*BEFORE, *PAGES)} | {STALE}
    assert {name for _, name in shown} == taken
    assert len(shown) == len(taken)
    assert min(len(told.split()) for told, _ in shown) >= 3
    assert {path.stem for path in PICTURES.iterdir()} == taken


def test_no_picture_of_a_page_is_large() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    assert sum(sizes.values()) <= MOST_BYTES_OF_ALL
