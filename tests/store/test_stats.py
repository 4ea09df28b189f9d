"""Files are seen as one stat each sees them, however many processes look."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from partflow.store.manystats import FileLot, SideBySide, stats_of

KEYS = [f"{i:03d}".encode() for i in range(40)]


def lots(root: Path) -> dict[str, FileLot]:
    """A lot with some files absent, one in a folder that is not there, an empty one, a flat one."""
    for key in KEYS[:30]:
        file = root / "parted" / f"day={key.decode()}" / "data"
        file.parent.mkdir(parents=True)
        file.write_bytes(key)
    (root / "flät").mkdir()
    for key in KEYS[10:]:
        (root / "flät" / f"{key.decode()}.csv").write_bytes(key * 2)
    return {
        "parted": FileLot(os.fsencode(root / "parted"), (b"day=", b"/data"), KEYS),
        "nowhere": FileLot(os.fsencode(root / "nowhere"), (b"", b""), KEYS[:7]),
        "empty": FileLot(os.fsencode(root / "parted"), (b"day=", b"/data"), []),
        "flat": FileLot(os.fsencode(root / "flät"), (b"", b".csv"), KEYS),
        "whole": FileLot(os.fsencode(root / "flät"), (b"020.csv",), [b"all"]),
    }


def test_a_file_that_is_there_is_told_from_one_that_is_not(tmp_path):
    found = {name: stats_of(files).tolist() for name, files in lots(tmp_path).items()}
    assert [row[0] for row in found["parted"]] == [3] * 30 + [-1] * 10
    assert [row[0] for row in found["flat"]] == [-1] * 10 + [6] * 30
    assert found["nowhere"] == [[-1] * 4] * 7
    assert found["empty"] == []
    stat = (tmp_path / "flät/020.csv").stat()
    assert found["whole"] == [[stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]]


@pytest.mark.parametrize("processes", [1, 2, 3, 5, 200])
def test_the_files_are_the_same_however_many_processes_share_them(tmp_path, processes):
    files = lots(tmp_path)
    with SideBySide(files, processes) as stats:
        # Not in their order, and some twice: who looks need not know who found them.
        for name in [*reversed(files), *files]:
            assert stats.of(name).tolist() == stats_of(files[name]).tolist(), name


def test_without_any_files_nobody_is_asked():
    with SideBySide({"none": FileLot(b"/nowhere", (b"",), [])}, 2) as stats:
        assert stats.of("none").shape == (0, 4)


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python", "", "/bin/cat"])
def test_a_process_that_dies_or_says_something_else_is_made_up_for(tmp_path, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    files = lots(tmp_path)
    with SideBySide(files, 3) as stats:
        for name in files:
            assert stats.of(name).tolist() == stats_of(files[name]).tolist(), name


@pytest.mark.parametrize("processes", [1, 2])
def test_a_file_that_stat_refuses_is_told_from_one_that_is_not_there(tmp_path, processes):
    files = lots(tmp_path)
    loop = tmp_path / "flät/038.csv"
    loop.unlink()
    loop.symlink_to(loop)
    with SideBySide(files, processes) as stats:
        assert stats.of("flat")[37:, 0].tolist() == [6, 0, 6]


def test_of_a_folder_that_is_refused_every_file_is_to_be_looked_at_whoever_looks(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    files = FileLot(os.fsencode(loop), (b"", b""), KEYS)
    with SideBySide({"one": files}, 2) as stats:
        assert (stats.of("one") == 0).all()


def test_those_that_are_still_at_it_end_with_the_one_who_asked(tmp_path, monkeypatch):
    pids: list[int] = []
    begin: Callable[..., int] = os.posix_spawn

    def noted(*given: object, **named: object) -> int:
        pids.append(begin(*given, **named))
        return pids[-1]

    monkeypatch.setattr(os, "posix_spawn", noted)
    with SideBySide(lots(tmp_path), 3):
        pass
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
