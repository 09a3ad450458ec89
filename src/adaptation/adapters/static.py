"""A small site on this machine that plays a published asset in a browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from adaptation.adapters.listening import address_of, listening
from adaptation.adapters.media_types import MEDIA_TYPES
from adaptation.adapters.publish import asset_id_of
from adaptation.errors import ParameterError

_PLAYERS = {
    "hls.min.js": Path("hls.js/dist/hls.min.js"),
    "dash.all.min.js": Path("dashjs/dist/modern/umd/dash.all.min.js"),
}
"""Players that npm may have installed: the name they get here, and where they lie."""
_HERE = Path(__file__).parent
# Nothing but this site; blob: is how Media Source and the workers of players are addressed, data:
# an empty file of text that hls.js makes the tracks of its subtitles from.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "media-src 'self' blob: data:; worker-src blob:"
)


def asset_site(
    folder: Path, node_modules: Path | None = None, *, is_growing: bool = False
) -> Starlette:
    """Serve the asset in `folder` with ranges, its media types and a player page at `/`.

    Args:
        folder: a published asset, or one that grows.
        node_modules: where npm installed hls.js and dashjs, to offer them as players, too.
        is_growing: whether the asset's record may come later.

    Raises:
        ParameterError: `asset_missing`.
    """
    if not is_growing and asset_id_of(folder) is None:
        raise ParameterError(
            f"{folder} holds no asset",
            code="asset_missing",
            hint="Name the folder that `adaptation encode` wrote: the one with asset.json.",
        )
    scripts = _scripts(node_modules)
    routes = [
        Route("/", lambda _: _page()),
        Route("/_player/", lambda _: JSONResponse(sorted(scripts))),
        Route("/_player/{name}", lambda request: _script(request, scripts)),
        # Not checked: what grows may not have begun yet.
        Mount("/", _AssetFiles(directory=folder, check_dir=False)),
    ]
    # Players on other sites may try the asset, as they could once it is on a server.
    shared = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=["Range"],
        expose_headers=["Content-Length", "Content-Range"],
    )
    return Starlette(routes=routes, middleware=[shared])


def serve_asset(  # noqa: PLR0913 - each is an option of the command line
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    node_modules: Path | None = None,
    is_growing: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run `asset_site` until it is interrupted.

    Args:
        folder: see `asset_site`.
        host: address of this machine to listen on.
        port: 0 takes any that is free.
        node_modules: see `asset_site`.
        is_growing: see `asset_site`.
        on_ready: gets the site's URL once it accepts connections.

    Raises:
        ParameterError: `asset_missing`.
        SettingsError: `address_taken`.
    """
    site = asset_site(folder, node_modules, is_growing=is_growing)
    with listening(host, port) as listener:
        # Players ask for the next segment before they hang up: do not wait for them at the end.
        config = uvicorn.Config(
            site, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        if on_ready:
            on_ready(address_of(listener))
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


class _AssetFiles(StaticFiles):
    """Files with the media types of streaming, asked for again each time."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        suffix = Path(full_path).suffix
        if response.status_code == status_code and suffix in MEDIA_TYPES:
            response.headers["Content-Type"] = MEDIA_TYPES[suffix]
        # Segments, too: an asset that replaced this one has the same names.
        response.headers["Cache-Control"] = "no-cache"
        return response


def _page() -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return FileResponse(_HERE / "player.html", headers=headers)


def _scripts(node_modules: Path | None) -> dict[str, Path]:
    found = {name: _HERE / name for name in ("page.js", "player.js")}
    if node_modules is not None:
        found |= {name: node_modules / path for name, path in _PLAYERS.items()}
    return {name: path for name, path in found.items() if path.is_file()}


def _script(request: Request, scripts: dict[str, Path]) -> Response:
    path = scripts.get(request.path_params["name"])
    if path is None:
        return Response(status_code=404)
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(path, media_type="text/javascript", headers=headers)
