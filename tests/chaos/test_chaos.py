"""A real fleet in a short storm: 100 jobs, each kind of fault once, nothing lost or doubled."""

from __future__ import annotations

import pytest

from chaos.plan import Kind, make_plan
from chaos.storm import Outcome, run
from chaos.wanted import SHORT


@pytest.fixture(scope="module", params=["redis", pytest.param("rabbitmq", marks=pytest.mark.long)])
def storm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What a hundred jobs have come to."""
    return run(SHORT.over(request.param), tmp_path_factory.mktemp(request.param))


@pytest.mark.crash
@pytest.mark.logs_errors
def test_a_fleet_loses_and_doubles_nothing_in_a_storm(storm: Outcome) -> None:
    assert storm.violations == []
    assert len(storm.evidence.jobs) == SHORT.jobs
    # Else there was no storm: each kind of fault came, and some work had to be done again.
    assert set(storm.cost.faults) == set(Kind) - set(storm.impossible)
    assert storm.cost.executions > storm.cost.tasks == sum(o.tasks for o in storm.evidence.orders)


def test_a_seed_is_a_plan() -> None:
    plan = make_plan(1, 200)

    assert plan == make_plan(1, 200)
    assert plan != make_plan(2, 200)
    assert len(plan) == 200
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)


def test_a_plan_has_every_kind_that_is_possible() -> None:
    assert {fault.kind for fault in make_plan(1, len(Kind))} == set(Kind)
    assert len(make_plan(1, 3)) == 3
    without = make_plan(1, 40, [Kind.SCRATCH_FILLED])
    assert {fault.kind for fault in without} == set(Kind) - {Kind.SCRATCH_FILLED}
