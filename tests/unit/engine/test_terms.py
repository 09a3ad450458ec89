"""What may be said of when a job runs and how urgently, at first and later."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adaptation.engine.changes import Change
from adaptation.engine.terms import Terms
from adaptation.errors import ParameterError

FUTURE = datetime.fromtimestamp(2_222_000_000, UTC)


@pytest.mark.parametrize("kind", [Terms, Change])
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"priority": 0}, "priority cannot be 0"),
        ({"priority": 11}, "priority cannot be 11"),
        ({"priority": True}, "priority cannot be True"),
        ({"semaphore_url": "file:///etc/passwd"}, "no http or https address"),
        ({"semaphore_url": "http://"}, "no http or https address"),
        ({"semaphore_url": "http://["}, "no http or https address"),
        ({"run_at": FUTURE.replace(tzinfo=None)}, "no time zone"),
    ],
)
def test_what_cannot_be_is_refused(
    kind: type[Terms | Change], wanted: dict[str, object], said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        _ = kind(**wanted).values  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize("kind", [Terms, Change])
def test_a_moment_is_the_same_in_any_time_zone(kind: type[Terms | Change]) -> None:
    zone = datetime.fromisoformat("2040-01-01T00:00:00+05:30").tzinfo

    assert kind(run_at=FUTURE.astimezone(zone)).values["run_at"] == 2_222_000_000_000
    assert kind(run_at=None).values["run_at"] is None


def test_a_change_holds_only_what_is_to_change() -> None:
    assert Change().values == {}
    assert Change(persist=False).values == {"persist": False}
