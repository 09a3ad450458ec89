"""The API as a server in a thread of its own, beside whatever else the process does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from adaptation.adapters.listening import address_of, is_of_this_machine_alone, listening
from adaptation.api.app import make_api
from adaptation.api.auth import FAILED_LOGINS
from adaptation.errors import SettingsError
from adaptation.wiring import Deployment

logger = structlog.get_logger(__name__)

GRACE_SECONDS = 5
"""How long requests under way may take when the server is told to stop."""


@contextmanager
def serving(
    deployment: Deployment,
    host: str,
    port: int,
    *,
    failed_logins: int = FAILED_LOGINS,
    mount: Callable[[FastAPI], None] | None = None,
) -> Iterator[str]:
    """Answer requests until the block ends; gives the server's URL.

    Args:
        deployment: the engine behind it, whose tables must be there.
        host: address of this machine to listen on.
        port: 0 takes any that is free.
        failed_logins: wrong keys that one address may send in a minute.
        mount: puts more into the application than the API, such as the pages for people.

    Raises:
        SettingsError: `address_taken`, or `key_needed`: others could reach it, and nobody has
            a key.
    """
    _ask_for_a_key(deployment, host)
    api = make_api(deployment, failed_logins=failed_logins)
    if mount is not None:
        mount(api)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    with listening(host, port) as listener:
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="api", daemon=True
        )
        thread.start()
        try:
            logger.info("answering requests", url=address_of(listener))
            yield address_of(listener)
        finally:
            # Streams end first: the server waits for every answer under way.
            for stream in api.state.streams:
                stream.close()
            server.should_exit = True
            thread.join()


def _ask_for_a_key(deployment: Deployment, host: str) -> None:
    if deployment.store.has_keys():
        return
    remedy = "adaptation client add NAME"
    if not is_of_this_machine_alone(host):
        raise SettingsError(
            f"{host} can be reached from elsewhere, and no client has a key",
            code="key_needed",
            hint=f"Make one first: {remedy}",
        )
    logger.info("nobody has a key to the API yet", remedy=remedy)
