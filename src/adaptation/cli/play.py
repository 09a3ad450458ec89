"""`adaptation play`: an asset in the browser, from a small server on this machine."""

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

    Args:
        folder: What `adaptation encode` has made.
        port: TCP port, 8010 when not given; 0 takes any that is free.
        host: Address to listen on: 127.0.0.1, which only this machine reaches, when not given.
        open_browser: Show the page at once.
    """
    from adaptation.adapters.static import serve_asset

    def ready(url: str) -> None:
        output.data(url)
        output.note("Ctrl-C ends it.")
        if open_browser:
            import webbrowser

            webbrowser.open(url)

    more = NODE_MODULES if NODE_MODULES.is_dir() else None
    serve_asset(folder, host, port, node_modules=more, on_ready=ready)
