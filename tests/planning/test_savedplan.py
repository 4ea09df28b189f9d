"""Saved plans as files: what is refused, and in which words."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import task
from partflow.errors import UsageError
from partflow.operations.planfiles import read_plan, write_plan
from partflow.partitions.calendar import Daily, Monthly
from partflow.planning.digests import lanes
from partflow.planning.planner import Plan, Request, plan
from partflow.planning.savedplan import (
    SCHEMA,
    document_of,
    moved,
    parsed,
    refusal,
    restored,
    text_of,
)
from partflow.planning.snapshot import Condition, Snapshot, empty_state

NOW = 1_704_585_600  # 2024-01-07
CODES = {"clean": "1" * 32, "month": "2" * 32}


def world(end: str = "2024-02-01", start: str = "2024-01-01") -> Graph:
    landing = Source("landing", Daily("2024-01-01", end), path="landing/{key}.csv")
    days = Dataset("days", Daily(start, end))
    months = Dataset("months", Monthly("2024-01-01", "2024-03-01"))
    made = [
        task(name="clean", reads=[landing], writes=days)(lambda raw: raw),
        task(name="month", reads=[days.optional()], writes=months)(lambda days: days),
    ]
    return derive(made, [landing])


def snapshot(contents: Mapping[int, str], codes: Mapping[str, str] = CODES) -> Snapshot:
    """Six days have ended; `contents` are those of the landing files, by position."""
    landing = empty_state(19723, 6)
    for i, content in contents.items():
        landing.condition[i] = Condition.GOOD
        landing.content[i] = lanes(content * 32)
    states = {
        "landing": landing,
        "days": empty_state(19723, 6, 1),
        "months": empty_state(648, 0, 1),
    }
    return Snapshot(NOW, states, codes, {}, version=7)


FIRST = [f"2024-01-0{day}" for day in range(1, 6)]
ALL_OF_IT = dict.fromkeys(range(6), "a")


def made(contents: Mapping[int, str] = ALL_OF_IT) -> Plan:
    return plan(world(), snapshot(contents), Request())


def text(shown: Mapping[str, object] | None = None) -> str:
    return text_of(document_of(made(), shown or {}))


def edited(**parts: object) -> str:
    return json.dumps({**json.loads(text()), **parts})


@pytest.mark.parametrize("content", ["", "{", "no plan", '{"partflow_plan": 1,}', "[" * 100_000])
def test_what_is_not_json_is_no_saved_plan(content: str) -> None:
    with pytest.raises(UsageError, match=r"^p\.json: is no saved plan: it is not JSON .*--out p"):
        parsed(content, "p.json")


@pytest.mark.parametrize("content", ["{}", "[]", "7", "null", '{"steps": []}'])
def test_json_of_something_else_is_no_saved_plan(content: str) -> None:
    with pytest.raises(UsageError, match="is no saved plan: it is JSON of something else"):
        parsed(content, "p.json")


@pytest.mark.parametrize("schema", ["1", None, 0, -3, 1.5])
def test_a_form_that_is_no_number_is_something_else(schema: object) -> None:
    with pytest.raises(UsageError, match="it is JSON of something else"):
        parsed(edited(partflow_plan=schema), "p.json")


def test_a_newer_form_says_which_partflow_to_use() -> None:
    with pytest.raises(UsageError, match=rf"newer partflow \(its form is {SCHEMA + 1}, this one"):
        parsed(edited(partflow_plan=SCHEMA + 1, tasks="in another way"), "p.json")


@pytest.mark.parametrize(
    "change",
    [{"now": 1}, {"tasks": {}}, {"rests_on": []}, {"more": 1}, {"digest": "0"}, {"digest": None}],
)
def test_a_plan_that_was_edited_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"was changed after it was saved; .* plan again"):
        parsed(edited(**change), "p.json")


def test_what_people_read_is_guarded_too() -> None:
    said = text({"sentence": "6 partitions will be made"})
    assert parsed(said, "p.json").version == 7
    with pytest.raises(UsageError, match="was changed after it was saved"):
        parsed(said.replace("6 partitions", "5 partitions"), "p.json")


@pytest.mark.parametrize(
    "damage",
    [
        {"tasks": {"clean": {}}},
        {"tasks": []},
        {"request": None},
        {"rests_on": [{"ranges": [[0, 2]], "marks": "AAAA"}]},
        {"version": "seven"},
    ],
)
def test_a_document_with_wrong_parts_is_refused_even_if_its_digest_is_right(
    damage: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from partflow.planning import savedplan

    document = {**json.loads(text()), **damage}
    del document["digest"]
    document["digest"] = savedplan._digest(document)
    with pytest.raises(UsageError, match="it lacks a part or has a wrong one"):
        parsed(json.dumps(document), "p.json")


def test_each_task_stands_on_a_line_of_its_own() -> None:
    lines = [line for line in text().splitlines() if line.startswith('    "clean": ')]
    assert len(lines) == 1
    assert '"partitions": [[6, "missing", "never", "never", -1, "run"]]' in lines[0]


def test_an_unrelated_dataset_moves_nothing() -> None:
    graph, before = world(), snapshot({0: "a"})
    saved = parsed(text_of(document_of(plan(graph, before, Request()), {})), "p.json")
    assert moved(saved, graph, snapshot({0: "a", 3: "b"})) == ()
    assert restored(saved, graph, snapshot({0: "a", 3: "b"})).steps == 1


def test_the_partitions_that_changed_are_counted_and_the_first_of_them_named() -> None:
    saved = parsed(text(), "p.json")
    other = {**ALL_OF_IT, 1: "b", 2: "c"}
    assert moved(saved, world(), snapshot(other)) == (
        "landing: 2 of 6 partitions to be read changed: 2024-01-02, 2024-01-03",
    )
    assert moved(saved, world(), snapshot(dict.fromkeys(range(6), "b"))) == (
        f"landing: all 6 partitions to be read changed: {', '.join(FIRST)} ...",
    )


def test_other_code_and_tasks_that_are_gone_are_named() -> None:
    saved = parsed(text(), "p.json")
    (said,) = moved(saved, world(), snapshot(ALL_OF_IT, {**CODES, "clean": "9" * 32}))
    assert said.startswith("the code of clean changed, at ")
    assert moved(saved, derive([], []), Snapshot(NOW, {}, {}, {})) == (
        "clean is no longer declared",
        "days is no longer declared",
        "landing is no longer declared",
    )


def test_a_declaration_that_leaves_steps_out_of_the_range_is_refused() -> None:
    graph = world(start="2024-01-03")
    (said,) = moved(parsed(text(), "p.json"), graph, snapshot(ALL_OF_IT))
    assert said.startswith("clean is declared for another range, at ")


def test_a_range_that_grew_where_the_plan_has_nothing_moves_nothing() -> None:
    assert moved(parsed(text(), "p.json"), world("2025-01-01"), snapshot(ALL_OF_IT)) == ()


def test_a_refusal_says_what_moved_what_ran_and_what_to_do() -> None:
    said = refusal(parsed(text(), "p.json"), ["days changed"], ["7 (partflow materialize)"])
    assert said.splitlines() == [
        "p.json: what this plan was made from is no longer as it was, so nothing was done",
        "  days changed",
        "  since then this ran: 7 (partflow materialize)",
        "plan again, with the selection that you want and --out p.json",
    ]


def test_a_file_that_is_written_is_read_and_nothing_is_left_beside_it(tmp_path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("what was there", "utf-8")
    write_plan(path, document_of(made(), {}))
    assert read_plan(path).name == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_a_plan_that_cannot_be_written_leaves_what_was_there(tmp_path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("what was there", "utf-8")
    with pytest.raises(TypeError):
        write_plan(path, {"not": {"json", "at all"}})
    assert path.read_text("utf-8") == "what was there"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_bytes_that_are_no_text_are_no_saved_plan(tmp_path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(UsageError, match="is no saved plan: it is not text"):
        read_plan(path)
