"""Code that can change a result makes partitions stale; what cannot does not."""

import importlib
import json
import sys

import pytest

from partflow.metastore.sqlite.rows import count_changes
from partflow.operations.acceptable import Treatment
from partflow.planning.planner import Reason
from partflow.project.project import Project
from partflow.report.plan import other_code_lines, plan_report

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")

HELPER = '''
LEAST = 0

def wanted():
    """What counts."""
    return pl.col("qty") > LEAST

def unrelated():
    return 1
'''

TASK = """
from PACKAGE.rules import wanted

landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"))
copy = Dataset("copy", Daily("2024-01-30", end="2024-02-04"))

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.filter(wanted())

@task(reads=[clean], writes=copy)
def copied(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.select("store")
"""


@pytest.fixture
def coded(world):
    world.jobs(HELPER, "rules")
    world.jobs(TASK)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1, 10, 0)
    world.run()
    return world


def edited(world, module, before, after):
    file = world.root / world.package / f"{module}.py"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


STALE = [
    ("tasks", "raw.filter(wanted())", "raw.filter(wanted()).head(5)"),
    ("rules", "LEAST = 0", "LEAST = 1"),
    ("rules", "> LEAST", ">= LEAST"),
    ("tasks", "writes=clean)", 'writes=clean, version="2")'),
    (
        "tasks",
        'Dataset("clean", Daily("2024-01-30", end="2024-02-04"))',
        'Dataset("clean", Daily("2024-01-30", end="2024-02-04"), sort_by="qty")',
    ),
]
FRESH = [
    ("tasks", "    return raw.filter", "    # why\n    return raw.filter"),
    ("rules", '"""What counts."""', '"""What is counted, in other words."""'),
    ("rules", "LEAST = 0", "LEAST   =   0"),
    ("rules", "return 1", "return 2"),
    (
        "tasks",
        "raw: pl.LazyFrame) -> pl.LazyFrame:\n    return raw",
        "raw: 'pl.LazyFrame'):\n    return raw",
    ),
    ("tasks", "writes=clean)", 'writes=clean, retries=3, tags=["daily"])'),
]


@pytest.mark.parametrize(("module", "before", "after"), STALE)
def test_what_can_change_the_result_makes_the_tasks_partitions_stale(coded, module, before, after):
    edited(coded, module, before, after)
    assert coded.planned() == {"clean_sales": list(DAYS)}


@pytest.mark.parametrize(("module", "before", "after"), FRESH)
def test_what_cannot_change_the_result_leaves_them_fresh(coded, module, before, after):
    edited(coded, module, before, after)
    assert coded.project.plan().steps == 0


def test_why_names_the_function_or_constant_that_changed(coded):
    edited(coded, "rules", "LEAST = 0", "LEAST = 1")
    why = coded.project.why("clean", DAYS[0])
    assert [(c.name, c.how) for c in why.code_changes] == [
        (f"{coded.package}.rules.LEAST", "changed")
    ]


def test_equal_results_of_new_code_stop_there(coded):
    edited(coded, "tasks", "raw.filter(wanted())", "raw.filter(wanted()).filter(True)")
    found = coded.run()
    assert (found.ran, found.unchanged, found.skipped) == (5, 5, 5)
    assert coded.run().ran == 0


def test_a_task_may_keep_what_older_code_made(coded):
    edited(coded, "tasks", "writes=clean)", 'writes=clean, on_code_change="keep")')
    edited(coded, "rules", "LEAST = 0", "LEAST = 1")
    assert coded.run().ran == 0
    status = {s.node: s for s in coded.project.status()}
    assert status["clean"].kept == 5
    coded.sales(DAYS[0], 50)
    assert coded.planned() == {"clean_sales": [DAYS[0]]}


def test_what_is_edited_after_it_was_imported_is_not_what_was_made(coded):
    """Neither a project that is at hand nor one that is loaded again runs other code."""
    project = coded.project
    edited(coded, "rules", "LEAST = 0", "LEAST = 1")
    with pytest.warns(UserWarning, match=rf"{coded.package}\.rules was edited after") as told:
        again = Project.load(coded.root)
    assert told[0].filename == __file__
    assert again.codes == project.codes
    coded.sales(DAYS[0], 50)
    assert project.materialize().summary.ran > 0
    assert again.plan().steps == 0
    assert coded.planned() == {"clean_sales": list(DAYS)}


def test_what_is_reloaded_counts_as_it_is_then(coded):
    project = coded.project
    edited(coded, "tasks", "raw.filter(wanted())", "raw.filter(wanted()).head(0)")
    importlib.reload(sys.modules[f"{coded.package}.tasks"])
    again = Project.load(coded.root)
    assert again.codes != project.codes
    assert again.materialize().summary.ran > 0
    assert coded.planned() == {}


SQL_TASK = """
landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"))

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.sql(sql_file("clean.sql"))
"""


def test_sql_that_is_edited_counts_once_it_is_read_again(coded):
    """What a process records as the code of its partitions is what it ran."""
    coded.jobs(SQL_TASK)
    query = f"{coded.package}/clean.sql"
    coded.write(query, "select store, qty from self")
    project = coded.project
    assert project.plan().steps == len(DAYS)
    coded.write(query, "select store, -qty as qty from self")
    assert project.materialize().summary.ran == len(DAYS)
    assert project.read("clean", DAYS[0]).collect()["qty"].sum() > 0
    assert Project.load(coded.root).plan().steps == 0
    importlib.reload(sys.modules[f"{coded.package}.tasks"])
    again = Project.load(coded.root)
    assert again.materialize().summary.ran == len(DAYS)
    assert again.read("clean", DAYS[0]).collect()["qty"].sum() < 0
    assert coded.planned() == {}


DISPATCHED = """
from functools import singledispatch

landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"))

@singledispatch
def least(value):
    return 0

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.filter(pl.col("qty") > least(1))

@least.register
def _(value: int):
    return 1
"""


@pytest.fixture
def from_before(coded):
    """A warehouse that was made when what is registered with a dispatch did not count."""
    coded.jobs(DISPATCHED)
    coded.run()
    project = coded.project
    code = project.codes["clean_sales"]
    ((_, older),) = code.older
    parts = json.dumps({name: digest for name, digest in code.parts if "(" not in name})
    with coded.tables() as c:
        c.execute("UPDATE partitions SET code = ? WHERE node = 'clean'", (older,))
        count_changes(c, ["clean"], restated=True)
        c.execute("DELETE FROM codes")
        c.execute("INSERT INTO codes (digest, parts) VALUES (?, ?)", (older, parts))
    return coded


def needs(world):
    return {Reason(int(r)) for r in world.project.plan().tasks["clean_sales"].need}


def test_code_that_is_the_same_and_of_which_more_counts_now_is_reckoned_anew(from_before):
    assert needs(from_before) == {Reason.RECKONED}
    why = from_before.project.why("clean", DAYS[0])
    assert why.text == "the code of clean_sales is reckoned anew"
    counted = [c.name for c in why.code_changes if c.how == "counted"]
    assert f"{from_before.package}.tasks.least (by {from_before.package}.tasks)" in counted


def test_a_plan_says_that_more_counts_and_what_keeps_it(from_before):
    (line,) = other_code_lines(plan_report(from_before.project.plan()))
    assert line == (
        "what counts as code now makes 5 partitions stale: clean_sales 5; "
        "`partflow accept` keeps them"
    )


def test_code_that_is_reckoned_anew_is_accepted_as_it_is(from_before):
    accepted = from_before.project.accept("clean").acceptance
    assert accepted.count(Treatment.CODE) == len(DAYS)
    assert needs(from_before) == {Reason.NONE}
    edited(from_before, "tasks", "return 1", "return 2")
    assert needs(from_before) == {Reason.CODE}


def test_what_is_kept_says_whether_its_code_changed_or_only_more_of_it_counts(from_before):
    """`on_code_change="keep"` holds for both; the words are true of each."""
    edited(from_before, "tasks", "writes=clean)", 'writes=clean, on_code_change="keep")')
    assert from_before.run().ran == 0
    why = from_before.project.why("clean", DAYS[0])
    assert why.text == "the code of clean_sales is reckoned anew"
    edited(from_before, "tasks", "return 0", "return 3")
    assert from_before.run().ran == 0
    why = from_before.project.why("clean", DAYS[0])
    assert why.text == "kept, though the code of clean_sales changed"


def test_code_that_was_edited_as_well_has_changed(from_before):
    edited(from_before, "tasks", "return 0", "return 3")
    assert needs(from_before) == {Reason.CODE}


def test_what_only_the_present_rules_count_is_a_change_once_they_have_counted(coded):
    without = DISPATCHED.partition("@least.register")[0]
    coded.jobs(without)
    coded.run()
    coded.jobs(DISPATCHED)
    assert coded.project.codes["clean_sales"].older
    assert needs(coded) == {Reason.CODE}


def test_a_run_with_nothing_to_do_notes_that_a_code_is_the_same_under_the_present_rules(coded):
    without = DISPATCHED.partition("@least.register")[0]
    coded.jobs(without)
    coded.run()
    with coded.tables() as c:
        c.execute("UPDATE codes SET rules = 1")
    digest = coded.project.codes["clean_sales"].digest
    assert coded.run().ran == 0
    with coded.tables() as c:
        assert list(c.execute("SELECT rules FROM codes WHERE digest = ?", (digest,))) == [(2,)]
    coded.jobs(DISPATCHED)
    assert coded.project.codes["clean_sales"].older
    assert needs(coded) == {Reason.CODE}


def test_a_constant_that_another_module_sets_makes_partitions_stale(coded):
    coded.jobs("from PACKAGE import rules\nrules.LEAST = 2\n", "settings")
    coded.run()
    assert coded.planned() == {}
    edited(coded, "settings", "rules.LEAST = 2", "rules.LEAST = 3")
    assert coded.planned() == {"clean_sales": list(DAYS)}
