"""Partitions that are made once: what they were made from may change, and they stay."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import polars as pl
import pytest
from worlds import moment

from partflow.errors import UsageError
from partflow.execution.controls import Controls
from partflow.operations.check import Verdict
from partflow.planning.plan import Reason, State
from partflow.planning.selection import Asked
from partflow.project.project import Project
from partflow.report.graph import graph_report, paragraphs
from partflow.report.plan import plan_report

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")
JOBS = """
    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    forecast = Dataset("forecast", DAYS)
    issued = Dataset("issued", DAYS)
    shown = Dataset("shown", DAYS)

    @task(reads=[landing], writes=forecast)
    def forecasts(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("qty")

    @task(reads=[forecast.window(-1, 0)], writes=issued, on_input_change="keep")
    def issues(frame: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
        return frame.filter(pl.col("date") == partition.date).select("qty")

    @task(reads=[issued], writes=shown)
    def shows(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.select("qty")
"""


@pytest.fixture
def once(world):
    """Three days of which each was issued, and the last one once more corrected after that."""
    world.jobs(JOBS)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    return world


def edited(world, before, after):
    file = world.root / world.package / "tasks.py"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def quantities(world, dataset):
    return world.read(dataset).sort("date")["qty"].to_list()


def reasons(world, task="issues"):
    planned = world.project.plan().tasks[task]
    return [Reason(int(r)) for r in planned.reason]


def test_a_partition_that_was_made_stays_when_its_input_is_corrected(once):
    once.sales(DAYS[1], 20)
    found = once.run()
    assert (found.ran, found.failed) == (1, 0)
    assert once.made() == [("forecasts", DAYS[1])]
    assert quantities(once, "forecast") == [1, 20, 3]
    assert quantities(once, "issued") == quantities(once, "shown") == [1, 2, 3]
    assert once.planned() == {}


def test_it_is_no_step_of_the_run_that_makes_its_input_again(once):
    once.sales(DAYS[0], 10)
    plan = once.project.plan()
    assert {name: int(t.action.sum()) for name, t in plan.tasks.items()} == {
        "forecasts": 1, "issues": 0, "shows": 0,
    }  # fmt: skip


def test_it_is_fresh_and_counted_as_kept_with_the_reads_that_moved(once):
    once.sales(DAYS[1], 20)
    once.run()
    status = {s.node: s for s in once.project.status()}
    assert status["issued"].counts[State.FRESH] == 3
    assert (status["issued"].kept, status["issued"].moved) == (2, 2)
    assert (status["forecast"].kept, status["shown"].kept) == (0, 0)
    assert reasons(once) == [Reason.NONE, Reason.MOVED, Reason.MOVED]


def test_status_kept_selects_what_has_a_partition_that_is_kept(once):
    assert once.project.selected(["status:kept"]) == ()
    once.sales(DAYS[1], 20)
    once.run()
    assert once.project.selected(["status:kept"]) == ("issued",)
    assert once.project.selected(["status:stale"]) == ()


def test_what_is_kept_is_neither_late_nor_too_old(world):
    world.jobs(JOBS.replace('"issued", DAYS', '"issued", DAYS, expect_by="2h", max_age="36h"'))

    def at(text: str) -> Project:
        project = world.project
        project.clock = lambda: moment(text)
        return project

    world.sales(DAYS[0], 1)
    at("2024-02-01T01:00").materialize(controls=Controls())
    for hour, quantity in (("01", 5), ("03", 9)):
        for key in DAYS:
            world.sales(key, quantity)
        at(f"2024-02-02T{hour}:00").materialize(controls=Controls())
    later = at("2024-02-02T20:00")
    assert {s.node: s.moved for s in later.status()}["issued"] == 3
    assert not later.late()["issued"].is_late


def test_a_request_for_what_is_kept_says_that_it_is_fresh_and_kept(once):
    once.sales(DAYS[1], 20)
    once.run()
    plan = once.project.plan("issued")
    assert plan.steps == 0
    assert plan_report(plan).counts.kept == 2
    assert plan_report(plan).sentence == "nothing to do: 3 fresh (2 kept)"


def test_ls_says_what_may_change_without_making_it_again(once):
    report = graph_report(once.project.graph, once.project.codes, ["forecast", "issued"], {})
    keeps = [writer.keeps for d in report.datasets for writer in d.written_by]
    assert keeps == [(), ("inputs",)]
    assert "    what is made stays when inputs change" in paragraphs(report)


def test_why_says_how_many_of_its_inputs_have_moved(once):
    once.sales(DAYS[1], 20)
    once.run()
    why = once.project.why("issued", DAYS[2])
    assert why.state is State.FRESH
    assert why.text == "kept, though forecast changed; inputs that moved since: 1 of 2"
    assert (why.moved.reads, why.moved.partitions) == (1, 1)
    assert why.links == ()
    assert [r.changed for r in why.lineage] == [(DAYS[1],)]
    once.sales(DAYS[2], 30)
    once.run()
    assert once.project.why("issued", DAYS[2]).moved.partitions == 2
    assert once.project.why("issued", DAYS[0]).moved is None


def test_an_input_that_is_as_it_was_again_has_not_moved(once):
    for quantity in (20, 2):
        once.sales(DAYS[1], quantity)
        once.run()
    assert reasons(once) == [Reason.NONE] * 3
    assert once.project.why("issued", DAYS[1]).moved is None


def test_a_backfill_makes_it_again(once):
    once.sales(DAYS[1], 20)
    once.run()
    once.project.backfill(asked=Asked(("issued",), keys=(DAYS[1],)))
    assert quantities(once, "issued") == [1, 20, 3]
    assert reasons(once) == [Reason.NONE, Reason.NONE, Reason.MOVED]


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
def test_a_file_that_is_missing_or_damaged_is_made_again_from_what_is_there_now(once, harm):
    once.sales(DAYS[1], 20)
    once.run()
    file = once.file("issued", DAYS[1])
    if harm == "deleted":
        file.unlink()
    else:
        file.write_bytes(b"torn")
    assert once.planned() == {"issues": [DAYS[1]]}
    once.run()
    assert quantities(once, "issued") == [1, 20, 3]


def test_one_whose_file_is_missing_is_held_up_as_any_other(once):
    once.write(f"landing/{DAYS[1]}.csv", 'store,qty\n"torn')
    once.file("issued", DAYS[1]).unlink()
    planned = once.project.plan().tasks["issues"]
    assert [State(int(s)) for s in planned.state] == [State.FRESH, State.BLOCKED, State.FRESH]
    assert Reason(int(planned.reason[1])) is Reason.BEHIND


def test_it_stays_for_its_readers_behind_a_source_that_cannot_be_read(once):
    once.write(f"landing/{DAYS[1]}.csv", 'store,qty\n"torn')
    status = {s.node: s for s in once.project.status()}
    assert status["forecast"].counts[State.BLOCKED] == 1
    assert status["issued"].counts[State.FRESH] == status["shown"].counts[State.FRESH] == 3


def test_its_own_code_makes_it_again(once):
    edited(once, "partition.date)", "partition.date).filter(True)")
    assert once.planned() == {"issues": list(DAYS)}


def test_with_both_options_it_stays_whatever_changes(once):
    edited(once, 'on_input_change="keep"', 'on_input_change="keep", on_code_change="keep"')
    edited(once, "partition.date)", "partition.date).filter(True)")
    once.sales(DAYS[1], 20)
    once.run()
    assert once.planned() == {}
    assert reasons(once) == [Reason.KEPT] * 3
    status = {s.node: s for s in once.project.status()}
    assert (status["issued"].kept, status["issued"].moved) == (3, 2)
    text = once.project.why("issued", DAYS[1]).text
    assert text == "kept, though the code of issues changed; inputs that moved since: 1 of 2"


def test_a_rebuilt_record_keeps_it_and_knows_that_its_inputs_moved(once):
    once.sales(DAYS[1], 20)
    once.run()
    (once.root / "warehouse/.partflow/metastore.sqlite").unlink()
    once.project.upkeep.rebuild(Controls())
    assert once.planned() == {}
    assert reasons(once) == [Reason.NONE, Reason.MOVED, Reason.MOVED]
    assert once.project.why("issued", DAYS[2]).moved.partitions == 1


def test_a_record_that_is_rebuilt_from_the_files_alone_keeps_it_too(once):
    once.sales(DAYS[1], 20)
    once.run()
    for name in ("metastore.sqlite", "journal.jsonl"):
        (once.root / "warehouse/.partflow" / name).unlink()
    shutil.rmtree(once.root / "warehouse/.partflow/history")
    once.project.upkeep.rebuild(Controls())
    assert once.planned() == {}
    assert reasons(once) == [Reason.NONE, Reason.MOVED, Reason.MOVED]


def test_accepting_new_code_leaves_it_kept(once):
    once.sales(DAYS[1], 20)
    once.run()
    edited(once, "partition.date)", "partition.date).filter(True)")
    once.project.accept("issued")
    assert once.planned() == {}
    assert reasons(once) == [Reason.NONE, Reason.MOVED, Reason.MOVED]


def test_a_check_does_not_compare_it_with_what_its_inputs_would_make_now(once):
    once.sales(DAYS[1], 20)
    once.run()
    trials = once.project.check_twice(asked=Asked(("issued",), keys=(DAYS[1],)))
    assert [t.verdict for t in trials] == [Verdict.SAME]


def test_an_edit_by_hand_blocks_it_until_somebody_decides(once):
    once.sales(DAYS[1], 20)
    once.run()
    pl.DataFrame({"qty": [7]}).write_parquet(once.file("issued", DAYS[1]))
    assert reasons(once)[1] is Reason.CHANGED_OUTSIDE
    once.project.accept("issued")
    assert reasons(once)[1] is Reason.PINNED
    once.run()
    assert quantities(once, "shown") == [1, 7, 3]


def test_what_is_declared_so_later_is_kept_from_then_on(world):
    world.jobs(JOBS.replace(', on_input_change="keep"', ""))
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    world.jobs(JOBS)
    world.sales(DAYS[1], 20)
    world.run()
    assert quantities(world, "issued") == [1, 2, 3]
    world.jobs(JOBS.replace(', on_input_change="keep"', ""))
    assert world.planned() == {"issues": [DAYS[1], DAYS[2]]}


SEVERAL = """
    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    first, second = Dataset("first", DAYS), Dataset("second", DAYS)

    @task(reads=[landing], writes=[first, second], on_input_change="keep")
    def both(raw: pl.LazyFrame):
        return raw.select("qty"), raw.select(pl.col("qty") * 2)
"""


def test_what_is_made_together_is_made_again_together_where_one_file_is_missing(world):
    world.jobs(SEVERAL)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    for i, key in enumerate(DAYS):
        world.sales(key, 10 * (i + 1))
    world.file("second", DAYS[1]).unlink()
    world.run()
    assert quantities(world, "first") == [1, 20, 3]
    assert quantities(world, "second") == [2, 40, 6]


BATCHED = """
    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    issued = Dataset("issued", DAYS)

    @task(reads=[landing], writes=issued, on_input_change="keep", batch=True)
    def issues(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("date", "qty")
"""


def test_a_batch_leaves_out_what_was_made_once(world):
    world.jobs(BATCHED)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    for i, key in enumerate(DAYS):
        world.sales(key, 10 * (i + 1))
    for key in (DAYS[0], DAYS[2]):
        world.file("issued", key).unlink()
    world.run()
    assert world.made() == [("issues", DAYS[0]), ("issues", DAYS[2])]
    assert quantities(world, "issued") == [10, 2, 30]


ITSELF = """
    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    total = Dataset("total", DAYS, schema={"qty": pl.Int64})

    @task(reads={"raw": landing, "before": total.previous()}, writes=total, on_input_change="keep")
    def totals(raw: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"qty": [raw["qty"].sum() + before["qty"].sum()]})
"""


def test_one_that_reads_the_one_before_stays_when_that_is_made_again(world):
    world.jobs(ITSELF)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    assert quantities(world, "total") == [1, 3, 6]
    world.sales(DAYS[0], 10)
    world.file("total", DAYS[0]).unlink()
    plan = world.project.plan().tasks["totals"]
    assert plan.action.astype(bool).tolist() == [True, False, False]
    world.run()
    assert quantities(world, "total") == [10, 3, 6]
    assert reasons(world, "totals") == [Reason.NONE, Reason.MOVED, Reason.NONE]


OPTIONAL = """
    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    extra = Source("extra", DAYS, path="extra/{key}.csv", schema={"qty": pl.Int64})
    models = Dataset("models", DAYS)
    issued = Dataset("issued", DAYS)

    @task(reads=[landing], writes=models)
    def fits(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("qty")

    @task(reads=[models.asof(), extra.optional()], writes=issued, on_input_change="keep")
    def issues(model: pl.LazyFrame, more: pl.DataFrame) -> pl.LazyFrame:
        return model.select(pl.col("qty") + more["qty"].sum())
"""


def test_what_comes_late_to_an_optional_read_or_changes_behind_asof_has_moved(world):
    world.jobs(OPTIONAL)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    assert quantities(world, "issued") == [1, 2]
    world.write(f"extra/{DAYS[1]}.csv", "qty\n5\n")
    world.sales(DAYS[0], 10)
    world.run()
    assert quantities(world, "issued") == [1, 2]
    assert world.project.why("issued", DAYS[1]).moved.reads == 2
    assert world.project.why("issued", DAYS[2]).moved is None


def test_a_saved_plan_is_carried_out_without_what_was_made_once(once):
    once.sales(DAYS[1], 20)
    saved = once.root / "plan.json"
    once.project.save_plan(once.project.plan(), saved)
    once.project.materialize(saved=saved)
    assert once.made() == [("forecasts", DAYS[1])]


@pytest.mark.parametrize(
    ("option", "before", "after"),
    [
        ("on_input_change", "raw.select", "raw.filter(True).select"),
        ("on_code_change", "partition.date)", "partition.date).filter(True)"),
    ],
)
def test_a_saved_plan_is_refused_once_its_steps_are_declared_to_be_kept(
    world, option, before, after
):
    world.jobs(JOBS.replace(', on_input_change="keep"', ""))
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run()
    edited(world, before, after)
    saved = world.root / "plan.json"
    world.project.save_plan(world.project.plan(), saved)
    edited(world, "writes=issued)", f'writes=issued, {option}="keep")')
    with pytest.raises(UsageError, match="issues is declared to keep what was made"):
        world.project.materialize(saved=saved)


EFFECT = """
    from pathlib import Path

    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")

    @effect(reads=[landing], on_input_change="keep")
    def invoices(raw: pl.DataFrame, partition: Partition) -> None:
        with Path("sent").open("a") as sent:
            sent.write(f"{partition.key} {raw['qty'].sum()}\\n")
"""


def sent(world):
    return (world.root / "sent").read_text().splitlines()


def test_an_effect_is_done_once_for_each_partition_whatever_becomes_of_its_inputs(world):
    world.jobs(EFFECT)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.project.materialize(with_effects=True)
    world.sales(DAYS[2], 30)
    world.project.materialize(with_effects=True)
    assert sent(world) == ["2024-01-30 1", "2024-01-31 2", "2024-02-01 3"]
    (world.root / "warehouse/.partflow/metastore.sqlite").unlink()
    world.project.upkeep.rebuild(Controls())
    world.project.materialize(with_effects=True)
    assert len(sent(world)) == 3
    why = world.project.why("invoices", DAYS[2])
    assert why.text == "kept, though landing changed; inputs that moved since: 1 of 1"
    world.project.backfill(asked=Asked(("invoices",), keys=(DAYS[2],)))
    assert sent(world)[3:] == ["2024-02-01 30"]


KILLED = """
    import os, signal
    from pathlib import Path

    DAYS = Daily("2024-01-30", end="2024-02-02")
    landing = Source("landing", DAYS, path="landing/{key}.csv")
    issued = Dataset("issued", DAYS)

    @task(reads=[landing], writes=issued, on_input_change="keep")
    def issues(raw: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
        if partition.key == "2024-01-31" and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return raw.select("qty")
"""


def test_after_a_run_that_was_killed_only_what_was_not_made_yet_is_made_of_what_is_there(world):
    world.jobs(KILLED)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1)
    world.run("issued", keys=(DAYS[0],))
    words = [sys.executable, "-m", "partflow", "materialize"]
    killed = subprocess.run(words, cwd=world.root, capture_output=True, timeout=100, check=False)
    assert killed.returncode == -signal.SIGKILL
    for i, key in enumerate(DAYS):
        world.sales(key, 10 * (i + 1))
    assert world.planned() == {"issues": [DAYS[1], DAYS[2]]}
    world.run()
    assert quantities(world, "issued") == [1, 20, 30]
    assert reasons(world) == [Reason.MOVED, Reason.NONE, Reason.NONE]
