"""Each run that ends is told as OpenLineage events, a range of partitions each, at least once."""

from __future__ import annotations

import json
import sys
from subprocess import run

import pytest
from receivers import hook

from partflow.errors import ConfigurationError
from partflow.metastore.record import RunRow, StepLog
from partflow.project.config import read_config
from partflow.project.lineagesettings import emitting_of
from partflow.project.settings import Emitting
from partflow.scheduler.lineage.following import LINEAGE, Following
from partflow.scheduler.lineage.ranges import ranges_of
from partflow.store.memory import MemoryStore

SECRET = "hunter2-very-secret"
START = 1_700_000_000.0
ROW = RunRow("r1", "partflow materialize", START, START + 9, "done", 3, 0, 0, 0, 0, "mill", "me")
DOCUMENT = {
    "tasks": [
        {
            "name": "clean_sales",
            "kind": "task",
            "grain": "daily",
            "reads": [{"mapping": "landing"}, {"mapping": "prices.window(-6, 0)"}],
            "writes": ["clean"],
        }
    ]
}


def step(key, state="made", attempt=1, message=None):
    return StepLog("clean_sales", key, attempt, state, "missing", 1.0, message, began_at=START)


def keys(ranges):
    return [(r.first, r.last, r.partitions, r.failure) for r in ranges]


def test_neighbours_are_one_range_and_a_gap_or_a_failure_parts_them():
    steps = [step(f"2024-01-0{d}") for d in (5, 1, 2, 3)]
    steps += [step("2024-01-04", "failed", message="no rows"), step("2024-01-08", "accepted")]
    assert keys(ranges_of(ROW, steps, DOCUMENT, {})) == [
        ("2024-01-04", "2024-01-04", 1, "no rows"),
        ("2024-01-01", "2024-01-03", 3, None),
        ("2024-01-05", "2024-01-05", 1, None),
    ]


def test_of_a_partition_that_was_tried_again_the_last_attempt_counts():
    steps = [step("2024-01-01", "failed"), step("2024-01-01", attempt=2)]
    assert keys(ranges_of(ROW, steps, DOCUMENT, {})) == [("2024-01-01", "2024-01-01", 1, None)]


def test_a_range_has_its_interval_and_what_its_task_reads_and_writes():
    (made,) = ranges_of(ROW, [step("2024-01-01"), step("2024-01-02")], DOCUMENT, {})
    assert (made.end - made.start, made.reads) == (2 * 86_400, ("landing", "prices"))
    assert [output.dataset for output in made.outputs] == ["clean"]
    assert made.outputs[0].version is None
    assert made == ranges_of(ROW, [step("2024-01-01"), step("2024-01-02")], DOCUMENT, {})[0]


@pytest.mark.parametrize("document", [None, {}, [], {"tasks": 1}, {"tasks": [{"name": "x"}]}])
def test_without_a_graph_that_is_understood_the_keys_are_still_said(document):
    assert keys(ranges_of(ROW, [step("b"), step("a")], document, {})) == [("a", "b", 2, None)]


class Ran:
    """A project, and who follows its runs."""

    def __init__(self, world, settings, environment=None):
        self.world, self.now = world, START
        self.following = Following(settings, world.root, environment or {})

    def tick(self, passes=0.0):
        self.now += passes
        project = self.world.project
        with project.history.metastore.opened() as metastore:
            self.following.tick(metastore, project.store, self.now)
            self.following.finish(60)
            again = self.following.tick(metastore, project.store, self.now)
            self.noted = metastore.noted(LINEAGE)
        return again


def events(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def receiver():
    with hook() as state:
        yield state


def test_runs_from_the_first_tick_on_are_told_in_ranges_and_once(sales):
    sales.run("clean")
    ran, path = Ran(sales, Emitting(file="out/events.ndjson")), sales.root / "out/events.ndjson"
    ran.tick()
    assert events(path) == []
    sales.run()
    for _ in range(3):
        ran.tick()
    told = {(e["job"]["name"], e["eventType"]): e for e in events(path)}
    assert len(told) == len(events(path)) == 2
    days = told["two_days", "COMPLETE"]
    assert [d["name"] for d in days["inputs"]] == ["clean"]
    (output,) = days["outputs"]
    assert (output["name"], output["namespace"]) == ("trailing", sales.root.name)
    assert output["outputFacets"]["outputStatistics"]["fileCount"] == 5
    assert output["facets"]["version"]["datasetVersion"]
    nominal = days["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2024-01-30T00:00:00Z"
    assert nominal["nominalEndTime"] == "2024-02-04T00:00:00Z"


def test_a_failed_step_is_told_with_its_error(world):
    world.jobs("""
        numbers = Dataset("numbers", Daily("2024-01-01", end="2024-01-02"))
        @task(reads=[], writes=numbers)
        def make(partition: Partition) -> pl.DataFrame:
            raise ValueError("no numbers today")
    """)
    world.write("partflow.toml", f'jobs = ["{world.package}"]\n')
    ran = Ran(world, Emitting(file="events.ndjson"))
    ran.tick()
    world.run()
    ran.tick()
    (event,) = events(world.root / "events.ndjson")
    assert event["eventType"] == "FAIL"
    assert "no numbers today" in event["run"]["facets"]["errorMessage"]["message"]


def test_nothing_is_written_while_no_run_ends(sales):
    sales.run()
    ran = Ran(sales, Emitting(file="events.ndjson"))
    ran.tick()
    journal = sales.root / "warehouse/.partflow/journal.jsonl"
    before = journal.read_bytes(), ran.noted
    for _ in range(3):
        ran.tick(60)
    assert (journal.read_bytes(), ran.noted) == before


def test_a_full_disk_has_no_event_sent_twice(sales):
    ran, path = Ran(sales, Emitting(file="events.ndjson")), sales.root / "events.ndjson"
    ran.tick()
    sales.run("clean")
    store = Full(sales.root / "aside")
    with sales.project.history.metastore.opened() as metastore:
        for store.is_full in (True, True, False, False):
            ran.following.tick(metastore, store, START)
            ran.following.finish(60)
        ran.following.tick(metastore, store, START)
    assert len(events(path)) == 1
    assert len(store.lines) == 1


class Full(MemoryStore):
    """A store on a disk that can be full."""

    is_full = True

    def journal(self, lines):
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().journal(lines)


def test_events_go_to_an_address_with_the_key_and_are_sent_again_until_it_takes_them(
    sales, receiver
):
    ran = Ran(
        sales, Emitting(url_env="URL", api_key_env="KEY"), {"URL": receiver.url, "KEY": SECRET}
    )
    ran.tick()
    sales.run("clean")
    receiver.code = 503
    again = ran.tick()
    assert again == START + 10
    assert json.loads(ran.noted["ailing"])["said"] == "the address answered 503"
    assert ran.tick(5) == START + 10
    receiver.code = 200
    assert ran.tick(5) is None
    assert set(ran.noted) == {"sent"}
    first, second = (json.loads(body) for _, _, body in receiver.got)
    assert first["run"]["runId"] == second["run"]["runId"]
    assert {headers["Authorization"] for _, headers, _ in receiver.got} == {f"Bearer {SECRET}"}


def test_a_redirect_is_not_followed_and_no_secret_is_said(sales, receiver):
    with hook() as elsewhere:
        receiver.code, receiver.headers = 307, {"Location": elsewhere.url}
        ran = Ran(sales, Emitting(url_env="URL", api_key_env="KEY"),
                  {"URL": f"{receiver.url}/{SECRET}", "KEY": SECRET})  # fmt: skip
        ran.tick()
        sales.run("clean")
        ran.tick()
        assert elsewhere.got == []
        assert len(receiver.got) == 1
        assert SECRET not in f"{ran.noted} {ran.following}"


def test_status_says_that_events_are_not_delivered(sales, capsys):
    from partflow.cli import main

    sales.write("partflow.toml", f'jobs = ["{sales.package}"]\n[lineage]\nurl_env = "NOT_SET"\n')
    ran = Ran(sales, Emitting(url_env="NOT_SET"))
    ran.tick()
    sales.run("clean")
    ran.tick()
    main(["--project", str(sales.root), "status"])
    said = "channel lineage does not deliver since 2023-11-14T22:13:20Z: "
    assert f"{said}the environment's NOT_SET is not set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "one of url, url_env and file"),
        ({"url": "https://a.org", "file": "x"}, "one of url, url_env and file"),
        ({"file": "x", "api_key": SECRET}, "name that with api_key_env"),
        ({"file": "x", "api_key_env": f"{SECRET}-"}, "not the secret itself"),
        ({"url": f"https://me:{SECRET}@a.org"}, "holds a password"),
        ({"fle": "x"}, "did you mean 'file'"),
        ("x", "is no table"),
    ],
)
def test_what_is_wrong_in_the_table_is_named_and_no_secret_is_said(table, said):
    with pytest.raises(ConfigurationError) as raised:
        emitting_of("lineage", table)
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


def test_the_table_may_name_variables_that_begin_as_settings_do(tmp_path):
    (tmp_path / "partflow.toml").write_text('[lineage]\nurl_env = "PARTFLOW_LINEAGE_URL"\n')
    config = read_config(tmp_path, {"PARTFLOW_LINEAGE_URL": "https://a.org"}, {})
    assert config.lineage == Emitting(url_env="PARTFLOW_LINEAGE_URL")


def test_openlineage_is_imported_only_when_there_is_something_to_send():
    code = (
        "import sys; import partflow.scheduler.lineage.following; "
        "sys.exit('openlineage' in sys.modules or 'requests' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
