"""Keys as people see and type them: a time of UTC ends in Z, all else stays."""

from __future__ import annotations

import pytest

from partflow.partitions.keytexts import plain_key, shown_key, shown_keys_in

TIMES = ["2024-01-05T13", "2024-01-05T1315"]
OTHERS = ["2024-01-05", "2024-W02", "2024-01", "all", "", "2024-01-05T13Z", "٢٠٢٤-01-05T13"]


@pytest.mark.parametrize("key", TIMES)
def test_a_time_is_shown_with_a_z_and_taken_with_it_or_without(key):
    assert shown_key(key) == f"{key}Z"
    assert plain_key(f"{key}Z") == plain_key(key) == key


@pytest.mark.parametrize("key", OTHERS)
def test_every_other_key_is_shown_as_it_is(key):
    assert shown_key(key) == key


def test_keys_within_a_text_are_shown_as_keys_are():
    text = "2024-01-05T13 .. 2024-01-05T14, daily since 2024-01-01"
    assert shown_keys_in(text) == "2024-01-05T13Z .. 2024-01-05T14Z, daily since 2024-01-01"


def test_what_only_contains_a_time_is_no_key():
    assert shown_keys_in("run-2024-01-05T13x") == "run-2024-01-05T13x"
