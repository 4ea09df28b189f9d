"""Checks find tasks that do not make the same twice, and files that are not as recorded."""

import os
import textwrap

import polars as pl
import pytest

from partflow.operations.check import FileFault, Trial, Verdict
from partflow.planning.selection import Asked
from partflow.report.acceptance import trials_report

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


def made_by(world, body, **options):
    """One dataset of one day, whose task returns `body`."""
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    world.jobs(f"""
    import itertools, pathlib
    counter = itertools.count()
    out = Dataset("out", Daily("2024-01-30", end="2024-01-31"){more})

    @task(writes=out)
    def make():
        return {body}
    """)
    return world


def verdicts(world, *select, **asked):
    found = world.project.check_twice(asked=Asked(select, **asked))
    return [(t.node, t.key, t.verdict) for t in found]


def only(world):
    (found,) = world.project.check_twice()
    return found


def test_a_task_that_makes_the_same_is_the_same(sales):
    sales.run()
    assert verdicts(sales) == [
        ("clean", DAYS[-1], Verdict.SAME),
        ("monthly", "2024-02", Verdict.SAME),
        ("trailing", DAYS[-1], Verdict.SAME),
    ]


def test_a_check_changes_no_file_and_records_nothing(sales):
    sales.run()
    private = ("metastore", "leases")
    before = {n: f for n, f in sales.data_files().items() if not any(p in n for p in private)}
    seq = sales.metastore().seq
    sales.project.check_twice()
    after = {n: f for n, f in sales.data_files().items() if not any(p in n for p in private)}
    assert after == before
    assert sales.metastore().seq == seq


def test_a_clock_is_found_and_its_column_named(world):
    found = only(made_by(world, 'pl.DataFrame({"day": [1], "at": [next(counter)]})'))
    assert (found.task, found.verdict) == ("make", Verdict.DIFFERS)
    assert found.text == "other values in at"


def test_a_random_number_is_found(world):
    made_by(world, 'pl.DataFrame({"x": [__import__("os").urandom(8)]})')
    assert only(world).verdict is Verdict.DIFFERS


def test_an_unstable_sort_is_found_where_order_counts(world):
    rows = 'pl.DataFrame({"k": [1, 1], "v": [1, 2]})'
    body = f"{rows} if next(counter) % 2 else {rows}.reverse()"
    assert only(made_by(world, body)).verdict is Verdict.SAME
    found = only(made_by(world, body, sort_by="k"))
    assert found.verdict is Verdict.DIFFERS
    assert "ties" in found.text


def test_floats_that_differ_in_the_last_bits_are_told_from_others(world):
    body = 'pl.DataFrame({"k": ["a"], "x": [0.1 + next(counter) % 2 * 1e-13]})'
    found = only(made_by(world, body))
    assert found.verdict is Verdict.DIFFERS
    assert found.text == "other values in x; equal with float_tolerance=1e-12"
    found = only(made_by(world, body, float_tolerance=1e-9))
    assert found.verdict is Verdict.CLOSE
    assert found.text == "x by up to 1e-12; float_tolerance=1e-09"
    found = only(made_by(world, body, float_tolerance=1e-14))
    assert found.verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ('{"a": [1]}', '{"b": [1]}', "other columns or types: a, b"),
        ('{"a": [1]}', '{"a": ["x"]}', "other columns or types: a"),
        ('{"a": [1], "b": [2]}', '{"b": [2], "a": [1]}', "columns in another order"),
        ('{"a": [1]}', '{"a": [1, 2]}', "1 rows and 2 rows"),
        ('{"a": [1, 2], "b": [1, 2]}', '{"a": [1, 2], "b": [2, 1]}', "the same values, put"),
    ],
)
def test_what_differs_is_said(world, one, other, said):
    made_by(world, f"pl.DataFrame({one}) if next(counter) % 2 == 0 else pl.DataFrame({other})")
    assert only(world).text.startswith(said)


def test_what_depends_on_the_day_of_the_run_differs_from_what_is_stored(world):
    world.write("day.txt", "1")
    made_by(world, 'pl.DataFrame({"at": [int(pathlib.Path("day.txt").read_text())]})').run()
    assert only(world).verdict is Verdict.SAME
    world.write("day.txt", "2")
    assert only(world).verdict is Verdict.STORED
    made_by(world, 'pl.DataFrame({"at": [int(pathlib.Path("day.txt").read_text()) + 1]})')
    assert only(world).verdict is Verdict.SAME, "by other code, it may differ"


def test_named_partitions_are_all_tried_and_those_that_cannot_be_made_are_left_out(sales):
    sales.run()
    (sales.root / f"landing/{DAYS[1]}.csv").unlink()
    assert verdicts(sales, "clean", end="2024-02-02") == [
        ("clean", DAYS[0], Verdict.SAME),
        ("clean", DAYS[1], Verdict.LEFT),
        ("clean", DAYS[2], Verdict.SAME),
    ]


def test_the_newest_partition_that_can_be_made_is_tried(sales):
    sales.run()
    (sales.root / f"landing/{DAYS[-1]}.csv").unlink()
    assert verdicts(sales, "clean") == [("clean", DAYS[-2], Verdict.SAME)]


def test_before_anything_is_made_only_what_reads_sources_can_be_tried(sales):
    found = {t.node: t for t in sales.project.check_twice()}
    assert found["clean"].verdict is Verdict.SAME
    assert found["monthly"].verdict is Verdict.LEFT
    assert found["monthly"].text == "it cannot be made: clean@2024-02-01 has not arrived"


def test_a_task_that_raises_and_effects_are_named(world):
    world.jobs("""
    out = Dataset("out", Daily("2024-01-30", end="2024-01-31"), schema={"n": pl.Int64})

    @task(writes=out)
    def make():
        raise ValueError("no")

    @effect(reads=[out.optional()])
    def tell(frame: pl.DataFrame):
        raise AssertionError("an effect was tried")
    """)
    make, tell = world.project.check_twice()
    assert make.verdict is Verdict.FAILED
    assert make.text.startswith("ValueError: no at ")
    assert (tell.node, tell.verdict) == ("tell", Verdict.LEFT)


def test_every_file_is_read_again(sales):
    sales.run()
    found = sales.project.check_files()
    assert (found.files, found.faults) == (5 + 5 + 5 + 2, ())


def test_bytes_that_the_disk_changed_silently_are_found(sales):
    sales.run()
    file = sales.file("clean", DAYS[2])
    stat, data = file.stat(), bytearray(file.read_bytes())
    data[8] ^= 0xFF
    with file.open("r+b") as opened:
        opened.write(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (fault,) = sales.project.check_files("clean").faults
    assert (fault.node, fault.key) == ("clean", DAYS[2])


def test_files_that_are_gone_or_changed_are_found_and_a_sources_may_go(sales):
    sales.run()
    sales.file("clean", DAYS[0]).unlink()
    pl.DataFrame({"store": ["s9"], "qty": [9]}).write_parquet(sales.file("clean", DAYS[1]))
    (sales.root / f"landing/{DAYS[1]}.csv").unlink()
    found = sales.project.check_files()
    assert found.faults == (
        FileFault("clean", DAYS[0], "its file is gone"),
        FileFault("clean", DAYS[1], "changed outside partflow"),
    )
    assert found.files == 4 + 4 + 5 + 2
    assert sales.project.check_files("trailing").faults == ()


FLAKY = """
    calls = itertools.count()

    @task(writes=out, retries={retries}, retry_delay="0s")
    def make():
        if next(calls) % 2 == {bad}:
            raise OSError("the network is down")
        return pl.DataFrame({{"n": [1]}})
"""


def flaky(world, retries, bad):
    world.jobs(
        'import itertools\nout = Dataset("out", Daily("2024-01-30", end="2024-01-31"))\n'
        + textwrap.dedent(FLAKY.format(retries=retries, bad=bad))
    )
    return world


def test_a_call_that_fails_is_tried_again_as_often_as_the_task_says(world):
    assert only(flaky(world, 1, 0)).verdict is Verdict.SAME


def test_an_error_is_told_from_a_difference(world):
    found = only(flaky(world, 0, 1))
    assert found.verdict is Verdict.FAILED
    assert found.text.startswith("the second time: OSError: the network is down")
    assert trials_report([found], Asked()).made_twice == "made 1 partition twice: failed: make"


def test_errors_and_differences_are_named_apart():
    trials = [
        Trial("a", "a", "1", Verdict.FAILED, "it broke"),
        Trial("b", "b", "1", Verdict.DIFFERS, "other"),
        Trial("c", "c", "1", Verdict.SAME),
    ]
    assert (
        trials_report(trials, Asked()).made_twice
        == "made 3 partitions twice: failed: a; not the same: b"
    )
