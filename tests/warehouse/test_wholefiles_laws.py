"""Which deliveries count as whole, and that what is said of the others is why they do not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import profiles  # noqa: F401 - the number of examples
from hypothesis import given
from hypothesis import strategies as st

from partflow.declarations.dataset import Source
from partflow.partitions.calendar import Daily
from partflow.store.local import LocalStore
from partflow.warehouse.wholefiles import identities_of_whole, why_not_whole

DAYS = Daily("2024-01-01")
SPAN = 600


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(["{key}/sales.csv", "{key}.csv", "a-{key}.csv"]),
    st.sampled_from([None, "{key}.done", "flags/{key}"]),
    st.sampled_from([None, f"{SPAN}s"]),
    st.integers(-2 * SPAN, 2 * SPAN),
)
def test_a_file_counts_if_it_is_marked_and_settled_and_else_it_is_said_why(
    deliveries, path, complete, settled_for, later
):
    source = Source(
        "raw", DAYS, path=path, format="csv", complete=complete, settled_for=settled_for
    )
    keys = DAYS.keys(DAYS.lo, DAYS.lo + len(deliveries))
    with tempfile.TemporaryDirectory() as folder:
        root, changed = Path(folder), 0
        for key, (is_there, is_marked) in zip(keys, deliveries, strict=True):
            if is_marked and complete is not None:
                put(root / (source.marker_of(key) or ""))
            if is_there:
                put(root / source.path_of(key))
                changed = (root / source.path_of(key)).stat().st_ctime_ns
        now = changed // 10**9 + later
        store = LocalStore(root, root / "warehouse")
        counts = identities_of_whole(store, source, keys, now * 10**9)[:, 0] >= 0
        is_settled = settled_for is None or later > SPAN + 1
        is_too_young = settled_for is not None and later < SPAN - 1
        for key, (is_there, is_marked), does_count in zip(keys, deliveries, counts, strict=True):
            may_count = is_there and (complete is None or is_marked)
            if is_settled or is_too_young:
                assert does_count == (may_count and is_settled)
            said = why_not_whole(store.layout, source, key, now)
            assert (said is None) == (does_count or not is_there)


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("n\n1\n")
