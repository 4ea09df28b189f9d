"""Files of sources that cannot be read: what is behind them is blocked, and heals with them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from partflow.errors import UsageError
from partflow.execution.controls import Controls
from partflow.planning.planner import Plan, Reason, State
from partflow.planning.selection import Asked
from partflow.planning.snapshot import Condition

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")
BAD = "store,qty\ns0,1,2,3,4\n"
ROWS = {"store": ["n", "s"], "qty": [1, 2]}
SHORT = """
days = Daily("2024-01-01", end="2024-01-04")
SCHEMA = {"store": pl.String, "qty": pl.Int64}
"""
OPTIONAL = f"""
{SHORT}
landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
out = Dataset("out", days, schema={{"n": pl.Int64}})

@task(reads=[READ], writes=out, version=VERSION)
def count(raw: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({{"n": [raw.height]}})
"""


def states(plan: Plan, task: str) -> list[tuple[State, Reason]]:
    """The state and the reason of each of a task's partitions."""
    planned = plan.tasks[task]
    pairs = zip(planned.state.tolist(), planned.reason.tolist(), strict=True)
    return [(State(s), Reason(r)) for s, r in pairs]


def where(plan: Plan) -> list[tuple[str, str, str]]:
    """What is at fault: dataset, key and file."""
    return [(f.dataset, f.key, f.file) for f in plan.faults]


def written(path: Path, kind: str, rows: dict[str, list[object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    frame = pl.DataFrame(rows)
    {"csv": frame.write_csv, "ndjson": frame.write_ndjson, "parquet": frame.write_parquet}[kind](
        path
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def without_a_column(path: Path) -> None:
    written(path, path.suffix[1:], {"store": ["n"]})


def with_another_type(path: Path) -> None:
    written(path, path.suffix[1:], {"store": ["n"], "qty": ["many"]})


def never_written(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 5 * 2**30)


DAMAGES = [
    *((f, d) for f in ("csv", "ndjson", "parquet") for d in (to_folder, to_pipe, to_a_circle)),
    *((f, never_written) for f in ("csv", "ndjson", "parquet")),
    *((f, with_another_type) for f in ("csv", "ndjson", "parquet")),
    ("csv", emptied),
    ("csv", without_a_column),
    ("ndjson", cut),
    ("parquet", cut),
    ("parquet", emptied),
    ("parquet", without_a_column),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGES)
def test_a_correction_that_cannot_be_read_blocks_until_it_is_put_back_and_nothing_is_lost(
    world, kind: str, damage: Callable[[Path], None]
) -> None:
    world.jobs(f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        raw = Source("raw", days, path="landing/{{key}}.{kind}", schema=SCHEMA)
        out = Dataset("out", days)
        @task(reads=[raw], writes=out)
        def copy(raw: pl.DataFrame) -> pl.DataFrame: return raw
        """)
    file = world.root / f"landing/2024-01-02.{kind}"
    for day in ("01", "02", "03"):
        written(file.with_name(f"2024-01-{day}.{kind}"), kind, ROWS)
    world.run()
    good, made = file.read_bytes(), world.file("out", "2024-01-02").read_bytes()
    damage(file)
    result = world.project.materialize()
    assert result.summary is None
    assert where(result.plan) == [("raw", "2024-01-02", f"landing/2024-01-02.{kind}")]
    assert result.faults[0].reason
    assert result.faults[0].advice
    assert states(result.plan, "copy")[1] == (State.BLOCKED, Reason.LAST_GOOD)
    assert world.file("out", "2024-01-02").read_bytes() == made
    file.rmdir() if file.is_dir() else file.unlink()
    file.write_bytes(good)
    healed = world.project.materialize()
    assert healed.summary is None
    assert healed.faults == ()
    assert states(healed.plan, "copy") == [(State.FRESH, Reason.NONE)] * 3


def test_a_correction_that_is_mended_to_other_values_is_made(sales) -> None:
    sales.run()
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    assert sales.run().ran == 0
    sales.sales(DAYS[1], 7)
    sales.run()
    assert ("clean_sales", DAYS[1]) in sales.made()
    assert sales.project.plan().faults == ()


def test_all_that_is_made_from_it_is_blocked_and_nothing_else(sales) -> None:
    sales.run()
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    plan = sales.project.plan()
    blocked = (State.BLOCKED, Reason.LAST_GOOD)
    assert [s == blocked for s in states(plan, "clean_sales")] == [False, True, False, False, False]
    assert [s == blocked for s in states(plan, "two_days")] == [False, True, True, False, False]
    assert [s == blocked for s in states(plan, "by_month")] == [True, False]
    assert plan.steps == 0


def test_new_days_are_made_while_an_old_one_cannot_be_read(sales) -> None:
    late = sales.root / f"landing/{DAYS[4]}.csv"
    kept = late.read_text()
    late.unlink()
    sales.run()
    sales.write(f"landing/{DAYS[0]}.csv", BAD)
    late.write_text(kept)
    result = sales.project.materialize()
    assert sales.made() == [
        ("by_month", "2024-02"), ("clean_sales", DAYS[4]), ("two_days", DAYS[4])
    ]  # fmt: skip
    assert not result.is_complete
    assert len(result.faults) == 1


def test_only_faults_of_what_was_asked_for_and_of_what_that_is_made_from_are_said(
    sales,
) -> None:
    sales.run()
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    project = sales.project

    def faults(*select: str, **more: tuple[str, ...]) -> int:
        return len(project.plan(asked=Asked(select, **more)).faults)

    assert faults() == faults("clean") == faults("monthly") == faults("landing") == 1
    assert faults("clean", keys=(DAYS[1],)) == faults("trailing", keys=(DAYS[2],)) == 1
    assert faults("clean", keys=(DAYS[2],)) == faults("trailing", keys=(DAYS[3],)) == 0
    assert faults("monthly", keys=("2024-01",)) == 1
    assert faults("monthly", keys=("2024-02",)) == 0
    assert faults("landing", keys=(DAYS[2],)) == 0


def test_a_pinned_partition_is_not_behind_the_fault(sales) -> None:
    sales.run()
    pl.DataFrame({"store": ["mine"], "qty": [1]}).write_parquet(sales.file("clean", DAYS[1]))
    sales.project.accept("clean")
    sales.run()
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    plan = sales.project.plan()
    assert states(plan, "clean_sales")[1] == (State.FRESH, Reason.PINNED)
    assert states(plan, "two_days")[1] == (State.FRESH, Reason.NONE)
    assert len(plan.faults) == 1


@pytest.mark.parametrize("read", ["landing.optional()", "landing.window(-1, 0).optional()"])
def test_an_optional_read_is_behind_a_file_that_cannot_be_read(world, read: str) -> None:
    world.jobs(OPTIONAL.replace("READ", read).replace("VERSION", "1"))
    world.sales("2024-01-01", 1, 2)
    world.run()
    world.write("landing/2024-01-02.csv", BAD)
    plan = world.project.plan()
    assert states(plan, "count")[1] == (State.BLOCKED, Reason.LAST_GOOD)
    world.jobs(OPTIONAL.replace("READ", read).replace("VERSION", "2"))
    plan = world.project.plan()
    assert states(plan, "count")[1] == (State.BLOCKED, Reason.BEHIND)


FURTHER = f"""
{SHORT}
landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
clean = Dataset("clean", days, schema=SCHEMA)
out = Dataset("out", days, schema={{"n": pl.Int64}})

@task(reads=[landing], writes=clean)
def take(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.drop("date")

@task(reads=[READ], writes=out)
def count(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({{"n": [rows.height]}})
"""


@pytest.mark.parametrize("read", ["clean.optional()", "clean.window(-1, 0).optional()"])
@pytest.mark.parametrize("was_there", [True, False])
def test_an_optional_read_of_what_is_made_from_a_fault_is_behind_it(world, read, was_there) -> None:
    world.jobs(FURTHER.replace("READ", read))
    world.sales("2024-01-01", 1)
    if was_there:
        world.sales("2024-01-02", 1, 2)
        world.run()
    world.write("landing/2024-01-02.csv", BAD)
    reason = Reason.LAST_GOOD if was_there else Reason.BEHIND
    assert states(world.project.plan(), "count")[1] == (State.BLOCKED, reason)
    made = world.project.materialize(asked=Asked(("out",)))
    assert where(made.plan) == [("landing", "2024-01-02", "landing/2024-01-02.csv")]
    assert world.file("out", "2024-01-02").exists() == was_there
    world.sales("2024-01-02", 1, 2)
    world.run()
    plain = "-1" not in read
    assert world.read("out")["n"].to_list()[:2] == [1, 2 if plain else 3]


def test_an_optional_read_of_its_own_dataset_is_behind_a_fault_of_earlier_partitions(world) -> None:
    world.jobs(f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
        out = Dataset("out", days, schema={{"n": pl.Int64}})
        @task(reads=[landing, out.previous().optional()], writes=out)
        def add(raw: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
            return pl.DataFrame({{"n": [raw.height + before["n"].sum()]}})
        """)
    for day in ("01", "02", "03"):
        world.sales(f"2024-01-{day}", 1)
    world.write("landing/2024-01-02.csv", BAD)
    world.run()
    blocked = (State.BLOCKED, Reason.BEHIND)
    assert states(world.project.plan(), "add") == [(State.FRESH, Reason.NONE), blocked, blocked]
    world.sales("2024-01-02", 1)
    world.run()
    assert world.read("out")["n"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("read", ["landing.history()", "landing.asof()", "landing.previous()"])
def test_every_form_of_reading_is_behind_a_file_that_cannot_be_read(world, read: str) -> None:
    world.jobs(OPTIONAL.replace("READ", read).replace("VERSION", "1"))
    for day in ("01", "02", "03"):
        world.sales(f"2024-01-{day}", 1)
    world.run()
    world.write("landing/2024-01-02.csv", BAD)
    blocked = [s is State.BLOCKED for s, _ in states(world.project.plan(), "count")]
    assert blocked[-1]
    assert not blocked[0]


def test_a_chain_is_behind_a_fault_from_there_on(world) -> None:
    world.jobs(f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
        out = Dataset("out", days, schema={{"n": pl.Int64}})
        @task(reads=[landing, out.previous()], writes=out)
        def add(raw: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
            return pl.DataFrame({{"n": [raw.height + before["n"].sum()]}})
        """)
    for day in ("01", "02", "03"):
        world.sales(f"2024-01-{day}", 1)
    world.run()
    world.write("landing/2024-01-02.csv", BAD)
    plan = world.project.plan()
    blocked = (State.BLOCKED, Reason.LAST_GOOD)
    assert states(plan, "add") == [(State.FRESH, Reason.NONE), blocked, blocked]
    assert len(world.project.plan(asked=Asked(("out",), keys=("2024-01-03",))).faults) == 1


def test_an_effect_that_was_done_is_not_done_again(world) -> None:
    world.jobs(f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
        @effect(reads=[landing])
        def send(raw: pl.DataFrame) -> None:
            with open("sent.txt", "a") as file: file.write("sent\\n")
        """)
    for day in ("01", "02", "03"):
        world.sales(f"2024-01-{day}", 1)
    world.run()
    world.write("landing/2024-01-03.csv", BAD)
    result = world.project.materialize()
    assert states(result.plan, "send") == [(State.BLOCKED, Reason.LAST_GOOD)]
    world.sales("2024-01-03", 1)
    world.run()
    assert (world.root / "sent.txt").read_text() == "sent\n"


def test_a_backfill_that_a_fault_holds_up_goes_on_with_the_rest_when_it_is_mended(
    sales,
) -> None:
    sales.run()
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    first = sales.project.backfill("clean")
    assert not first.is_complete
    assert sales.made() == [("clean_sales", day) for day in DAYS if day != DAYS[1]]
    sales.sales(DAYS[1], 2, 10, 0)
    second = sales.project.backfill("clean")
    assert second.is_complete
    assert sales.made() == [("clean_sales", DAYS[1])]


def test_a_saved_plan_says_the_faults_of_what_it_is_for(sales) -> None:
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    project = sales.project
    project.save_plan(project.plan("clean"), sales.root / "plan.json")
    result = sales.project.materialize(saved=sales.root / "plan.json")
    assert result.summary is not None
    assert result.summary.ran == len(DAYS) - 1
    assert where(result.plan) == [("landing", DAYS[1], f"landing/{DAYS[1]}.csv")]


def test_to_stop_at_the_first_failure_is_not_to_stop_at_a_fault(sales) -> None:
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    found = sales.run("clean", controls=Controls(fail_fast=True))
    assert found.ran == len(DAYS) - 1


def test_workers_find_the_same_faults(sales) -> None:
    sales.write(f"landing/{DAYS[1]}.csv", BAD)
    result = sales.project.materialize("clean", controls=Controls(workers=2))
    assert result.summary is not None
    assert (result.summary.ran, len(result.faults)) == (len(DAYS) - 1, 1)


def test_a_first_run_is_told_whole_if_the_first_file_without_a_schema_cannot_be_read(
    sales,
) -> None:
    sales.write(f"landing/{DAYS[0]}.csv", "store,qty\ns0,1,2,3,4\n")
    result = sales.project.materialize()
    assert result.summary is not None
    assert result.catalog is None
    assert len(result.faults) == 1


# --- files that were there and are gone ----------------------------------------------------------


@pytest.mark.parametrize("read", ["landing.optional()", "landing.window(-1, 1).optional()"])
@pytest.mark.parametrize("by", ["code", "backfill"])
def test_what_was_there_and_is_gone_is_waited_for_and_what_never_came_is_not(
    world, read: str, by: str
) -> None:
    world.jobs(OPTIONAL.replace("READ", read).replace("VERSION", "1"))
    world.sales("2024-01-01", 1, 2)
    world.run()
    before = world.read("out")
    shutil.move(world.root / "landing", world.root / "away")
    assert world.run().ran == 0
    if by == "code":
        world.jobs(OPTIONAL.replace("READ", read).replace("VERSION", "2"))
        result = world.project.materialize()
    else:
        result = world.project.backfill("out")
    assert states(result.plan, "count")[0] == (State.WAITING, Reason.AWAY)
    assert states(result.plan, "count")[2][0] is not State.WAITING  # nothing of it ever came
    assert world.read("out").equals(before)
    shutil.move(world.root / "away", world.root / "landing")
    world.run() if by == "code" else world.project.backfill("out")
    assert world.read("out").equals(before)


def test_a_lost_file_that_cannot_be_made_again_holds_up_those_to_whom_it_is_optional(
    world,
) -> None:
    chain = f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
        clean = Dataset("clean", days, schema=SCHEMA)
        out = Dataset("out", days, schema={{"n": pl.Int64}})
        @task(reads=[landing], writes=clean)
        def tidy(raw: pl.DataFrame) -> pl.DataFrame:
            assert raw["qty"].sum() > 0
            return raw.select("store", "qty")
        @task(reads=[clean.optional()], writes=out, version=VERSION)
        def count(raw: pl.DataFrame) -> pl.DataFrame:
            return pl.DataFrame({{"n": [raw.height]}})
        """
    world.jobs(chain.replace("VERSION", "1"))
    world.sales("2024-01-01", 1, 2)
    world.run()
    world.file("clean", "2024-01-01").unlink()
    world.jobs(chain.replace("VERSION", "2"))
    world.sales("2024-01-01", 0, 0)  # to tidy this fails
    found = world.run()
    assert (found.failed, found.blocked) == (1, 1)
    assert world.read("out")["n"].to_list()[0] == 2
    (world.root / "landing/2024-01-01.csv").unlink()
    assert states(world.project.plan(), "count")[0] == (State.WAITING, Reason.NOT_ARRIVED)


# --- folders and files that partflow has no right to read -----------------------------------------


@pytest.fixture
def refused(world, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A project of a user whom rights can refuse something, as they cannot root."""
    world.jobs(OPTIONAL.replace("READ", "landing").replace("VERSION", "1"))
    world.sales("2024-01-01", 1)
    world.run()  # imports what that other user perhaps may not
    root = Path(tempfile.mkdtemp(prefix="partflow-refused-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(root, 65534, 65534)
        os.seteuid(65534)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    try:
        yield type(world)(root)
    finally:
        if is_root:
            os.seteuid(0)
        for folder in root.rglob("*"):
            folder.chmod(0o700)
        shutil.rmtree(root)


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o400, 0o600])
def test_a_folder_that_may_not_be_read_is_a_fault_of_its_source_and_of_no_other(
    refused, mode: int
) -> None:
    refused.jobs(f"""
        {SHORT.strip().replace(chr(10), chr(10) + " " * 8)}
        landing = Source("landing", days, path="landing/{{key}}.csv", schema=SCHEMA)
        other = Source("other", days, path="other/{{key}}.csv", schema=SCHEMA)
        out, more = Dataset("out", days), Dataset("more", days)
        @task(reads=[landing], writes=out)
        def copy(raw: pl.DataFrame) -> pl.DataFrame: return raw
        @task(reads=[other], writes=more)
        def same(raw: pl.DataFrame) -> pl.DataFrame: return raw
        """)
    for day in ("01", "02", "03"):
        refused.sales(f"2024-01-{day}", 1)
    shutil.copytree(refused.root / "landing", refused.root / "other")
    folder = refused.root / "landing"
    folder.chmod(mode)
    result = refused.project.materialize()
    folder.chmod(0o700)
    is_open = mode == 0o100  # names may be opened, but not listed
    assert {f.dataset for f in result.faults} == (set() if is_open else {"landing"})
    assert {f.reason for f in result.faults} <= {"permission denied"}
    assert {f.advice for f in result.faults} <= {"look at the permissions there"}
    assert states(result.plan, "same") == [(State.MISSING, Reason.NEVER)] * 3
    assert refused.project.materialize().faults == ()


def test_a_file_that_may_not_be_read_says_so_and_not_to_replace_it(refused) -> None:
    refused.jobs(OPTIONAL.replace("READ", "landing").replace("VERSION", "1"))
    refused.sales("2024-01-02", 1)
    file = refused.root / "landing/2024-01-02.csv"
    file.chmod(0)
    (fault,) = refused.project.plan().faults
    assert (fault.reason, fault.advice) == ("permission denied", "look at the permissions there")
    file.chmod(0o600)
    assert refused.project.plan().snapshot.states["landing"].condition[1] == Condition.GOOD


def test_what_a_task_made_and_may_not_be_read_is_not_made_again(refused) -> None:
    refused.jobs(OPTIONAL.replace("READ", "landing").replace("VERSION", "1"))
    refused.sales("2024-01-02", 1)
    refused.run()
    folder = refused.file("out", "2024-01-02").parents[1]
    folder.chmod(0)
    with pytest.raises(PermissionError, match="warehouse/out/date=2024-01-0"):
        refused.project.materialize()
    folder.chmod(0o700)
    assert refused.run().ran == 0


# --- files that are read again --------------------------------------------------------------------


def test_to_read_every_file_again_is_to_read_those_of_sources_too(sales) -> None:
    sales.run()
    assert sales.project.check_files().faults == ()
    file = sales.root / f"landing/{DAYS[1]}.csv"
    before = file.stat()
    file.write_text(file.read_text().replace("10", "11"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    sales.write(f"landing/{DAYS[2]}.csv", BAD)
    found = sales.project.check_files().faults
    assert [(f.node, f.key) for f in found] == [("landing", DAYS[1]), ("landing", DAYS[2])]
    assert "other values than were recorded" in found[0].text
    assert "cannot be read" not in sales.project.check_files("clean").faults


FILES = f"""
{SHORT}
from pathlib import Path

landing = Source("landing", days, path="landing/{{key}}.FORM", schema=SCHEMA)
sizes = Dataset("sizes", days)

@task(reads=[landing], writes=sizes)
def size(files: list[Path]) -> pl.DataFrame:
    return pl.DataFrame({{"n": [len(files[0].read_bytes())]}})
"""
ROWS_TOO = """
heights = Dataset("heights", days)

@task(reads=[landing], writes=heights)
def height(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"n": [rows.height]})
"""


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_who_takes_the_files_themselves_gets_those_that_cannot_be_read_too(world, form) -> None:
    world.jobs(FILES.replace("FORM", form))
    path = world.write(f"landing/2024-01-01.{form}", BAD)
    assert (world.run().ran, world.project.plan().faults) == (1, ())
    assert world.run().ran == 0
    os.utime(path, ns=(1, 1))
    assert world.planned() == {}
    path.write_text(f"{BAD}more")
    assert world.run().ran == 1
    assert world.read("sizes")["n"].to_list() == [len(BAD) + 4]
    written(path, form, ROWS)
    assert world.run().ran == 1
    assert world.run().ran == 0
    path.write_text(BAD)
    assert world.run().ran == 1


def test_a_file_that_somebody_is_to_get_the_rows_of_is_at_fault_again(world) -> None:
    world.jobs(FILES.replace("FORM", "csv"))
    path = world.write("landing/2024-01-01.csv", BAD)
    world.run()
    world.jobs(FILES.replace("FORM", "csv") + ROWS_TOO)
    plan = world.project.plan()
    assert where(plan) == [("landing", "2024-01-01", "landing/2024-01-01.csv")]
    assert states(plan, "height")[0] == (State.BLOCKED, Reason.BEHIND)
    assert states(plan, "size")[0] == (State.BLOCKED, Reason.LAST_GOOD)
    written(path, "csv", ROWS)
    world.run()
    assert world.read("heights")["n"].to_list() == [2]
    path.write_text(BAD)
    assert len(world.project.plan().faults) == 1
    world.jobs(FILES.replace("FORM", "csv"))
    assert (world.run().ran, world.project.plan().faults) == (1, ())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_taken_for_its_bytes_is_still_that_after_a_rebuild(world, form) -> None:
    world.jobs(FILES.replace("FORM", form))
    world.write(f"landing/2024-01-01.{form}", BAD)
    world.run()
    (world.root / "warehouse/.partflow/metastore.sqlite").unlink()
    world.project.upkeep.rebuild(Controls())
    assert (world.run().ran, world.project.plan().faults) == (0, ())
    world.jobs(FILES.replace("FORM", form) + ROWS_TOO)
    assert len(world.project.plan().faults) == 1


def test_a_second_source_over_the_same_files_is_for_those_that_take_them_as_they_are(world) -> None:
    rows = ROWS_TOO.replace("reads=[landing]", "reads=[tables]")
    second = 'tables = Source("tables", days, path="landing/{key}.csv", schema=SCHEMA)'
    world.jobs(f"{FILES.replace('FORM', 'csv')}{second}{rows}")
    path = world.write("landing/2024-01-01.csv", BAD)
    assert world.run().ran == 1
    assert where(world.project.plan()) == [("tables", "2024-01-01", "landing/2024-01-01.csv")]
    assert world.read("sizes")["n"].to_list() == [len(BAD)]
    written(path, "csv", ROWS)
    assert world.run().ran == 2
    assert world.read("heights")["n"].to_list() == [2]


def test_a_file_without_rows_for_anybody_is_an_error_of_the_query_alone(world) -> None:
    world.jobs(FILES.replace("FORM", "csv"))
    world.write("landing/2024-01-01.csv", BAD)
    world.run()
    assert world.project.sql("select n from sizes").pl()["n"].to_list() == [len(BAD)]
    with pytest.raises(UsageError, match="line 2 has 5 fields"):
        world.project.sql("select * from landing").pl()
