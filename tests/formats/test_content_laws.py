"""Laws of content fingerprints: equal exactly where the values are, however they are laid out."""

import math
import tempfile
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from partflow.formats.fingerprint import (
    StreamedFingerprint,
    equal_within,
    fingerprint_frame,
    fingerprint_frames,
    fingerprint_parquet,
)
from partflow.formats.frames import stage_frame
from partflow.formats.parquet import Parquet

COLUMNS = {
    "i": (pl.Int64, st.integers(-3, 3) | st.none()),
    "f": (pl.Float64, st.sampled_from([0.0, -0.0, 0.5, math.nan, math.inf, None])),
    "s": (pl.String, st.sampled_from(["", "a", "ab", "longer than twelve bytes", None])),
    "c": (pl.Categorical, st.sampled_from(["a", "b", None])),
    "l": (pl.List(pl.Int8), st.none() | st.lists(st.integers(0, 1) | st.none(), max_size=2)),
    "z": (
        pl.List(pl.Struct({"x": pl.String, "y": pl.Boolean})),
        st.none()
        | st.lists(
            st.none()
            | st.fixed_dictionaries(
                {"x": st.sampled_from(["", None]), "y": st.sampled_from([True, None])}
            ),
            max_size=2,
        ),
    ),
}
SCHEMA = {name: dtype for name, (dtype, _) in COLUMNS.items()}
ROWS = st.lists(st.tuples(*(values for _, values in COLUMNS.values())), max_size=6)


def frame_of(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def canonical(rows):
    """Rows as text in which -0.0 is 0.0: equal for two lists iff they hold the same rows."""
    return sorted(repr(tuple(plain(each) for each in row)) for row in rows)


def plain(value):
    """A value as text that does not tell -0.0 from 0.0, nor the order of a struct's fields."""
    if isinstance(value, float) and value == 0.0:
        return "0.0"
    if isinstance(value, list):
        return repr([plain(each) for each in value])
    if isinstance(value, dict):
        return repr(sorted((name, repr(each)) for name, each in value.items()))
    return repr(value)


@given(several=st.lists(ROWS, max_size=5), narrow=st.booleans())
def test_frames_fingerprinted_together_have_the_fingerprint_of_each(several, narrow):
    frames = [frame_of(rows) for rows in several]
    if narrow:
        frames[1::2] = [frame.select("i", "s") for frame in frames[1::2]]
    assert fingerprint_frames(frames) == [fingerprint_frame(frame) for frame in frames]


@given(several=st.lists(ROWS, min_size=1, max_size=4), ordered=st.booleans(), said=st.booleans())
def test_files_read_together_tell_what_each_tells_by_itself(several, ordered, said):
    form = Parquet(ordered, {"i": pl.Int64, "s": pl.String} if said else None)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.parquet" for n in range(len(several))]
        for n, (path, rows) in enumerate(zip(paths, several, strict=True)):
            frame_of(rows).select("s", "i", "f", *("z",) * (n % 2)).write_parquet(path)
        together = form.contents_together(paths)
        each = [form.contents(path, is_small=True) for path in paths]
    told = [(c.content, c.rows, c.schema) for c in each]
    assert [(c.content, c.rows, c.schema) for c in together] == told
    for one, other in zip(together, each, strict=True):
        assert (one.frame is None) == (other.frame is None) == said
        assert said or one.frame.equals(other.frame)


@given(rows=ROWS, seed=st.randoms(use_true_random=False))
def test_the_order_and_chunks_of_rows_do_not_count(rows, seed):
    shuffled = list(rows)
    seed.shuffle(shuffled)
    cut = seed.randint(0, len(rows))
    parts = pl.concat([frame_of(shuffled[:cut]), frame_of(shuffled[cut:])], rechunk=False)
    assert fingerprint_frame(parts) == fingerprint_frame(frame_of(rows))


@given(parts=st.lists(ROWS, max_size=4))
def test_rows_that_pass_in_batches_have_the_fingerprint_of_all(parts):
    passed = StreamedFingerprint()
    for part in reversed(parts):
        passed.add(frame_of(part))
    whole = frame_of([row for part in parts for row in part])
    assert (passed.of(whole.schema), passed.rows) == (fingerprint_frame(whole), whole.height)


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, ordered=st.booleans())
def test_what_is_streamed_into_a_file_has_the_fingerprint_of_the_file(rows, ordered):
    frame = frame_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        held, _ = stage_frame(frame.lazy(), path, {}, ordered)
        assert held.content == fingerprint_parquet(path, ordered=ordered)
    assert (held.content, held.rows) == (fingerprint_frame(frame, ordered=ordered), frame.height)


@given(one=ROWS, other=ROWS)
def test_fingerprints_are_equal_iff_the_rows_are(one, other):
    same = canonical(one) == canonical(other)
    assert (fingerprint_frame(frame_of(one)) == fingerprint_frame(frame_of(other))) == same


@given(rows=ROWS, at=st.integers(0, 5), other=ROWS)
def test_one_changed_row_is_seen(rows, at, other):
    if at < len(rows) and other and canonical([rows[at]]) != canonical([other[0]]):
        changed = [*rows[:at], other[0], *rows[at + 1 :]]
        assert fingerprint_frame(frame_of(changed)) != fingerprint_frame(frame_of(rows))


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, size=st.integers(1, 4), ordered=st.booleans())
def test_a_file_has_the_fingerprint_of_its_frame_whatever_wrote_it(rows, size, ordered):
    frame = frame_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        frame.write_parquet(ours, row_group_size=size)
        pq.write_table(frame.to_arrow(), theirs, row_group_size=size)
        found = {fingerprint_parquet(each, ordered=ordered) for each in (ours, theirs)}
    assert found == {fingerprint_frame(frame, ordered=ordered)}


@given(rows=ROWS, seed=st.randoms(use_true_random=False))
def test_a_frame_is_within_every_tolerance_of_itself_in_another_order(rows, seed):
    shuffled = list(rows)
    seed.shuffle(shuffled)
    assert equal_within(frame_of(shuffled), frame_of(rows), 0.0)
