"""Exactly what could differ is made, and nothing else."""

import shutil

import polars as pl
import pytest

from partflow.operations.explain import Settling
from partflow.planning.planner import Reason, State
from partflow.report.text import moment
from partflow.report.why import why_lines, why_report

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


def test_a_second_run_does_nothing_and_changes_no_file(sales):
    assert sales.run().ran == 12
    before = sales.data_files()
    assert sales.run().ran == 0
    assert sales.data_files() == before


def test_a_deleted_file_is_made_again_and_nothing_after_it(sales):
    sales.run()
    sales.file("clean", DAYS[1]).unlink()
    assert sales.planned() == {"clean_sales": [DAYS[1]]}
    found = sales.run()
    assert (found.ran, found.unchanged, found.skipped) == (1, 1, 3)
    assert sales.made() == [("clean_sales", DAYS[1])]
    assert sales.file("clean", DAYS[1]).exists()


def test_a_deleted_folder_is_made_again(sales):
    sales.run()
    shutil.rmtree(sales.file("trailing", DAYS[0]).parent)
    sales.run()
    assert sales.made() == [("two_days", DAYS[0])]


def test_a_corrected_source_makes_its_dependents_again_through_windows_and_months(sales):
    sales.run()
    sales.sales(DAYS[1], 7, 7)
    assert sales.planned() == {"clean_sales": [DAYS[1]]}
    sales.run()
    assert sales.made() == [
        ("by_month", "2024-01"),
        ("clean_sales", DAYS[1]),
        ("two_days", DAYS[1]),
        ("two_days", DAYS[2]),
    ]
    assert sales.read("monthly")["qty"].to_list() == [11 + 14, 13 + 14 + 15]


def test_it_stops_where_the_content_is_equal(sales):
    sales.run()
    sales.sales(DAYS[1], 2, 10, -5)
    found = sales.run()
    assert sales.made() == [("clean_sales", DAYS[1])]
    assert (found.unchanged, found.skipped) == (1, 3)
    assert sales.run().ran == 0


def test_a_touched_source_is_read_and_makes_nothing(sales):
    sales.run()
    file = sales.root / f"landing/{DAYS[0]}.csv"
    file.write_text(file.read_text())
    assert sales.run().ran == 0


def test_a_source_with_other_bytes_and_the_same_values_makes_nothing(sales):
    sales.run()
    sales.write(f"landing/{DAYS[0]}.csv", '"store","qty"\n"s2",0\n"s0",1\n"s1",10\n')
    assert sales.run().ran == 0


def test_what_was_made_from_a_source_that_is_gone_stays_fresh_and_waits_to_be_made_again(sales):
    sales.run()
    (sales.root / f"landing/{DAYS[2]}.csv").unlink()
    assert sales.run().ran == 0
    sales.file("clean", DAYS[2]).unlink()
    planned = sales.project.plan().tasks["clean_sales"]
    assert planned.state[2] == State.WAITING
    assert planned.reason[2] == Reason.AWAY
    assert sales.run().ran == 0


def test_a_month_waits_for_all_of_its_days_also_those_that_do_not_exist_yet(sales):
    (sales.root / f"landing/{DAYS[4]}.csv").unlink()
    sales.run()
    states = sales.project.plan().tasks["by_month"].state.tolist()
    assert states == [State.FRESH, State.WAITING]
    sales.sales(DAYS[4], 1)
    assert sales.planned() == {
        "clean_sales": [DAYS[4]],
        "two_days": [DAYS[4]],
        "by_month": ["2024-02"],
    }


def test_moving_the_start_back_makes_only_what_is_new(sales):
    sales.run()
    text = (sales.root / sales.package / "tasks.py").read_text()
    sales.write(f"{sales.package}/tasks.py", text.replace('"2024-01-30"', '"2024-01-29"'))
    sales.sales("2024-01-29", 5)
    found = sales.run()
    assert found.ran == 4  # the new day twice, its window's reader, and the month that has it now
    assert ("two_days", "2024-01-30") in sales.made()


def test_a_copied_project_is_as_fresh_as_it_was(sales, tmp_path_factory):
    sales.run()
    copy = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(sales.root, copy)
    sales.root = copy
    assert sales.run().ran == 0
    assert b"elsewhere" not in b"".join(
        p.read_bytes() for p in (copy / "warehouse").rglob("*.sqlite")
    )


def test_only_what_is_selected_and_what_it_needs_is_made(sales):
    found = sales.run("trailing", start=DAYS[3])
    assert sales.made() == [
        ("clean_sales", DAYS[2]),
        ("clean_sales", DAYS[3]),
        ("clean_sales", DAYS[4]),
        ("two_days", DAYS[3]),
        ("two_days", DAYS[4]),
    ]
    assert found.ran == 5


def test_frames_carry_the_partition_column_last_and_typed(sales):
    sales.run()
    frame = sales.read("clean")
    assert frame.columns == ["store", "qty", "date"]
    assert frame.schema["date"] == pl.Date
    plain = pl.read_parquet(
        str(sales.root / "warehouse/clean/**/*.parquet"), hive_partitioning=True
    )
    assert plain.sort("date", "store").equals(frame.sort("date", "store"))


def test_float_tolerance_stops_what_differs_in_the_last_bits(world):
    world.jobs("""
    landing = Source("landing", Daily("2024-01-01", end="2024-01-02"), path="landing/{key}.csv")
    mean = Dataset("mean", Daily("2024-01-01", end="2024-01-02"), float_tolerance=1e-9)
    after = Dataset("after", Daily("2024-01-01", end="2024-01-02"))

    @task(reads=[landing], writes=mean)
    def averaged(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.select(pl.col("qty").cast(pl.Float64) / 3)

    @task(reads=[mean], writes=after)
    def copied(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("qty")
    """)
    world.write("landing/2024-01-01.csv", "qty\n1.0\n")
    world.run()
    bytes_before = world.file("mean", "2024-01-01").read_bytes()
    world.write("landing/2024-01-01.csv", "qty\n1.0000000001\n")
    found = world.run()
    assert (found.ran, found.unchanged) == (1, 1)
    assert world.file("mean", "2024-01-01").read_bytes() == bytes_before
    world.write("landing/2024-01-01.csv", "qty\n1.1\n")
    assert world.run().ran == 2


@pytest.mark.parametrize(
    ("more", "again", "words"),
    [
        ("", 0, "next by the first run after {0}, and once more"),
        (", refresh_every='6h'", 6, "next by the first run after {0}, and once more"),
        (", refresh_every='30d'", 72, "the first run after that makes it again, for good"),
    ],
)
def test_why_says_when_a_partition_that_is_still_corrected_is_made_again(world, more, again, words):
    world.jobs(f"""
    days = Dataset("days", Daily("2024-01-01", end="2024-01-02"))

    @task(writes=days, settles_after="3d"{more})
    def make():
        return pl.DataFrame({{"n": [1]}})
    """)
    end = 1_704_153_600  # 2024-01-02, midnight in UTC
    project = world.project
    project.clock = lambda: end * 1_000_000_000
    project.materialize()
    why = project.why("days", "2024-01-01")
    assert why.settling == Settling(end + again * 3600, end + 3 * 86400)
    (said,) = [line for line in why_lines(why_report(why)) if "the first run after" in line]
    assert said.startswith("  at 2024-01-05T00:00:00Z; ")
    assert words.format(moment(end + again * 3600)) in said
    project.clock = lambda: (end + 3 * 86400) * 1_000_000_000
    project.materialize()
    assert project.why("days", "2024-01-01").settling is None
