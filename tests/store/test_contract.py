"""What every store must do; a new one is added to `stores.STORES` and has to pass all of it."""

from __future__ import annotations

import hashlib
import tempfile
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import DAYS, KEYS, STORES, Kit, seen

from partflow.declarations.dataset import Dataset, Source
from partflow.partitions.calendar import Daily, Whole
from partflow.store.protocol import Answer, Fetched, Replacement, file_of

KEY = KEYS[0]
LANDING = Source("landing", Daily("2024-01-01"), path="landing/{key}.csv")
ALL = Dataset("all_days", Whole())
FILES = ["data.parquet"]
LATER = 2**62
"""A moment, in epoch nanoseconds, long after any file was written."""
RUN = "20260101-000000-aaaa"


@pytest.fixture(params=sorted(STORES))
def kit(request, tmp_path) -> Kit:
    return STORES[request.param](tmp_path)


def staged(kit: Kit, content: bytes, number: int = 0) -> tuple[str, str]:
    """The name of a sealed and synced file, and its SHA-256."""
    name = f"{RUN}/{number}-0.tmp"
    path = kit.store.stage(name)
    path.write_bytes(content)
    kit.store.seal(name)
    assert not kit.store.sync([path])
    return name, hashlib.sha256(content).hexdigest()


def replaced(kit: Kit, content: bytes, by_seen=None, number: int = 0, key: str = KEY) -> Answer:
    return kit.store.replace(DAYS, key, Replacement(*staged(kit, content), by_seen, number))


def held(kit: Kit, key: str = KEY) -> bytes | None:
    (path,) = kit.store.read(DAYS, [key]).paths
    return path.read_bytes() if path.exists() else None


def test_where_there_is_nothing_the_size_is_minus_one_and_nothing_lies_at_the_path(kit):
    rows = kit.store.identities(DAYS, KEYS)
    assert (rows.shape, rows.dtype, rows.nbytes) == ((3, 4), np.int64, 3 * 32)
    assert (rows[:, 0] == -1).all()
    assert not any(path.exists() for path in kit.store.read(DAYS, KEYS).paths)


def test_a_look_at_many_finds_what_a_look_at_each_does(kit):
    kit.put(KEYS[1], b"something")
    lots = {"all": (DAYS, [key.encode() for key in KEYS]), "none": (DAYS, [])}
    with kit.store.look(lots) as looked:
        assert np.array_equal(looked.of("all"), kit.store.identities(DAYS, KEYS))
        assert looked.of("none").shape == (0, 4)


def test_what_is_put_into_its_place_is_read_there(kit):
    assert replaced(kit, b"first") is Answer.DONE
    assert held(kit) == b"first"
    assert kit.store.identities(DAYS, KEYS)[:, 0].tolist() == [5, -1, -1]


def test_the_same_state_has_the_same_identity_and_another_has_another(kit):
    replaced(kit, b"first")
    first = seen(kit.store, KEY)
    assert seen(kit.store, KEY) == first
    replaced(kit, b"other")
    assert seen(kit.store, KEY) != first
    kit.put(KEY, b"third")
    assert seen(kit.store, KEY) != first


def test_what_was_seen_is_replaced(kit):
    kit.put(KEY, b"old")
    assert replaced(kit, b"new", seen(kit.store, KEY)) is Answer.DONE
    assert held(kit) == b"new"


@pytest.mark.parametrize("before", [b"old", None])
def test_what_was_not_seen_stays(kit, before):
    kit.put(KEY, before)
    then = seen(kit.store, KEY)
    kit.put(KEY, b"somebody's")
    assert replaced(kit, b"new", then) is Answer.MOVED
    assert held(kit) == b"somebody's"
    assert not kit.store.kept(DAYS.name, KEY)


def test_where_what_was_seen_is_gone_nothing_can_be_lost(kit):
    kit.put(KEY, b"old")
    then = seen(kit.store, KEY)
    kit.put(KEY, None)
    assert replaced(kit, b"new", then) is Answer.DONE
    assert held(kit) == b"new"


def test_who_asks_again_hears_that_it_was_done(kit):
    kit.put(KEY, b"old")
    by = Replacement(*staged(kit, b"new"), seen(kit.store, KEY), 1)
    assert kit.store.replace(DAYS, KEY, by) is Answer.DONE
    assert kit.store.replace(DAYS, KEY, by) is Answer.MINE
    assert held(kit) == b"new"
    assert [p.read_bytes() for p in kit.store.kept(DAYS.name, KEY).values()] == [b"old"]


def test_a_file_that_is_not_staged_is_an_error_and_replaces_nothing(kit):
    kit.put(KEY, b"old")
    with pytest.raises(OSError, match="No such file"):
        kit.store.replace(DAYS, KEY, Replacement(f"{RUN}/9-0.tmp", "ab", None, 1))
    assert held(kit) == b"old"


def test_what_is_read_is_what_was_expected_or_it_is_said_which_moved(kit):
    for key in KEYS:
        kit.put(key, key.encode())
    expected = kit.store.identities(DAYS, KEYS)
    paths = kit.store.read(DAYS, KEYS, expected).paths
    assert [path.read_bytes().decode() for path in paths] == list(KEYS)
    kit.put(KEYS[1], b"somebody's")
    assert kit.store.read(DAYS, KEYS, expected) == Fetched((), (KEYS[1],))


def test_who_has_a_file_open_reads_on_in_what_it_was(kit):
    replaced(kit, b"first")
    path = file_of(kit.store, DAYS, KEY)
    with path.open("rb") as file:
        replaced(kit, b"other")
        assert file.read() == b"first"


def test_what_is_replaced_is_kept_by_its_number_and_no_more_than_the_bound(kit):
    for number, content in enumerate([b"a", b"b", b"c", b"d"]):
        replaced(kit, content, number=number)
    past = kit.store.kept(DAYS.name, KEY)
    assert {n: path.read_bytes() for n, path in past.items()} == {2: b"b", 3: b"c"}
    assert list(past) == sorted(past)
    assert not kit.store.past_bound(DAYS.name, KEY)


def test_nothing_that_is_kept_is_replaced(kit, tmp_path):
    for content in (b"one", b"other", b"one"):
        file = tmp_path / "file"
        file.write_bytes(content)
        kit.store.keep(DAYS.name, KEY, file, 7)
        file.unlink()
    past = kit.store.kept(DAYS.name, KEY)
    assert {n: path.read_bytes() for n, path in past.items()} == {7: b"one", 8: b"other"}


def test_places_are_settled(kit):
    replaced(kit, b"new")
    kit.put(KEYS[1], b"somebody's")
    assert not kit.store.settle([(DAYS, KEYS[0]), (DAYS, KEYS[1])], {DAYS.name})
    assert not kit.store.settle([(DAYS, KEYS[0])])


def test_locks_are_taken_and_given_back(kit):
    for _ in range(2):
        with kit.store.locked([(DAYS.name, key) for key in KEYS]):
            assert replaced(kit, b"new") is Answer.DONE


def test_what_is_staged_is_swept_by_run_but_for_what_is_wanted(kit):
    names = [staged(kit, b"x", number)[0] for number in range(3)]
    kit.store.discard([names[0], names[0]])
    assert list(kit.store.staged_runs()) == [RUN]
    kit.store.sweep(RUN, [names[1]])
    assert [kit.store.layout.staged(name).exists() for name in names] == [False, True, False]
    kit.store.sweep(RUN)
    assert list(kit.store.staged_runs()) == []


def test_a_sealed_file_has_the_identity_that_its_handing_over_needs(kit):
    name, _ = staged(kit, b"four")
    size, mtime_ns, inode = kit.store.seal(name)
    stat = kit.store.layout.staged(name).stat()
    assert (size, mtime_ns, inode) == (4, stat.st_mtime_ns, stat.st_ino)


def test_lines_are_appended(kit):
    kit.store.journal(["one"])
    kit.store.journal([])
    kit.store.journal(["two", "three"])
    assert kit.journaled() == ["one", "two", "three"]


def test_what_was_appended_is_had_again_and_its_end_without_all_of_it(kit):
    assert kit.store.journaled() is None
    lines = [f"{n:04}" for n in range(1000)]
    kit.store.journal(lines)
    assert [line.strip() for line in kit.store.journaled()] == lines
    assert [line.strip() for line in kit.store.journaled(100)][-10:] == lines[-10:]


def test_of_what_was_appended_what_lasts_is_kept(kit):
    kit.store.shorten(lambda lines: [False for _ in lines])
    assert kit.store.journaled() is None
    kit.store.journal(["one", "two", "three"])
    kit.store.shorten(lambda lines: [line.strip() != "two" for line in lines])
    assert kit.journaled() == ["one", "three"]
    kit.store.journal(["four"])
    assert kit.journaled() == ["one", "three", "four"]


def test_an_identity_that_is_proof_is_another_after_every_edit(kit):
    for content in (b"one", b"two", b"six"):
        kit.put(KEY, content)
        found = seen(kit.store, KEY)
        assert kit.store.is_proof(found, LATER)
        if kit.store.is_proof(found, time.time_ns()):
            kit.put(KEY, b"new")
            assert seen(kit.store, KEY) != found


def test_a_change_is_within_a_long_span_if_at_all_and_never_where_no_file_is(kit):
    kit.put(KEY, b"one")
    present = kit.store.identities(DAYS, [KEY, "2024-01-31"])
    now = time.time_ns()
    short, long = (kit.store.changed_within(present, span, now) for span in (-(10**18), 10**18))
    assert short.tolist() == [False, False]
    assert not long[1]


@pytest.mark.parametrize("dataset", [DAYS, LANDING, ALL])
def test_where_others_read_a_dataset_there_its_files_lie(kit, dataset):
    key = dataset.grain.key(0) if dataset is ALL else KEY
    kit.put(key, b"something", dataset)
    pattern = kit.store.pattern(dataset)
    path, layout = file_of(kit.store, dataset, key), kit.store.layout
    if pattern is not None:
        assert path == layout.root / pattern.replace("{key}", key)
    else:
        place = layout.near(layout.path(dataset, key))
        assert path.is_relative_to(layout.fetched_of(dataset.name))
        assert path.parts[-len(place.parts) :] == place.parts


@pytest.mark.parametrize("dataset", [DAYS, LANDING])
def test_what_is_stored_of_a_dataset_is_listed_by_its_keys_but_for_some(kit, dataset):
    assert not kit.store.has_any(dataset)
    assert kit.store.keys(dataset) == set()
    for key in KEYS:
        kit.put(key, b"something", dataset)
    assert kit.store.has_any(dataset)
    assert kit.store.keys(dataset) == set(KEYS)
    assert kit.store.keys(dataset, [KEY.encode(), b"2023-12-31"]) == set(KEYS[1:])
    kit.put(KEY, None, dataset)
    assert kit.store.has_any(dataset)


def test_a_dataset_without_partitions_has_a_file_or_none(kit):
    assert not kit.store.has_any(ALL)
    kit.put("all", b"something", ALL)
    assert kit.store.has_any(ALL)


def test_what_is_stored_beside_a_datasets_own_is_told_with_its_size(kit):
    assert kit.store.names() == []
    for key, content in zip(KEYS, (b"1", b"22", b"333"), strict=True):
        kit.put(key, content)
    kit.put("all", b"whole", ALL)
    assert kit.store.names() == [ALL.name, DAYS.name]
    (other,) = kit.store.beside(DAYS.name, FILES, (DAYS, KEYS[:2]), ())
    assert (other.name, other.key, other.nbytes) == (DAYS.name, KEYS[2], 3)
    (whole,) = kit.store.beside(ALL.name, FILES, None, [LANDING])
    assert (whole.name, whole.key, whole.nbytes) == (ALL.name, "all", 5)
    assert not list(kit.store.beside(ALL.name, FILES, (ALL, ["all"]), ()))


def test_what_is_a_sources_own_is_beside_nothing(kit):
    place = "warehouse/inside/day={key}/data.parquet"
    inside = Source("inside", Daily("2024-01-01"), path=place)
    kit.put(KEY, b"delivered", inside)
    assert not list(kit.store.beside("inside", FILES, None, [LANDING, inside]))


def test_what_is_put_away_is_kept_under_its_number_and_lies_there_no_more(kit):
    kit.put("all", b"whole", ALL)
    for key in KEYS:
        kit.put(key, key.encode())
    files = sorted(kit.store.beside(DAYS.name, FILES, (DAYS, KEYS[:1]), ()), key=lambda f: f.key)
    kit.store.put_away([(file, number) for number, file in enumerate(files, 7)])
    assert held(kit) == KEY.encode()
    assert kit.store.keys(DAYS) == {KEY}
    for number, key in enumerate(KEYS[1:], 7):
        past = kit.store.kept(DAYS.name, key)
        assert {n: path.read_bytes() for n, path in past.items()} == {number: key.encode()}
    assert kit.store.histories() == [(DAYS.name, key) for key in KEYS[1:]]


def test_what_is_forgotten_is_kept_no_more(kit, tmp_path):
    file = tmp_path / "file"
    for number, content in enumerate([b"a", b"b", b"c"]):
        file.write_bytes(content)
        kit.store.keep(DAYS.name, KEY, file, number)
        file.unlink()  # which may be linked to what is kept
    assert [p.read_bytes() for p in kit.store.past_bound(DAYS.name, KEY).values()] == [b"a"]
    kit.store.forget(DAYS.name, KEY, [*kit.store.past_bound(DAYS.name, KEY), 99])
    assert list(kit.store.kept(DAYS.name, KEY)) == [1, 2]
    kit.store.forget(DAYS.name, KEY, [1, 2])
    assert not kit.store.kept(DAYS.name, KEY)
    assert kit.store.histories() == []
    kit.store.forget(DAYS.name, KEY, [1])


KINDS = st.sampled_from(["put", "drop", "replace", "replace what was seen before"])


@pytest.mark.parametrize("name", sorted(STORES))
@given(steps=st.lists(st.tuples(KINDS, st.sampled_from(KEYS)), max_size=12))
def test_whatever_happens_a_partition_holds_what_the_last_that_was_let_wrote(name, steps):
    with tempfile.TemporaryDirectory() as folder:
        kit, model, serial = STORES[name](Path(folder)), dict[str, bytes](), count(1)
        before = {key: seen(kit.store, key) for key in KEYS}
        for kind, key in steps:
            content = b"." * next(serial)  # a size of its own: a clock's step is too long here
            now = seen(kit.store, key)
            if kind == "put":
                kit.put(key, content)
                model[key] = content
            elif kind == "drop":
                kit.put(key, None)
                model.pop(key, None)
            else:
                by_seen = now if kind == "replace" else before[key]
                answer = replaced(kit, content, by_seen, key=key)
                assert answer is (
                    Answer.DONE if by_seen == now or key not in model else Answer.MOVED
                )
                if answer is Answer.DONE:
                    model[key] = content
            before[key] = now
            assert {k: held(kit, k) for k in KEYS} == {k: model.get(k) for k in KEYS}
