"""`adaptation play`: an asset in the browser, from a small server on this machine.

What is still being encoded is played as far as it has come, and goes on to its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from adaptation.cli import output

NODE_MODULES = Path("node_modules")
"""Where npm put more players, if this is run in a checkout."""


def play(
    folder: Path,
    /,
    *,
    port: int = 8010,
    host: str = "127.0.0.1",
    open_browser: Annotated[bool, Parameter(name="--open")] = False,
) -> None:
    """Play an asset in the browser.

    Serves the folder with a player page until Ctrl-C; the page's address is printed on stdout.
    While a job is making the asset, what there is of it can be watched already.

    Args:
        folder: What `adaptation encode` has made, or is making.
        port: TCP port, 8010 when not given; 0 takes any that is free.
        host: Address to listen on: 127.0.0.1, which only this machine reaches, when not given.
        open_browser: Show the page at once.
    """
    from adaptation.adapters.publish import asset_id_of
    from adaptation.adapters.static import serve_asset

    def ready(url: str) -> None:
        output.data(url)
        output.note("Ctrl-C ends it.")
        if open_browser:
            import webbrowser

            webbrowser.open(url)

    more = NODE_MODULES if NODE_MODULES.is_dir() else None
    live = None if asset_id_of(folder) else _live_folder(folder)
    if live is not None:
        output.note(f"{folder} is still being made: this is what there is of it.")
    serve_asset(
        live or folder, host, port, node_modules=more, is_growing=live is not None, on_ready=ready
    )


def _live_folder(folder: Path) -> Path | None:
    """Where the asset grows that a job will publish as `folder`; None when no job does."""
    from adaptation.cli.request import absolute_folder
    from adaptation.wiring import deploy

    deployment = deploy()
    deployment.engine.prepare()
    job = deployment.store.unfinished_with(str(absolute_folder(str(folder))))
    return deployment.resources.live.folder(job.id) if job else None
