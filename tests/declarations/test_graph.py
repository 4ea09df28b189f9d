"""The graph that declarations imply, and what it says where they contradict each other."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from types import FrameType

import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import derive
from partflow.declarations.mapping import Extent
from partflow.declarations.task import Task, effect, task
from partflow.errors import GraphError, UsageError
from partflow.partitions.calendar import Daily, Monthly, Weekly, Whole
from partflow.planning.selectors import select

DAILY = Daily("2024-01-01")
LANDING = Source("landing", DAILY, path="landing/{key}.csv")
CLEAN = Dataset("clean", DAILY)
SUMS = Dataset("sums", DAILY)
MONTHS = Dataset("months", Monthly("2024-01"))
WEEKS = Dataset("weeks", Weekly("2024-01-01"))


def made(reads, writes, name, **options):
    function = (lambda: None, lambda a: a, lambda a, b: a)[len(reads)]
    return task(reads=reads, writes=writes, name=name, **options)(function)


def error_of(*tasks) -> str:
    with pytest.raises(GraphError) as raised:
        derive(tasks)
    return str(raised.value)


def test_tasks_come_after_what_they_read_whatever_the_order_of_declaration() -> None:
    tasks = [made([SUMS], MONTHS, "c"), made([LANDING], CLEAN, "b"), made([CLEAN], SUMS, "a")]
    for order in (tasks, tasks[::-1]):
        assert [t.name for t in derive(order).tasks] == ["b", "a", "c"]


def test_a_span_of_what_is_whole_is_refused_to_what_is_whole() -> None:
    shops, totals = Source("shops", Whole(), path="shops.csv"), Dataset("totals", Whole())
    read = shops.window("-7d", "0d")
    one = made([read], totals, "total")
    assert error_of(one) == (
        f"'total' at {one.place} reads shops.window('-7d', '0d'), and both are Whole: neither is "
        "cut in time, so there is no moment to go back from; read shops itself"
    )
    assert derive([made([read], CLEAN, "clean")]).tasks, "a day has moments"


def test_two_writers_at_one_time_are_named_with_both_places() -> None:
    one, other = made([LANDING], CLEAN, "one"), made([], CLEAN, "other")
    message = error_of(one, other)
    assert f"'clean' is written by {one.place} (one) and {other.place} (other)" in message
    assert "during=(start, end)" in message


def test_two_writers_one_after_the_other_share_a_dataset() -> None:
    graph = derive(
        [
            made([], CLEAN, "newer", during=("2024-06-01", None)),
            made([], CLEAN, "older", during=("2024-01-01", "2024-06-01")),
        ]
    )
    assert [t.name for t in graph.writers("clean")] == ["older", "newer"]
    june = DAILY.ordinal("2024-06-01")
    assert graph.task_extents["older"] == Extent(DAILY.lo, june)
    assert graph.task_extents["newer"] == Extent(june, None)
    assert graph.dataset_extents["clean"] == Extent(DAILY.lo, None)


def test_two_writers_that_overlap_by_a_day_are_refused() -> None:
    one = made([], CLEAN, "one", during=("2024-01-01", "2024-06-02"))
    other = made([], CLEAN, "other", during=("2024-06-01", None))
    assert "at one time" in error_of(one, other)


def test_during_must_lie_on_boundaries_and_says_which_are_near() -> None:
    message = error_of(made([], MONTHS, "a", during=("2024-01-01", "2024-06-15")))
    assert "'2024-06-15', which is no boundary of a monthly partition" in message
    assert "2024-06 and 2024-07 begin at one" in message


def test_a_cycle_is_written_out_with_every_place() -> None:
    one, two = Dataset("one", DAILY), Dataset("two", DAILY)
    three = Dataset("three", DAILY)
    tasks = [made([three], one, "a"), made([one], two, "b"), made([two], three, "c")]
    message = error_of(*tasks)
    assert all(t.place in message for t in tasks)
    assert "one (" in message.split("->")[0]
    assert message.count("->") == 3
    assert message.rindex("one (") > message.rindex("three (")


def test_a_task_that_reads_its_sibling_forward_is_a_cycle() -> None:
    two = Dataset("two", DAILY)
    older = made([two], CLEAN, "older", during=("2024-01-01", "2024-06-01"))
    newer = made([], CLEAN, "newer", during=("2024-06-01", None))
    assert "cycle" in error_of(older, newer, made([CLEAN], two, "between"))


def test_a_read_of_something_that_nobody_writes_names_reader_and_declaration() -> None:
    reader = made([SUMS], MONTHS, "roll_up")
    message = error_of(reader)
    assert f"'roll_up' at {reader.place} reads 'sums', which nobody writes" in message
    assert SUMS.place in message
    assert "declare it as a Source" in message


def test_two_datasets_of_one_name_are_named_with_both_places() -> None:
    again = Dataset("clean", DAILY)
    message = error_of(made([], CLEAN, "a"), made([again], SUMS, "b"))
    assert "two datasets are named 'clean'" in message
    assert CLEAN.place in message
    assert again.place in message


def test_two_tasks_of_one_name_are_named_with_both_places() -> None:
    one, other = made([], CLEAN, "a"), made([], SUMS, "a")
    message = error_of(one, other)
    assert "two tasks are named 'a'" in message
    assert one.place in message
    assert other.place in message


def test_an_effect_may_not_have_the_name_of_a_dataset() -> None:
    tell = effect(reads=[LANDING], name="clean")(lambda a: a)
    message = error_of(made([LANDING], CLEAN, "a"), tell)
    assert tell.place in message
    assert CLEAN.place in message


@pytest.mark.parametrize(
    ("writes", "read"),
    [
        (MONTHS, WEEKS),
        (Dataset("berlin", Daily("2024-01-01", tz="Europe/Berlin")), CLEAN),
        (Dataset("sundays", Weekly("2024-01-01", first_day="sunday")), WEEKS),
    ],
)
def test_grains_that_do_not_nest_name_overlapping(writes, read) -> None:
    reader = made([read], writes, "reader")
    message = error_of(made([], read, "writer"), reader)
    assert f"{read.name}.overlapping()" in message
    assert reader.place in message
    derive([made([], read, "writer"), made([read.overlapping()], writes, "reader")])


def test_a_plain_read_that_lies_wholly_outside_puts_a_partition_outside_of_the_range() -> None:
    late = Source("late", Daily("2024-02-01", "2024-04-20"), path="late/{key}.csv")
    graph = derive([made([late], MONTHS, "a")])
    grain = MONTHS.grain
    assert graph.task_extents["a"] == Extent(grain.ordinal("2024-02"), grain.ordinal("2024-05"))
    assert graph.dataset_extents["months"] == graph.task_extents["a"]


def test_the_first_weeks_have_no_model_so_no_forecast() -> None:
    forecast = Dataset("forecast", DAILY)
    graph = derive([made([], WEEKS, "train"), made([WEEKS.asof()], forecast, "f")])
    assert DAILY.key(graph.task_extents["f"].lo) == "2024-01-08"


def test_windows_and_optional_reads_leave_the_range_as_it_is() -> None:
    late = Source("late", Daily("2024-02-10"), path="late/{key}.csv")
    reads = [late.window(-3, 0), late.optional(), late.previous(), late.history()]
    for read in reads:
        assert derive([made([read], CLEAN, "a")]).task_extents["a"] == Extent(DAILY.lo, None)


def test_a_whole_task_and_a_whole_dataset_are_outside_of_nothing() -> None:
    calendar = Source("calendar", Whole(), path="calendar.csv")
    total = Dataset("total", Whole())
    graph = derive([made([calendar], CLEAN, "a"), made([CLEAN], total, "b")])
    assert graph.task_extents["a"] == Extent(DAILY.lo, None)
    assert graph.task_extents["b"] == Extent(0, 1)


@pytest.fixture
def chain():
    return derive(
        [
            made([LANDING], CLEAN, "wash", tags=["nightly"]),
            made([CLEAN], SUMS, "add"),
            made([SUMS, LANDING.optional()], MONTHS, "roll"),
            effect(reads=[MONTHS], name="mail", tags=["nightly", "slow"])(lambda a: a),
            made([], WEEKS, "alone"),
        ]
    )


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ("", "landing clean sums months mail weeks"),
        ("sums", "sums"),
        ("add", "sums"),
        ("mail", "mail"),
        ("*s", "sums months weeks"),
        ("+sums", "landing clean sums"),
        ("1+sums", "clean sums"),
        ("0+sums", "sums"),
        ("clean+", "clean sums months mail"),
        ("clean+1", "clean sums"),
        ("1+sums+1", "clean sums months"),
        ("+clean+", "landing clean sums months mail"),
        ("@clean", "landing clean sums months mail"),
        ("@weeks", "weeks"),
        ("tag:nightly", "clean mail"),
        ("status:stale", "sums weeks"),
        ("sums weeks", "sums weeks"),
        ("+months,clean+", "clean sums months"),
        ("tag:nightly,tag:slow", "mail"),
        ("+*ths", "landing clean sums months"),
        ("1+tag:slow", "months mail"),
        ("tag:nothing", ""),
    ],
)
def test_a_selection_is_what_its_grammar_says(chain, expressions, expected) -> None:
    states = {"sums": frozenset({"stale"}), "weeks": frozenset({"fresh", "stale"})}
    found = select(chain, expressions.split(), states=states)
    assert set(found) == set(expected.split())
    assert list(found) == [n for n in chain.nodes if n in found]


def test_what_is_excluded_is_left_out(chain) -> None:
    found = select(chain, ["+months"], ["landing", "sums+"])
    assert found == ("clean",)


def test_an_unknown_name_says_what_was_perhaps_meant(chain) -> None:
    with pytest.raises(UsageError, match="no dataset or effect 'claen'; did you mean 'clean'"):
        select(chain, ["claen"])
    with pytest.raises(UsageError, match="`partflow ls` lists"):
        select(chain, ["zzzzzz"])


@pytest.mark.parametrize("expression", [",", "clean+x"])
def test_a_selection_that_means_nothing_is_refused(chain, expression) -> None:
    with pytest.raises(UsageError, match="selection"):
        select(chain, [expression])


def chains(size: int) -> list[Task]:
    """Chains of ten, each reading two datasets."""
    tasks, before = [], LANDING
    for number in range(size):
        made_here = Dataset(f"d{number}", DAILY)
        read = before if number % 10 else LANDING
        tasks.append(made([read, read.previous()], made_here, f"t{number}"))
        before = made_here
    return tasks


def sharing(size: int) -> list[Task]:
    """Each makes one day of one dataset."""
    days = [str(date(2024, 1, 1) + timedelta(n)) for n in range(size + 1)]
    return [
        made([CLEAN.previous()], CLEAN, f"t{n}", during=(days[n], days[n + 1])) for n in range(size)
    ]


def work_of_deriving(tasks: list[Task]) -> int:
    """How many lines and calls of `graph.py` it takes to derive a graph and to ask who reads."""
    counted = 0

    def count(frame: FrameType, _event: str, _argument: object) -> object:
        nonlocal counted
        if not frame.f_code.co_filename.endswith("graph.py"):
            return None
        counted += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        graph = derive(tasks)
        for node in graph.nodes:
            graph.readers(node)
            graph.writers(node)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("declared", [chains, sharing])
def test_deriving_a_graph_takes_work_that_is_linear_in_its_tasks(declared) -> None:
    small, large = work_of_deriving(declared(50)), work_of_deriving(declared(400))
    assert large < 8.5 * small


def test_tasks_that_share_datasets_by_way_of_others_stand_together() -> None:
    lone = Dataset("aaa", DAILY)
    graph = derive(
        [
            made([], [CLEAN, SUMS], "m", during=("2024-01-01", "2024-02-01")),
            made([], SUMS, "b", during=("2024-02-01", "2024-03-01")),
            made([], CLEAN, "z", during=("2024-03-01", None)),
            made([], lone, "c"),
        ]
    )
    assert [t.name for t in graph.tasks] == ["m", "b", "z", "c"]
