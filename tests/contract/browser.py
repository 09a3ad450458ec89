"""What a browser without scripts does with the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

import httpx2

from api_kit import Caller


@dataclass
class Browser:
    """What a browser without scripts does."""

    url: str
    web: httpx2.Client

    def get(self, path: str) -> httpx2.Response:
        return self.web.get(self.url + path)

    def post(
        self, path: str, sent_as: Mapping[str, str] | None = None, /, **fields: str
    ) -> httpx2.Response:
        return self.web.post(self.url + path, data=fields, headers=sent_as)

    def sign_in(self, caller: Caller, to: str = "/ui/") -> httpx2.Response:
        fields = {"client": caller.name, "api-key": caller.key, "to": to}
        return self.web.post(f"{self.url}/ui/login", data=fields)

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.get("/ui/").text)
        assert found
        return unescape(found[1])

    def do(self, name: str, *ids: int, **fields: str) -> httpx2.Response:
        query = "&".join(f"id={one}" for one in ids)
        return self.post(f"/ui/jobs/do?{query}", do=name, token=self.token(), **fields)
