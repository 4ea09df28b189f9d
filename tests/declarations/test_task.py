"""Tasks and effects as declared: what they take, what they say, and that they stay functions."""

from __future__ import annotations

import functools
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.task import effect, task
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Daily, Hourly, Monthly, Whole
from partflow.partitions.sets import Partition

DAILY = Daily("2024-01-01")
LANDING = Source("landing", DAILY, path="landing/{key}.csv")
CLEAN = Dataset("clean", DAILY)
OTHER = Dataset("other", DAILY)
MONTHS = Dataset("months", Monthly("2024-01"))


def test_a_task_is_its_function() -> None:
    @task(reads=[LANDING], writes=CLEAN)
    def clean_sales(raw, factor=2):
        """Twice."""
        return raw * factor

    assert clean_sales(3) == 6
    assert clean_sales(3, factor=3) == 9
    assert clean_sales.__doc__ == "Twice."
    assert clean_sales.name == "clean_sales"


def test_options_are_parsed_where_they_are_declared() -> None:
    declared = task(
        reads=LANDING,
        writes=CLEAN,
        name="other_name",
        retries=2,
        retry_delay="1.5s",
        timeout="5m",
        lag="6h",
        settles_after="3d",
        refresh_every=timedelta(hours=1),
        version=3,
        tags="nightly",
    )(lambda raw: raw)
    options = declared.options
    assert declared.name == "other_name"
    assert (options.retries, options.retry_delay) == (2, timedelta(seconds=1.5))
    assert (options.timeout, options.lag) == (timedelta(minutes=5), timedelta(hours=6))
    assert (options.settles_after, options.refresh_every) == (timedelta(3), timedelta(hours=1))
    assert (options.version, options.tags) == ("3", ("nightly",))


def test_reads_are_paired_in_order_or_by_name_and_the_partition_is_left_out() -> None:
    def joined(partition: Partition, left, right: pl.DataFrame): ...

    by_order = task(reads=[CLEAN, LANDING], writes=OTHER)(joined)
    by_name = task(reads={"right": LANDING, "left": CLEAN}, writes=OTHER)(joined)
    for declared in (by_order, by_name):
        assert [(i.parameter, i.read.dataset) for i in declared.inputs] == [
            ("left", CLEAN),
            ("right", LANDING),
        ]
        assert declared.partition_parameter == "partition"


def test_a_parameter_with_a_default_needs_no_read() -> None:
    assert len(task(reads=[LANDING], writes=CLEAN, name="a")(lambda raw, n=2: raw).inputs) == 1


def test_a_partial_function_is_named_by_what_is_inside() -> None:
    def scaled(factor, raw): ...

    declared = task(reads=[LANDING], writes=CLEAN)(functools.partial(scaled, 2))
    assert (declared.name, declared.inputs[0].parameter) == ("scaled", "raw")


def test_the_grain_of_an_effect_is_that_of_its_first_read_unless_given() -> None:
    def tell(a, b): ...

    assert effect(reads=[MONTHS, CLEAN.overlapping()])(tell).grain == MONTHS.grain
    assert effect(reads=[MONTHS.overlapping(), CLEAN], grain=DAILY)(tell).grain == DAILY
    assert effect(reads=[MONTHS, CLEAN])(tell).is_effect


def test_a_task_may_read_itself_only_further_back() -> None:
    assert task(reads=[CLEAN.previous()], writes=CLEAN, name="a")(lambda before: before)
    assert task(reads=[CLEAN.window(-7, -1)], writes=CLEAN, name="a")(lambda before: before)
    for read in (CLEAN, CLEAN.window(-1, 0), CLEAN.history(), CLEAN.overlapping()):
        with pytest.raises(DeclarationError, match=r"only further back: clean\.previous\(\)"):
            task(reads=[read], writes=CLEAN, name="a")(lambda before: before)


def test_a_span_back_over_itself_is_refused_in_words() -> None:
    with pytest.raises(DeclarationError, match="only further back"):
        task(reads=[CLEAN.window("-7d", "-1d")], writes=CLEAN, name="a")(lambda before: before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": []}, "reads 0 datasets and has 1 parameter"),
        ({"reads": [CLEAN, LANDING]}, "give each read its parameter"),
        ({"reads": {"raw": CLEAN}}, "which is no parameter of it"),
        ({"reads": {}}, "nothing is read for its parameter 'sales'"),
        ({"reads": ["clean"]}, "which is no dataset"),
        ({"writes": []}, "for a function that stores nothing use @effect"),
        ({"writes": [OTHER, OTHER]}, "each once"),
        ({"writes": LANDING}, "declare a Dataset instead"),
        ({"writes": "other"}, "is not a Dataset"),
        ({"writes": [OTHER, MONTHS]}, "whose grains differ"),
        ({"retries": -1}, "zero or more"),
        ({"lag": "soon"}, "write '10s', '5m' or '3d'"),
        ({"only": "newest"}, "the one choice is only='latest'"),
        ({"on_code_change": "no"}, "choose 'stale' or 'keep'"),
        ({"on_input_change": "no"}, "choose 'stale' or 'keep'"),
        (
            {"on_input_change": "keep", "settles_after": "2d"},
            "settles_after makes partitions again, and on_input_change='keep' makes them once",
        ),
        ({"during": "2024"}, "give (start, end)"),
        ({"name": "No"}, "give it one with name='...'"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong_and_where(options, message) -> None:
    def tell(sales): ...

    with pytest.raises(DeclarationError) as raised:
        task(**{"reads": [CLEAN], "writes": OTHER, **options})(tell)
    assert message in str(raised.value)
    assert "test_task.py:" in str(raised.value)


def test_an_effect_that_reads_nothing_is_refused() -> None:
    with pytest.raises(DeclarationError, match="an effect acts on what it reads"):
        effect(reads=[], name="tell")(lambda: None)


def test_two_parameters_for_the_partition_are_refused() -> None:
    def tell(raw, one: Partition, two: Partition): ...

    with pytest.raises(DeclarationError, match="one and two are both annotated Partition"):
        task(reads=[LANDING], writes=CLEAN)(tell)


def test_a_whole_dataset_has_no_newest_partition_that_had_ended() -> None:
    whole = Dataset("calendar", Whole())
    with pytest.raises(DeclarationError, match="a Whole dataset never ends"):
        task(reads=[whole.asof()], writes=CLEAN, name="a")(lambda calendar: calendar)


def test_only_what_can_change_a_result_is_part_of_the_declaration() -> None:
    def made(raw): ...

    def declared(dataset: Dataset = CLEAN, **options):
        return task(reads=[LANDING], writes=dataset, **options)(made).declared

    plain = declared()
    assert declared(retries=3, tags=["x"], lag="6h", timeout="1m") == plain
    assert declared(during=("2024-01-01", "2024-02-01")) == plain
    assert declared(Dataset("clean", Daily("2023-01-01", "2025-01-01"), description="x")) == plain
    assert declared(version="2") != plain
    assert declared(Dataset("clean", DAILY, sort_by="a")) != plain
    assert declared(Dataset("clean", Hourly("2024-01-01"))) != plain


def relations(table: duckdb.DuckDBPyRelation) -> None:
    del table


def frames(table: pl.DataFrame) -> None:
    del table


@pytest.mark.parametrize(
    ("zones", "wanted"),
    [
        (["UTC"], "UTC"),
        (["Europe/Berlin"], "Europe/Berlin"),
        (["Europe/Berlin", "Europe/Berlin"], "Europe/Berlin"),
        (["Europe/Berlin", "UTC"], "UTC"),
        ([], "UTC"),
    ],
)
def test_the_zone_of_a_task_is_that_of_all_it_reads(zones, wanted) -> None:
    days = [Dataset(f"d{i}", Daily("2024-01-01", tz=tz)) for i, tz in enumerate(zones)]
    reads = {f"p{i}": day for i, day in enumerate([*days, Dataset("shops", Whole())])}
    names = ", ".join(reads)
    function = eval(f"lambda {names}: None")  # a function with as many parameters
    out = Dataset("out", Daily("2024-01-01"))
    assert task(reads=reads, writes=out, name="t")(function).zone == wanted


def test_the_zone_of_relations_counts_where_it_is_not_utc() -> None:
    for function, tz, counted in (
        (relations, "Europe/Berlin", (("relations.zone", "Europe/Berlin"),)),
        (relations, "UTC", ()),
        (frames, "Europe/Berlin", ()),
    ):
        day = Dataset("day", Daily("2024-01-01", tz=tz))
        made = task(reads=[day], writes=Dataset("out", Daily("2024-01-01", tz=tz)))(function)
        assert made.declared_since == counted
