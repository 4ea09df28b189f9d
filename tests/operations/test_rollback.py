"""Putting back what was replaced: whole steps, checked bytes, pinned until released."""

from __future__ import annotations

import polars as pl
import pytest

from partflow.errors import PublishError, UsageError
from partflow.execution.controls import Controls
from partflow.metastore.record import Intent
from partflow.planning.planner import Reason
from partflow.planning.selection import Asked

PAIR = """
landing = Source("landing", Daily("2024-01-01", end="2024-01-03"), path="landing/{key}.csv")
ones = Dataset("ones", Daily("2024-01-01", end="2024-01-03"))
twos = Dataset("twos", Daily("2024-01-01", end="2024-01-03"))
after = Dataset("after", Daily("2024-01-01", end="2024-01-03"))

@task(reads=[landing], writes=(ones, twos))
def both(raw: pl.DataFrame):
    n = pl.col("qty")
    return raw.select(n), raw.select(n * 2)

@task(reads=[twos], writes=after)
def total(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col("qty").sum())
"""
DAY = "2024-01-01"


@pytest.fixture
def pair(world):
    """Made with 1, then with 2, then with 3: two older ones are kept."""
    world.jobs(PAIR)
    world.write("landing/2024-01-02.csv", "qty\n7\n")
    for number in (1, 2, 3):
        world.write(f"landing/{DAY}.csv", f"qty\n{number}\n")
        world.run()
    return world


def values(world, name, key=DAY):
    return pl.read_parquet(world.file(name, key), hive_partitioning=False)["qty"].to_list()


def numbers(world, name):
    return [one.number for one in world.project.upkeep.kept(name, DAY)]


def rolled(world, name, to=None):
    return world.project.upkeep.rollback(name, DAY, to, Controls())


def test_the_one_before_is_put_back_with_all_outputs_of_its_step(pair):
    done = rolled(pair, "ones")
    assert [r.node for r in done.records] == ["ones", "twos"]
    assert (values(pair, "ones"), values(pair, "twos")) == ([2], [4])
    assert values(pair, "ones", "2024-01-02") == [7]


def test_one_of_a_number_is_put_back_from_whichever_output_it_is_asked(pair):
    oldest = numbers(pair, "twos")[-1]
    rolled(pair, "twos", oldest)
    assert (values(pair, "ones"), values(pair, "twos")) == ([1], [2])


def test_what_reads_it_is_made_again_and_it_itself_stays_pinned(pair):
    rolled(pair, "ones")
    assert pair.planned() == {"total": [DAY]}
    pair.run()
    assert values(pair, "after") == [4]
    pair.write(f"landing/{DAY}.csv", "qty\n9\n")
    assert pair.run().ran == 0
    assert pair.project.plan().tasks["both"].reason[0] == Reason.PINNED


def test_a_release_lets_it_be_made_again(pair):
    rolled(pair, "ones")
    pair.run()
    done = pair.project.upkeep.release("twos", DAY, Controls())
    assert [r.node for r in done.records] == ["ones", "twos"]
    assert pair.planned() == {"both": [DAY]}
    pair.run()
    assert (values(pair, "ones"), values(pair, "after")) == ([3], [6])
    with pytest.raises(UsageError, match="was not put back"):
        pair.project.upkeep.release("ones", DAY, Controls())


def test_a_backfill_makes_it_again_too(pair):
    rolled(pair, "ones")
    pair.project.backfill(asked=Asked(("ones",), keys=(DAY,)))
    assert values(pair, "ones") == [3]


def test_what_is_put_back_shares_no_file_with_the_history(pair):
    rolled(pair, "ones")
    file = pair.file("ones", DAY)
    assert file.stat().st_nlink == 1
    kept = {one.path: one.path.read_bytes() for one in pair.project.upkeep.kept("ones", DAY)}
    with file.open("r+b") as opened:
        opened.write(b"overwritten")
    assert {path: path.read_bytes() for path in kept} == kept


def test_what_was_replaced_by_putting_back_can_be_put_back(pair):
    rolled(pair, "ones")
    rolled(pair, "ones")
    assert (values(pair, "ones"), values(pair, "twos")) == ([3], [6])


def test_a_damaged_file_of_the_history_is_not_put_back(pair):
    for one in pair.project.upkeep.kept("ones", DAY):
        data = bytearray(one.path.read_bytes())
        data[len(data) // 2] ^= 1
        one.path.write_bytes(data)
    with pytest.raises(UsageError, match="nothing that was recorded"):
        rolled(pair, "ones")
    assert values(pair, "ones") == [3]
    assert pair.project.plan().steps == 0


def test_a_step_of_which_one_output_is_no_longer_kept_is_left_whole(pair):
    oldest = numbers(pair, "ones")[-1]
    for one in pair.project.upkeep.kept("twos", DAY):
        one.path.unlink()
    with pytest.raises(UsageError, match="no longer kept"):
        rolled(pair, "ones", oldest)
    assert (values(pair, "ones"), values(pair, "twos")) == ([3], [6])
    assert pair.project.runs(1)[0].state == "done"


def test_what_cannot_be_put_back_is_said(pair):
    for name, said in (("landing", "is a source"), ("nothing", "is no dataset")):
        with pytest.raises(UsageError, match=said):
            rolled(pair, name)
    with pytest.raises(UsageError, match="nothing else is kept"):
        pair.project.upkeep.rollback("ones", "2024-01-02", None, Controls())
    with pytest.raises(UsageError, match="no number 77"):
        rolled(pair, "ones", 77)


def test_a_run_that_claimed_it_before_cannot_undo_it(pair):
    with pair.metastore() as sleeper:
        epoch = sleeper.claim("sleeper", [("ones", DAY, 1704067200)])
        rolled(pair, "ones")
        (current,) = sleeper.records("ones", DAY)
        late = Intent("s/0", "ones", DAY, epoch["ones", DAY], None, None, None, current)
        with pytest.raises(PublishError, match="another run"):
            sleeper.check([late])


def test_as_many_are_kept_as_the_configuration_says(pair):
    file = pair.root / "partflow.toml"
    file.write_text(file.read_text() + "history = 4\n")
    for number in (4, 5, 6):
        pair.write(f"landing/{DAY}.csv", f"qty\n{number}\n")
        pair.run()
    assert len(numbers(pair, "ones")) == 4
    rolled(pair, "ones", numbers(pair, "ones")[-1])
    assert values(pair, "ones") == [2]


def test_it_is_put_back_and_pinned_after_a_rebuild_as_before(pair):
    rolled(pair, "ones")
    pair.run()
    pair.project.history.metastore.path.unlink()
    pair.project.upkeep.rebuild(Controls())
    assert pair.run().ran == 0
    assert pair.project.plan().tasks["both"].reason[0] == Reason.PINNED
    rolled(pair, "ones")
    assert values(pair, "ones") == [3]


def test_what_was_corrected_back_after_a_release_is_fresh_and_nothing_changed_since(pair):
    rolled(pair, "ones")
    pair.write(f"landing/{DAY}.csv", "qty\n2\n")
    pair.project.upkeep.release("ones", DAY, Controls())
    pair.run("after")
    for project in (pair.project, pair.project):
        why = project.why("ones", DAY)
        assert (why.state.name, [r.changed for r in why.lineage]) == ("FRESH", [()])


def test_what_holds_other_values_after_a_release_is_still_said_to_have_changed(pair):
    rolled(pair, "ones")
    pair.write(f"landing/{DAY}.csv", "qty\n5\n")
    pair.project.upkeep.release("ones", DAY, Controls())
    why = pair.project.why("ones", DAY)
    assert (why.state.name, [r.changed for r in why.lineage]) == ("STALE", [(DAY,)])


def test_an_edit_by_hand_is_not_lost_to_a_release(pair):
    rolled(pair, "ones")
    pl.DataFrame({"qty": [77]}).write_parquet(pair.file("ones", DAY))
    pair.project.upkeep.release("ones", DAY, Controls())
    pair.run()
    assert values(pair, "ones") == [77]
