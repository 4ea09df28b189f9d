"""The journal is made shorter while others append to it, and whatever cuts it off."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from partflow.store.failpoints import VARIABLE
from partflow.store.local import LocalStore

APPENDS = """
import sys
from pathlib import Path
from partflow.store.local import LocalStore
root, name = Path(sys.argv[1]), sys.argv[2]
store = LocalStore(root, root / "warehouse", durable=False)
for number in range(200):
    store.journal([f"{name} {number}", f"{name} noise"])
"""
SHORTENS = """
import sys
from pathlib import Path
from partflow.store.local import LocalStore
root = Path(sys.argv[1])
LocalStore(root, root / "warehouse").shorten(lambda lines: ["noise" not in l for l in lines])
"""


@pytest.fixture
def store(tmp_path) -> LocalStore:
    (tmp_path / "warehouse/.partflow").mkdir(parents=True)
    return LocalStore(tmp_path, tmp_path / "warehouse")


def lines(store: LocalStore) -> list[str]:
    return [line.rstrip("\n") for line in store.journaled()]


def without_noise(store: LocalStore) -> None:
    store.shorten(lambda lines: ["noise" not in line for line in lines])


def test_what_processes_append_meanwhile_is_there(store, tmp_path):
    begun = [
        subprocess.Popen([sys.executable, "-c", APPENDS, str(tmp_path), name]) for name in "ab"
    ]
    while any(process.poll() is None for process in begun):
        if store.layout.journal.exists():
            without_noise(store)
    assert [process.returncode for process in begun] == [0, 0]
    without_noise(store)
    found = lines(store)
    for name in "ab":
        assert [x for x in found if x.startswith(name)] == [f"{name} {n}" for n in range(200)]
    assert len(found) == 400


def test_who_waits_to_append_appends_to_the_shorter_one(store):
    """It has the old file open already, and waits for its lock."""
    store.journal(["one", "noise"])
    appending = threading.Thread(target=store.journal, args=(["two"],))

    def waited_for(lines):
        stays = ["noise" not in line for line in lines]
        appending.start()
        while len(opened(store.layout.journal)) < 2:
            pass
        return stays

    store.shorten(waited_for)
    appending.join()
    assert lines(store) == ["one", "two"]


def opened(path: Path) -> list[str]:
    """The descriptors of this process by which it has a file open."""
    found = []
    for entry in os.scandir("/proc/self/fd"):
        try:
            found += [entry.name] if os.path.samestat(entry.stat(), path.stat()) else []
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("point", ["shortened", "journal_replaced"])
def test_all_lines_are_there_or_those_that_last_when_it_is_killed(store, tmp_path, point):
    store.journal(["one", "noise", "two"])
    ended = subprocess.run(
        [sys.executable, "-c", SHORTENS, str(tmp_path)],
        env={**os.environ, VARIABLE: f"{point}=kill"},
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL
    assert lines(store) == {"shortened": ["one", "noise", "two"]}.get(point, ["one", "two"])
    store.journal(["three"])
    without_noise(store)
    assert lines(store) == ["one", "two", "three"]


def test_a_full_disk_leaves_all_lines_and_no_other_file(store, monkeypatch):
    store.journal(["one", "noise"])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("partflow.store.replacing.sync_one", refuse)
    with pytest.raises(OSError, match="No space left"):
        without_noise(store)
    assert lines(store) == ["one", "noise"]
    assert [p.name for p in store.layout.private.iterdir()] == ["journal.jsonl"]


def test_nothing_is_written_if_all_lines_last(store):
    store.journal(["one", "two"])
    before = store.layout.journal.stat()
    without_noise(store)
    assert store.layout.journal.stat() == before


def test_bytes_that_are_no_text_and_an_end_that_was_cut_off_stay(store):
    store.layout.journal.write_bytes(b"noise\n\xff\xfe\ncut o")
    without_noise(store)
    assert store.layout.journal.read_bytes() == b"\xff\xfe\ncut o\n"
