"""The files of a partition that may have several: which these are, and their identity together."""

from __future__ import annotations

import os

import numpy as np
import pytest

from partflow.declarations.dataset import Source
from partflow.declarations.keyedpath import keyed_path
from partflow.partitions.calendar import Daily
from partflow.store.memory import MemoryStore
from partflow.store.setfiles import files_of_set, identities_of_sets, identity_of_set

DAYS = Daily("2024-01-01")
FIRST, SECOND = KEYS = ["2024-01-01", "2024-01-02"]


def put(root, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("n\n1\n")


def names(root, path: str, key: str, marker: str | None = None) -> list[str]:
    marked = None if marker is None else keyed_path(marker, DAYS)
    return [file.name for file in files_of_set(root, keyed_path(path, DAYS), marked, key)]


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("in/{key}/*.csv", ["in/2024-01-01/b.csv", "in/2024-01-01/a.csv"], ["a.csv", "b.csv"]),
        ("in/{key}/*.csv", ["in/2024-01-01/.a.csv", "in/2024-01-01/b.txt"], []),
        ("in/{key}/*.csv", ["in/2024-01-01/c.csv/x", "in/2024-01-02/a.csv"], []),
        ("in/{date:%Y/%m}/{date:%d}-*", ["in/2024/01/01-a", "in/2024/01/02-a"], ["01-a"]),
        ("{key}-*.csv", ["2024-01-01-a.csv", "2024-01-02-a.csv"], ["2024-01-01-a.csv"]),
        ("in/{key}/a*b*.csv", ["in/2024-01-01/a1b2.csv", "in/2024-01-01/b.csv"], ["a1b2.csv"]),
        ("in/{key}/[*].csv", [], []),
    ],
)
def test_names_say_which_files_are_of_a_partition(tmp_path, path, files, expected):
    put(tmp_path, *files)
    assert names(tmp_path, path, FIRST) == expected


def test_what_marks_a_set_as_whole_is_none_of_it(tmp_path):
    put(tmp_path, "in/2024-01-01/_SUCCESS", "in/2024-01-01/a")
    assert names(tmp_path, "in/{key}/*", FIRST, "in/{key}/_SUCCESS") == ["a"]


def test_a_link_that_leads_nowhere_is_no_file(tmp_path):
    put(tmp_path, "in/2024-01-01/a")
    (tmp_path / "in/2024-01-01/b").symlink_to("nowhere")
    assert names(tmp_path, "in/{key}/*", FIRST) == ["a"]


def test_many_are_found_as_each_is(tmp_path):
    path = keyed_path("in/{key}-*.csv", DAYS)
    put(tmp_path, *(f"in/{key}-{n}.csv" for key in KEYS for n in range(3)))
    rows = identities_of_sets(tmp_path, path, None, [*KEYS, "2024-01-03"])
    for key, row in zip(KEYS, rows.tolist(), strict=False):
        together = identity_of_set(files_of_set(tmp_path, path, None, key))
        assert row == [together.size, together.mtime_ns, together.ctime_ns, together.inode]
    assert rows[2].tolist() == [-1] * 4


def changes(folder):
    yield lambda: (folder / "a").write_text("other")
    yield lambda: (folder / "c").write_text("")
    yield lambda: (folder / "b").rename(folder / "d")
    yield lambda: os.utime(folder / "a", ns=(1, 1))
    yield (folder / "d").unlink


def test_whatever_happens_to_one_of_them_is_another_identity(tmp_path):
    path = keyed_path("{key}/*", DAYS)
    put(tmp_path, f"{FIRST}/a", f"{FIRST}/b")
    seen = [identities_of_sets(tmp_path, path, None, [FIRST]).tobytes()]
    for change in changes(tmp_path / FIRST):
        change()
        seen.append(identities_of_sets(tmp_path, path, None, [FIRST]).tobytes())
        assert len(set(seen)) == len(seen)


def test_a_folder_that_is_refused_equals_nothing_that_is_recorded(tmp_path):
    path = keyed_path("{key}/*", DAYS)
    (tmp_path / FIRST).symlink_to(FIRST)  # It leads in a circle.
    assert np.array_equal(identities_of_sets(tmp_path, path, None, [FIRST]), [[0, 0, 0, 0]])


@pytest.mark.parametrize("path", ["in/{key}/*.csv", "in/{date:%Y/%m/%d}/x*y.csv", "{key}-*"])
def test_the_key_is_told_from_the_path_of_a_file(path):
    paths = keyed_path(path, DAYS)
    assert paths.is_of_several
    assert paths.key_of(paths.of(FIRST).replace("*", "any")) == FIRST
    assert paths.key_of(paths.of(FIRST).replace("*", "any") + "/more") is None


def test_a_store_in_memory_has_one_file_of_a_set_and_none_of_what_is_not_there(tmp_path):
    source = Source("raw", DAYS, path="in/{key}/*.csv")
    store = MemoryStore(tmp_path)
    store.put(source.name, FIRST, b"n\n1\n")
    assert [len(store.set_of(source, key)) for key in KEYS] == [1, 0]
    fetched = store.read(source, KEYS)
    assert (len(fetched.places), fetched.counts) == (1, (1, 0))
