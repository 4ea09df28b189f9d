"""Keys of what is shorter than a day: with a Z where people see them, and taken either way."""

from __future__ import annotations

import re

import polars as pl
import pytest

JOBS = """
    import polars as pl
    from partflow import Cron, Dataset, Every, Hourly, Partition, Source, effect, task

    HOURS = Hourly("2024-03-10T00:00", end="2024-03-10T06:00", tz="America/New_York")
    landing = Source("landing", HOURS, path="landing/{key}.csv")
    orders = Dataset("orders", HOURS)
    quarters = Dataset("quarters", Every("15m", "2024-03-10T05:00Z", "2024-03-10T06:00Z"))
    broken = Dataset("broken", HOURS)

    @task(reads=[landing], writes=orders)
    def order(rows: pl.DataFrame):
        return rows

    @task(writes=quarters)
    def quarter(partition: Partition):
        print("a quarter")
        return pl.DataFrame({"n": [1]})

    @task(reads=[orders], writes=broken)
    def fail(rows: pl.DataFrame):
        raise ValueError("no")

    @effect(reads=[orders], name="told")
    def tell(rows: pl.DataFrame):
        pass
    """
KEY = re.compile(r"(?<![=/\w])\d{4}-\d\d-\d\dT\d\d(?:\d\d)?(?![\d:])(Z?)")


@pytest.fixture
def hours(shop):
    """Five hours of New York, in one of which its clock is put on, of which a file is missing."""
    (shop.root / "jobs/sales.py").write_text(re.sub(r"(?m)^    ", "", JOBS))
    for hour in range(5, 9):
        file = shop.root / f"landing/2024-03-10T{hour:02}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("n\n1\n")
    return shop


def keys_of(text: str) -> list[str]:
    return KEY.findall(text)


COMMANDS = [
    ("plan",),
    ("materialize",),
    ("materialize", "broken", "-p", "2024-03-10T05"),
    ("materialize", "orders", "-p", "2024-03-10T09"),
    ("materialize", "orders", "-p", "2024-03-11T09"),
    ("backfill", "quarters", "-n", "--yes"),
    ("backfill", "quarters", "--yes"),
    ("status",),
    ("ls",),
    ("graph",),
    ("why", "orders", "-p", "2024-03-10T05"),
    ("why", "orders", "-p", "2024-03-10T09"),
    ("why", "orders"),
    ("why", "orders", "-p", "2024-03-11T09"),
    ("runs", "last"),
    ("runs", "last", "--steps"),
    ("logs", "quarters", "-p", "2024-03-10T0515"),
    ("logs", "quarters", "-p", "2024-03-11T0515"),
    ("logs", "quarters"),
    ("rollback", "quarters", "-p", "2024-03-10T0515", "--yes"),
    ("rollback", "quarters", "-p", "2024-03-10T0515", "--release"),
    ("accept", "orders"),
    ("check", "--twice", "quarters", "-p", "2024-03-10T0515"),
    ("check", "--verify"),
]


def test_every_key_that_is_shown_to_people_ends_in_z(hours):
    seen = 0
    for words in COMMANDS:
        said = hours.run(*words)
        marks = keys_of(said.out + said.err)
        assert all(mark == "Z" for mark in marks), (words, said.out, said.err)
        seen += len(marks)
    assert seen > len(COMMANDS)


def test_no_key_in_json_ends_in_z(hours):
    hours.run("materialize")
    hours.run("backfill", "quarters", "--yes")
    for words in COMMANDS:
        if words[0] == "rollback" or "-n" in words:
            continue
        out = hours.run(*words, "--output", "json").out
        assert "Z" not in keys_of(re.sub(r'"(again|error)": "[^"]*"', "", out)), (words, out)


@pytest.mark.parametrize("z", ["", "Z"])
def test_every_command_takes_a_key_with_the_z_or_without(hours, z):
    key, quarter = f"2024-03-10T07{z}", f"2024-03-10T0530{z}"
    assert hours.run("materialize", "orders", "-p", key).last.startswith("ran 1,")
    assert hours.run("materialize", "quarters", "--partitions", f"{quarter}..{quarter}").code == 0
    again = ("backfill", "quarters", "-p", quarter, "--yes", "--again")
    assert hours.run(*again).last.startswith("ran 1, unchanged 1,")
    assert "orders@2024-03-10T07Z is fresh" in hours.run("why", "orders", "-p", key).out
    assert "nothing to do: 1 fresh" in hours.run("plan", "orders", "-p", key).out
    assert "a quarter" in hours.run("logs", "quarters", "-p", quarter).out
    assert hours.run("runs", "last", "-p", quarter).code == 0
    assert hours.run("accept", "orders", "-p", key).code == 0
    assert hours.run("check", "--twice", "quarters", "-p", quarter).code == 0
    assert hours.run("rollback", "quarters", "-p", quarter, "--list").code == 0


def test_the_project_takes_a_key_with_the_z_or_without(hours):
    from partflow.planning.selection import Asked
    from partflow.project.project import Project

    assert hours.run("materialize", "orders").code == 0
    project = Project.load(hours.root)
    for key in ("2024-03-10T07", "2024-03-10T07Z"):
        assert project.why("orders", key).key == "2024-03-10T07"
        assert project.upkeep.kept("orders", key) == project.upkeep.kept("orders", "2024-03-10T07")
        asked = Asked(("orders",), keys=(key,))
        assert project.backfill(asked=asked, again=True).summary.unchanged == 1
    assert Asked(keys=("2024-03-10T07Z",)) == Asked(keys=("2024-03-10T07",))
    assert [p.name for p in (hours.root / "warehouse/orders").iterdir() if "Z" in p.name] == []


def test_what_is_read_has_its_hours_in_the_zone(hours):
    from partflow.project.project import Project

    assert hours.run("materialize", "orders").code == 0
    project = Project.load(hours.root)
    frame = project.read("orders").collect()
    assert frame.schema["hour"] == pl.Datetime("us", "America/New_York")
    assert frame["hour"].dt.hour().to_list() == [0, 1, 3, 4]
    told = hours.run("query", "select hour, hour::date as day from orders order by hour limit 1")
    assert "2024-03-10 00:00:00-05:00" in told.out
    assert project.sql("select hour from orders").pl().schema["hour"] == frame.schema["hour"]


def test_a_read_in_which_nothing_is_there_says_on_whose_clock_the_times_were_read(hours):
    from partflow.errors import UsageError
    from partflow.project.project import Project

    assert hours.run("materialize", "orders").code == 0
    project = Project.load(hours.root)
    assert project.read("orders", "2024-03-10T07Z", "2024-03-10T08Z").collect().height == 1
    told = r"\(2024-03-10T07 is read by the clock of America/New_York, and is 2024-03-10T11:00Z"
    with pytest.raises(UsageError, match=told):
        project.read("orders", "2024-03-10T07", "2024-03-10T09")


def test_a_query_over_several_zones_says_that_it_shows_utc(hours):
    assert hours.run("materialize", "orders", "quarters").code == 0
    told = hours.run(
        "query", 'select count(*) as n from orders, quarters where hour <= "partition"'
    )
    assert told.code == 0
    assert told.err == (
        "note: moments are shown in UTC, since the zones differ: "
        "orders in America/New_York; quarters in UTC\n"
    )


def test_from_python_a_query_over_several_zones_warns(hours):
    from partflow.project.project import Project

    assert hours.run("materialize", "orders", "quarters").code == 0
    project = Project.load(hours.root)
    with pytest.warns(UserWarning, match="moments are shown in UTC, since the zones differ"):
        found = project.sql('select hour from orders join quarters on hour = "partition"')
    assert found.pl().schema["hour"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize("z", ["", "Z"])
def test_a_saved_plan_of_a_key_with_the_z_or_without_is_carried_out(hours, z):
    assert hours.run("plan", "orders", "-p", f"2024-03-10T07{z}", "--out", "one.plan").code == 0
    assert hours.run("materialize", "--plan", "one.plan").last.startswith("ran 1,")
    assert (hours.root / "warehouse/orders/hour=2024-03-10T07/data.parquet").exists()
