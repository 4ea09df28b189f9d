"""The cached columns of a node are those of its rows, whatever was recorded since."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import profiles  # noqa: F401 - the number of examples
from hypothesis import given
from hypothesis import strategies as st

from partflow.metastore.columncache import ColumnCache
from partflow.metastore.columns import Columns
from partflow.metastore.record import LogLines, Record
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.store.identity import FileIdentity

NODES = ("a", "a_b")
numbers = st.integers(1, 9)
identities = st.builds(FileIdentity, numbers, numbers, numbers, numbers)


def record(node, at, reads, **rest) -> Record:
    inputs = bytes(range(at, at + 16 * reads))
    return Record(node, f"{at:0{2 + at % 2}d}", at, inputs=inputs, reads=reads, **rest)


records = st.builds(
    record,
    st.sampled_from(NODES),
    st.integers(0, 2),
    st.integers(0, 3),
    content=st.none() | numbers.map(lambda n: f"way1:{n:032x}"),
    code=st.none() | numbers.map(lambda n: f"{n:032x}"),
    rows=numbers,
    identity=identities,
    pinned=st.booleans(),
)
some = st.lists(records, min_size=1, max_size=4)
events = st.one_of(
    st.tuples(st.sampled_from(["recorded", "touched", "failed"]), some),
    st.tuples(st.just("refreshed"), st.just(NODES) | st.just(NODES[:1])),
    st.tuples(st.just("opened"), st.none()),
)


def happened(metastore: SqliteMetastore, cache: ColumnCache, what: str, given: list) -> None:
    if what == "recorded":
        metastore.observe(given, [])
    elif what == "touched":
        metastore.observe([], given)
    elif what == "failed":
        metastore.claim("run", [(r.node, r.key, r.start) for r in given])
        metastore.log(LogLines("run", 1.0), [(r.node, r.key, "it broke") for r in given])
    elif what == "refreshed":
        cache.refresh(given)


def as_lists(columns: Columns) -> dict[str, object]:
    return {f.name: getattr(columns, f.name).tolist() for f in fields(Columns)}


@given(st.lists(events, max_size=6), some, st.lists(events, min_size=1, max_size=3))
def test_what_is_cached_and_what_came_since_are_what_is_recorded(before, first, since):
    with (
        TemporaryDirectory() as name,
        SqliteMetastore.open(Path(name) / "metastore", durable=False) as metastore,
    ):
        folder = Path(name) / "columns"
        cache = ColumnCache(metastore, folder)
        for what, given_ in (*before, ("recorded", first), ("refreshed", NODES), *since):
            if what == "opened":
                cache = ColumnCache(metastore, folder)
            else:
                happened(metastore, cache, what, given_)
        cache, rows = ColumnCache(metastore, folder), ColumnCache(metastore, folder / "none")
        right = [as_lists(rows.load(node)) for node in NODES]
        assert [as_lists(cache.load(node)) for node in NODES] == right
        for node, whole in zip(NODES, right, strict=True):
            without = as_lists(cache.load(node, identities=False))
            assert {**without, "identity": None} == {**whole, "identity": None}
        cache.refresh(NODES)
        assert [as_lists(cache.load(node)) for node in NODES] == right
