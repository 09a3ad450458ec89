"""Browsers' ends of streams of events: opens many, reads all, and tells what came at the end.

usage: python -m benchmarks.listening PORT PATH COOKIE COUNT

Prints `open` when every stream has had its first event, and on SIGTERM a JSON document with the
bytes and the events that each has had.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

EVENT = b"\n\n"


class Ear:
    """One stream."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.events = 0
        self.begun = asyncio.Event()

    async def listen(self, port: int, path: str, cookie: str) -> None:
        """Read until the other end, or somebody here, ends it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: {cookie}"
        writer.write("\r\n".join([*lines, "", ""]).encode())
        while part := await reader.read(65_536):
            self.size_bytes += len(part)
            self.events += part.count(EVENT)
            if b"event: " in part or b"data: " in part:
                self.begun.set()


async def main(port: int, path: str, cookie: str, count: int) -> None:
    """Listen until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    ears = [Ear() for _ in range(count)]
    tasks = [asyncio.create_task(ear.listen(port, path, cookie)) for ear in ears]
    for ear in ears:
        await ear.begun.wait()
    print("open", flush=True)
    await over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    heard = {"bytes": [ear.size_bytes for ear in ears], "events": [ear.events for ear in ears]}
    print(json.dumps(heard), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
