"""The database goes away under the eyes of who looks at the pages, and comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.settings import Settings
from api_kit import ContractDeployment, enrolled
from dashboard.visits import good, need_browser, signed_in, visit
from postgres import running_postgres
from services import wait_until

VISIT_SECONDS = 120.0
WIDTH = 390
IS_BACK = "fetch('/readyz').then((answer) => answer.ok)"


def test_pages_say_that_it_is_away_and_go_on_by_themselves(home: Path, tmp_path: Path) -> None:
    need_browser()
    away, back = tmp_path / "away", tmp_path / "back"
    with running_postgres() as server:
        settings = Settings(home=home, database_url=server.make_database(), port=0)
        deployment = ContractDeployment(settings)
        deployment.store.migrate()
        with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
            api = enrolled(deployment, url)
            job = f"/ui/jobs/{api.client.submit()}"
            steps = [
                *signed_in(api.client),
                ["see", "tbody", "line"],
                ["touch", str(away)],
                ["see", "#trouble", "the database does not answer"],
                ["see", "#trouble", "s old"],
                ["see", "tbody", "line"],
                ["axe"],
                ["goto", job],
                ["see", "main", "The database does not answer."],
                ["see", "main", "Nothing is lost."],
                ["axe"],
                ["wide"],
                ["goto", "/ui/login"],
                ["touch", str(back)],
                ["until", IS_BACK],
                ["goto", job],
                ["see", "h1", "line"],
                ["gone", "#trouble .banner"],
            ]
            with ThreadPoolExecutor(1) as visitors:
                looking = visitors.submit(visit, url, steps, width=WIDTH)
                assert wait_until(lambda: away.exists() or looking.done(), VISIT_SECONDS)
                server.stop()
                assert wait_until(lambda: back.exists() or looking.done(), VISIT_SECONDS)
                server.start()
                seen = looking.result()
        deployment.store.close()
    assert [error for error in seen.errors if "503" not in error] == []
    good(replace(seen, errors=[]), steps, WIDTH)
