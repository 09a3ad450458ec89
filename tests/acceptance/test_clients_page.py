"""The page "Clients and keys", followed to the letter."""

from __future__ import annotations

import re
from pathlib import Path

from adaptation.wiring import deploy
from command_line import shell

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "clients.md"


def test_every_command_of_the_page_works(tmp_path: Path, home: Path) -> None:
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text(), re.M | re.S)

    with shell(tmp_path) as run:
        done = run("".join(blocks))

    assert done.status == 0, done.err
    store = deploy().store
    assert store.authenticate("shop", (tmp_path / "shop.key").read_text().strip())
    assert {known.name: str(known.role) for known in store.clients()} == {
        "ann": "client",
        "ops": "admin",
        "shop": "client",
    }
    ann = store.client("ann")
    assert (ann.rate, ann.most_unfinished, ann.defaults) == (None, None, {"output_root": "ann"})
    assert ann.limits == {"source_seconds": None, "output_pixels": 1920 * 1080, "most_running": 2}
    assert ann.callback.headers == {"X-Token": "some secret"}
    assert ann.callback.templates["job"].startswith('{"id": {{ job_id }}')
    assert not ann.callback.verify_tls
    assert sum(key.is_live for key in store.keys("ann")) == 2
    assert len(store.signing_secrets("ann")) == 2
    store.close()
