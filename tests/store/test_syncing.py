"""Making files durable: each by itself, or all of their file system at once."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.store import syncing
from partflow.store.syncing import Syncing, SyncPace


def test_the_first_group_is_synced_file_by_file_since_nothing_is_known_of_the_disk():
    pace = SyncPace()
    assert not pace.may_be_whole()
    pace.each(10, 0.01)
    assert pace.may_be_whole()


def test_after_others_had_to_be_waited_for_files_are_synced_by_themselves_for_a_while():
    pace = SyncPace()
    pace.each(10, 0.01)
    pace.whole(10, 1.0, failed=False)
    assert [pace.may_be_whole() for _ in range(17)] == [False] * 16 + [True]
    pace.whole(10, 1.0, failed=False)
    assert [pace.may_be_whole() for _ in range(33)] == [False] * 32 + [True]


def test_a_whole_disk_that_takes_no_longer_than_its_files_goes_on():
    pace = SyncPace()
    pace.each(100, 1.0)
    for _ in range(3):
        pace.whole(100, 1.5, failed=False)
        assert pace.may_be_whole()


def test_after_an_error_the_next_files_are_synced_by_themselves_so_that_one_is_named():
    pace = SyncPace()
    pace.each(10, 0.01)
    pace.whole(10, 0.001, failed=True)
    assert not pace.may_be_whole()


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 100), st.booleans())))
def test_no_history_keeps_the_whole_disk_from_being_tried_again(events):
    pace = SyncPace()
    pace.each(1, 0.001)
    for count, seconds, failed in events:
        pace.whole(count, seconds, failed=failed)
    assert any(pace.may_be_whole() for _ in range(1025))


@pytest.mark.parametrize(
    ("release", "reports"),
    [
        ("5.7.19", False), ("5.8.0-rc1", True), ("5.10.0-21-amd64", True),
        ("6.8.0-45-generic", True),
        ("4.18.0-553.el8", False), ("5.8", True), ("10.0", True), ("what", False), ("6", False),
    ],
)  # fmt: skip
def test_only_kernels_are_trusted_that_report_what_they_could_not_write(release, reports):
    assert syncing._is_since(release) is reports


def files(folder, count: int) -> list[str]:
    for number in range(count):
        (folder / f"{number}").write_bytes(b"data")
    return [str(folder / f"{number}") for number in range(count)]


@pytest.mark.parametrize("at_least", [1, 8, 1000])
def test_files_and_folders_are_synced_either_way(tmp_path, at_least):
    disk = Syncing(tmp_path / "not there yet", at_least=at_least)
    for _ in range(3):
        assert disk.sync([*files(tmp_path, 20), str(tmp_path)]) == {}


@pytest.mark.parametrize("at_least", [1, 1000])
def test_a_file_that_is_gone_is_told_by_its_path(tmp_path, at_least):
    disk = Syncing(tmp_path, at_least=at_least)
    disk.sync(files(tmp_path, 2))
    gone = str(tmp_path / "gone")
    errors = disk.sync([*files(tmp_path, 3), gone])
    assert {path: error.errno for path, error in errors.items()} == {gone: errno.ENOENT}


def test_a_file_on_another_file_system_is_synced_by_itself(tmp_path, monkeypatch):
    disk = Syncing(tmp_path, at_least=1)
    disk.sync(files(tmp_path, 2))
    names = files(tmp_path, 2)
    assert disk._is_for_all(names) == disk._whole.is_known
    disk._whole.device += 1
    assert not disk._is_for_all(names)
