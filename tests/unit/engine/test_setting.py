"""The settings of the whole fleet: what each may be."""

from __future__ import annotations

from dataclasses import fields

import pytest

from adaptation.engine.rules import Rules
from adaptation.engine.setting import KNOWN, known_setting
from adaptation.errors import ParameterError


@pytest.mark.parametrize("value", ["many", "", "nan", "1e999", 2.5, -1, True, None, [1], 10**9])
def test_a_value_that_cannot_be_is_refused(value: object) -> None:
    with pytest.raises(ParameterError, match="max_jobs cannot be") as caught:
        known_setting("max_jobs").checked(value)
    assert caught.value.code == "setting_invalid"
    assert "whole number from 0 to 100000; 2 is the default" in caught.value.hint


@pytest.mark.parametrize(("value", "number"), [("20", 20), (20.0, 20), (0, 0)])
def test_a_number_in_writing_is_a_number(value: object, number: int) -> None:
    checked = known_setting("max_jobs").checked(value)

    assert (checked, type(checked)) == (number, int)


def test_a_delay_may_be_part_of_a_second() -> None:
    assert known_setting("retry_delay").checked("0.5") == 0.5


def test_a_setting_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="no setting is called 'max_job'") as caught:
        known_setting("max_job")
    assert caught.value.hint.startswith("Did you mean max_jobs?")


def test_the_rules_defaults_are_those_of_the_settings() -> None:
    assert {field.name: field.default for field in fields(Rules)} == {
        field.name: KNOWN[field.name].default for field in fields(Rules)
    }
