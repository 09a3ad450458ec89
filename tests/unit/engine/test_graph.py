"""A canvas becomes tasks whose edges say who receives from whom."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import Signature
from hypothesis import given
from hypothesis import strategies as st

from adaptation.engine.graph import lower
from adaptation.engine.plan import Upstream
from adaptation.errors import ParameterError


def sig(name: str, **params: Any) -> Signature[Any]:
    return Signature(name, kwargs=params)


def edges(canvas: Signature[Any]) -> dict[str, Upstream]:
    return {planned.name: planned.upstream for planned in lower(canvas).tasks}


def test_each_step_of_a_chain_receives_from_the_one_before() -> None:
    found = edges(chain(sig("a"), sig("b"), sig("c")))

    assert found["a"] == Upstream()
    assert found["b"].keys == ("0:a",)
    assert found["c"].keys == ("1:b",)
    assert not found["c"].joins


def test_a_step_after_a_group_receives_all_branches_in_authoring_order() -> None:
    found = edges(chain(sig("a"), group(sig("b"), chain(sig("c"), sig("d"))), sig("join")))

    assert found["b"].keys == found["c"].keys == ("0:a",)
    assert found["join"] == Upstream(keys=("1.0:b", "1.1.1:d"), joins=True)


def test_an_empty_chord_still_releases_its_body() -> None:
    found = edges(chain(sig("a"), chord([], sig("join"))))

    assert found["join"] == Upstream(joins=True, after=("0:a",))


def test_a_chord_inside_a_chord_gives_one_result_to_the_outer_body() -> None:
    inner = chord([sig("b"), sig("c")], sig("inner"))
    found = edges(chord([inner, sig("d")], sig("outer")))

    assert found["inner"].keys == ("0.0:b", "0.1:c")
    assert found["outer"].keys == ("0.end:inner", "1:d")


def test_what_a_running_task_returns_is_named_after_it() -> None:
    plan = lower(chain(sig("b"), sig("c")), prefix="0:a", upstream=Upstream(keys=("0:a",)))

    assert [planned.key for planned in plan.tasks] == ["0:a.0:b", "0:a.1:c"]
    assert plan.tasks[0].upstream.keys == ("0:a",)
    assert plan.exits.keys == ("0:a.1:c",)


def test_positional_arguments_are_refused_with_a_remedy() -> None:
    with pytest.raises(ParameterError, match="positional arguments") as caught:
        lower(Signature("a", args=(1,)))

    assert "by name" in caught.value.hint


canvases = st.recursive(
    st.builds(sig, st.sampled_from(["a", "b", "c"])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda steps: chain(*steps)),
        st.tuples(st.lists(inner, max_size=3), st.builds(sig, st.just("join"))).map(
            lambda parts: chord(parts[0], parts[1])
        ),
    ),
    max_leaves=12,
)


@given(canvases)
def test_any_canvas_has_unique_keys_and_edges_that_point_back(canvas: Signature[Any]) -> None:
    seen: set[str] = set()
    for planned in lower(canvas).tasks:
        assert planned.key not in seen
        assert seen.issuperset((*planned.upstream.keys, *planned.upstream.after))
        assert planned.upstream.joins or len(planned.upstream.keys) <= 1
        seen.add(planned.key)
