"""Another site, which would like to use the session of whoever opens it."""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def other_site(pages: dict[str, str]) -> Iterator[int]:
    """Serve HTML by path on the loopback, without any policy of its own; gives the port."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def form(action: str, **fields: str) -> str:
    """A page with one button, which sends a form to somebody else."""
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    icon = '<link rel="icon" href="data:,">'
    return f'{icon}<form method="post" action="{action}">{inputs}<button>Win!</button></form>'


def frame(address: str) -> str:
    """A page that shows another in a frame, and tells whether it could."""
    return f'<link rel="icon" href="data:,"><iframe src="{address}"></iframe><p>Click here.</p>'
