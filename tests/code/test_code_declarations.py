"""What the code fingerprint makes of partflow's own names in a user's modules."""

# ruff: noqa: E501 - a case is a line

import importlib
import inspect

import pytest
from texts import Project, of

import partflow
from partflow.code.fingerprint import CodeReader
from partflow.code.uncounted import UNCOUNTED

STALE, FRESH = True, False


@pytest.mark.parametrize(
    "imported", ["from partflow import Partition", "from partflow.partitions.sets import Partition"]
)
def test_partflows_own_code_counts_by_its_name_alone(imported):
    text = "{}\ndef clean_sales(raw, partition): return isinstance(partition, Partition)"
    found = of(text.format(imported))
    assert found == of(text.format("from partflow import Partition"))
    assert [name for name, _ in found.parts if "partflow" in name] == []
    assert found.digest != of(text.format("from partflow import Monthly as Partition")).digest


NAMED = """
    from datetime import date
    import partflow as pf
    from partflow import Daily, Dataset, Source, Weekly
    from partflow import *
    START = "2024-01-01"
    ANCHOR = "2024-01-03"
    END = None
    clean = Dataset("clean_sales", Daily(START, END, "UTC"), None, "qty", description="Sales.")
    landing = Source("landing", pf.Daily(start=START, end=END), path="in/{key}.csv")
    weekly = Dataset("weekly", Weekly(START, first_day="monday"), float_tolerance=0.5)
    monthly = Dataset("monthly", Monthly(START), None, (), 0.0, "parquet", None, "Months.")
    thirds = Dataset("thirds", Every("3d", ANCHOR, END))
    fired = Dataset("fired", Cron("0 6 * * *", START, END, "UTC"))
    def clean_sales(raw): return clean.name, landing, weekly, monthly, thirds, fired
"""
# What is edited, before, after, and whether that makes a task that names the datasets stale.
NAMED_EDITS = [
    ("the start", 'START = "2024-01-01"', 'START = "2023-01-01"', FRESH),
    ("the end", "END = None", 'END = "2025-01-01"', FRESH),
    ("a start by position", 'Daily(START, END, "UTC")', 'Daily("2020-01-01", END, "UTC")', FRESH),
    ("an end by position", 'Daily(START, END, "UTC")', 'Daily(START, "2024-02-01", "UTC")', FRESH),
    ("a zone by position", 'Daily(START, END, "UTC")', 'Daily(START, END, "Asia/Tokyo")', STALE),
    ("an end by name", "end=END)", 'end="2025-01-01")', FRESH),
    ("an end that is gone", "start=START, end=END", "start=START", FRESH),
    ("a start by name or not", "start=START, end=END", "START, END", FRESH),
    ("a zone by name", "end=END)", 'end=END, tz="Asia/Tokyo")', STALE),
    ("a grain", "pf.Daily(", "pf.Hourly(", STALE),
    ("the first day of weeks", '"monday"', '"sunday"', STALE),
    ("a start of a star import", "Monthly(START)", 'Monthly("2020-01-01")', FRESH),
    ("a grain of a star import", "Monthly(START)", "Hourly(START)", STALE),
    ("arguments that are not written out", "Monthly(START)", "Monthly(*[START])", STALE),
    ("what steps are counted from", "2024-01-03", "2024-01-04", STALE),
    ("the end of steps", "ANCHOR, END", "ANCHOR", FRESH),
    ("the start of a cron", '* *", START', '* *", "2020-01-01"', FRESH),
    ("the times of a cron", '"0 6 * * *"', '"0 7 * * *"', STALE),
    ("a description", '"Sales."', '"What was sold."', FRESH),
    ("a description by position", '"Months."', '"By month."', FRESH),
    ("a tolerance", "float_tolerance=0.5", "float_tolerance=0.1", FRESH),
    ("the order of rows", '"qty"', '"price"', STALE),
    ("the name", '"clean_sales", Daily', '"sales", Daily', STALE),
    ("a source's path", "in/{key}.csv", "out/{key}.csv", STALE),
    ("a date of the task's own", "clean.name", "clean.name, date(2024, 1, 1)", STALE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "stale"),
    [edit[1:] for edit in NAMED_EDITS],
    ids=[edit[0] for edit in NAMED_EDITS],
)
def test_a_dataset_named_in_a_task_counts_by_what_can_change_a_result(before, after, stale):
    assert NAMED.count(before) == 1
    assert (of(NAMED).digest != of(NAMED.replace(before, after)).digest) is stale


def test_arguments_of_a_namesake_of_a_grain_count():
    text = "def Daily(start): return start\ndef clean_sales(raw): return Daily({})"
    assert of(text.format(1)).digest != of(text.format(2)).digest


@pytest.mark.parametrize("name", ["clean_sales", "listed"])
def test_a_grain_in_a_function_and_in_a_lambda_counts_without_its_range(name):
    text = """
        from partflow import Daily
        listed, = [lambda raw: Daily("{start}", tz="{tz}")]
        def clean_sales(raw):
            from partflow import Daily as Days
            return Days("{start}", None, "{tz}")
    """
    old = of(text.format(start="2024-01-01", tz="UTC"), name)
    assert old.digest == of(text.format(start="2020-01-01", tz="UTC"), name).digest
    assert old.digest != of(text.format(start="2024-01-01", tz="Asia/Tokyo"), name).digest


@pytest.mark.parametrize("name", sorted(set(UNCOUNTED) & set(partflow.__all__)))
def test_the_arguments_that_do_not_count_are_where_partflow_has_them(name):
    parameters = list(inspect.signature(getattr(partflow, name)).parameters)
    assert {parameters[place] for place in UNCOUNTED[name].positions} == UNCOUNTED[name].names


CARRIED = """
    from partflow import Daily, Dataset, Source
    clean = Dataset("clean_sales", Daily("{start}", tz="{tz}"), description="{words}")
    landing = Source("landing", Daily("{start}", tz="{tz}"), path="in/{{key}}.csv")
    def make(*carried):
        def clean_sales(raw): return carried
        return clean_sales
    clean_sales = make(clean, landing.window({first}, 0), Daily("{start}", tz="{tz}"))
"""


@pytest.mark.parametrize(
    ("edit", "stale"),
    [
        ({"start": "2020-01-01"}, FRESH),
        ({"words": "Sold."}, FRESH),
        ({"tz": "Asia/Tokyo"}, STALE),
        ({"first": -7}, STALE),
    ],
    ids=["the start", "the description", "the zone", "the mapping"],
)
def test_a_dataset_that_a_closure_holds_counts_by_what_can_change_a_result(edit, stale):
    plain = {"start": "2024-01-01", "tz": "UTC", "words": "Sales.", "first": -6}
    old, new = of(CARRIED.format(**plain)), of("\n" + CARRIED.format(**plain | edit))
    assert (old.digest != new.digest) is stale
    assert old.not_followed == ()


MADE = {
    "a partial": "daily = partial(task, retries={0})",
    "a partial by its long name": "import functools, partflow\ndaily = functools.partial(partflow.task, retries={0})",
    "a partial of a partial": "once = partial(task, retries={0})\ndaily = partial(once, tags=['{0}'])",
    "another name": "daily = task\nspare = {0}",
    "an annotated name": "daily: object = partial(task, retries={0})",
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_a_decorator_made_of_task_is_left_to_the_declaration(made):
    text = """
from functools import partial
from partflow import Daily, Dataset, task
{}
clean = Dataset("clean_sales", Daily("2024-01-01"))
@daily(writes=clean, lag="{}h")
def clean_sales(): return {}
"""
    old = of(text.format(made.format(1), 1, 1))
    assert [name for name, _ in old.parts] == ["function", "jobs.sales.clean_sales"]
    assert old.digest == of(text.format(made.format(2), 2, 1)).digest
    assert old.digest != of(text.format(made.format(1), 1, 2)).digest


@pytest.mark.parametrize(
    "line",
    ["@daily(writes=clean)", "@partial(task, writes=clean)()", "@partial(daily, writes=clean)()"],
)
def test_such_a_decorator_may_come_from_another_module_or_stand_in_place(line):
    more = {"jobs/daily.py": "from functools import partial\nfrom partflow import task\ndaily = partial(task, retries=3)\n"}  # fmt: skip
    text = f"""
from functools import partial
from partflow import Daily, Dataset, task
from jobs.daily import daily
clean = Dataset("clean_sales", Daily("2024-01-01"))
{line}
def clean_sales(): return 1
"""
    found = of(text, more=more)
    assert [name for name, _ in found.parts] == ["function", "jobs.sales.clean_sales"]


def test_a_decorator_that_is_a_partial_of_something_else_counts():
    text = "from functools import partial\ndef mark(by, f): return f\n@partial(mark, {})\ndef clean_sales(raw): return raw"
    assert of(text.format(1)).digest != of(text.format(2)).digest


@pytest.mark.parametrize(
    "text",
    [
        "def clean_sales(raw):\n    from jobs.broken import helper\n    return helper(raw)",
        "def clean_sales(raw):\n    import jobs.broken\n    return jobs.broken.helper(raw)",
        "def clean_sales(raw):\n    from jobs import broken\n    return broken.helper(raw)",
    ],
    ids=["a name of it", "by its long name", "the module"],
)
@pytest.mark.parametrize("broken", ["def helper(:", "x = '\0'"], ids=["no syntax", "a null byte"])
def test_a_module_that_is_not_python_is_reported_and_not_taken_for_a_library(text, broken):
    found = of(text, more={"jobs/broken.py": broken}).not_followed
    assert {each.what for each in found} == {"the module 'jobs.broken', whose text is not Python"}
    assert {each.place.partition(":")[0] for each in found} == {"jobs/sales.py"}


@pytest.mark.parametrize("kind", ["def helper(raw): return raw", "class helper: ..."])
def test_what_was_imported_before_its_module_broke_is_reported(kind):
    texts = {
        "jobs/__init__.py": "",
        "jobs/other.py": kind,
        "jobs/sales.py": "from jobs.other import helper\ndef make(by):\n    def f(raw): return by\n    return f\nclean_sales = make(helper)",
    }
    project, broken = Project(texts), Project(texts | {"jobs/other.py": "def helper(:"})
    with project.imported():
        function = importlib.import_module("jobs.sales").clean_sales
        assert CodeReader(project.sources.get).fingerprint(function).not_followed == ()
        found = CodeReader(broken.sources.get).fingerprint(function).not_followed
    assert any("'jobs.other.helper'" in each.what for each in found)
