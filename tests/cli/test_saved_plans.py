"""`plan --out` and `materialize --plan`: exactly what was reviewed is carried out, or nothing."""

from __future__ import annotations

import json

import pytest


def keys_of(shop) -> dict[str, set[str]]:
    """What the last run made, by task."""
    run = shop.run("runs", "--output", "json").document["runs"][0]["run"]
    found: dict[str, set[str]] = {}
    for step in shop.run("runs", run, "--output", "json").document["steps"]:
        found.setdefault(step["task"], set()).add(step["key"])
    return found


def test_a_plan_is_saved_with_what_is_shown_and_says_how_to_carry_it_out(shop):
    before = shop.files()
    said = shop.run("plan", "--out", "plan.json")
    assert said.code == 0
    assert said.last == "29 partitions will be made, 0 may be"
    assert said.err == "saved; carry it out with: partflow materialize --plan plan.json\n"
    document = json.loads((shop.root / "plan.json").read_text("utf-8"))
    shown = shop.run("plan", "--output", "json").document
    assert {name: document[name] for name in shown if name != "unmakeable"} == {
        name: value for name, value in shown.items() if name != "unmakeable"
    }
    assert set(shop.files()) - set(before) == {"plan.json"}


def test_a_saved_plan_makes_just_what_it_says(shop):
    shop.made().edit('pl.col("qty") > 0', 'pl.col("qty") > 1')
    words = ("clean_sales", "--partitions", "2024-01-03..2024-01-04")
    assert shop.run("plan", *words, "--out", "plan.json").code == 0
    said = shop.run("materialize", "--plan", "plan.json")
    assert said.last.startswith("ran 2, unchanged ")
    assert keys_of(shop) == {"clean_sales": {"2024-01-03", "2024-01-04"}}
    assert shop.run("plan").lines[0].split()[:3] == ["clean_sales", "run", "12"]


def test_what_was_fresh_when_it_was_planned_and_is_not_any_more_is_left_alone(shop):
    shop.made()
    shop.data("clean_sales", "date=2024-01-14").unlink()
    assert shop.run("plan", "clean_sales", "--out", "plan.json").code == 0
    shop.data("monthly_sales", "month=2024-01").unlink()
    shop.land("2024-01-02", "north,tea,3,4.50")
    said = shop.run("materialize", "--plan", "plan.json")
    assert said.last.startswith("ran 1, unchanged 1, ")
    assert keys_of(shop) == {"clean_sales": {"2024-01-14"}}


def test_a_run_that_does_not_concern_it_does_not_refuse_it(shop):
    shop.made()
    shop.data("clean_sales", "date=2024-01-14").unlink()
    shop.data("monthly_sales", "month=2024-01").unlink()
    assert shop.run("plan", "clean_sales", "--out", "plan.json").code == 0
    assert shop.run("backfill", "trailing_week", "-p", "2024-01-02").code == 0
    assert shop.run("materialize", "--plan", "plan.json").last.startswith("ran 1, unchanged 1, ")


def test_a_changed_source_refuses_it_and_nothing_is_made(shop):
    shop.run("plan", "--out", "plan.json")
    shop.land("2024-01-05", "north,tea,3,4.50")
    said = shop.run("materialize", "--plan", "plan.json")
    assert (said.code, said.out) == (2, "")
    first, *rest = said.err.splitlines()
    assert first.startswith("error: plan.json: what this plan was made from is no longer as it was")
    assert rest == [
        "  landing_sales: 1 of 14 partitions to be read changed: 2024-01-05",
        "plan again, with the selection that you want and --out plan.json",
    ]
    assert not list((shop.root / "warehouse").glob("*_sales"))


def test_changed_code_refuses_it(shop):
    shop.run("plan", "--out", "plan.json")
    shop.edit('pl.col("qty") > 0', 'pl.col("qty") > 1')
    said = shop.run("materialize", "--plan", "plan.json")
    assert said.code == 2
    assert "  the code of clean_sales changed, at jobs/sales.py:" in said.err
    assert "trailing_week" not in said.err


def test_a_plan_is_carried_out_once(shop):
    shop.run("plan", "--out", "plan.json")
    assert shop.run("materialize", "--plan", "plan.json").code == 0
    said = shop.run("materialize", "--plan", "plan.json")
    assert said.code == 2
    assert "  clean_sales: all 14 partitions to be made changed: 2024-01-01, " in said.err
    assert "  since then this ran: 2" in said.err
    assert "(partflow materialize --plan plan.json)" in said.err


def test_a_dry_run_of_a_saved_plan_shows_it_or_refuses_it(shop):
    shown = shop.run("plan", "clean_sales", "--out", "plan.json")
    before = shop.files()
    said = shop.run("materialize", "--plan", "plan.json", "-n")
    assert (said.code, said.out) == (0, shown.out)
    assert shop.run("materialize", "--plan", "plan.json", "-n", "--detailed-exitcode").code == 3
    assert shop.files() == before
    shop.land("2024-01-05", "north,tea,3,4.50")
    assert shop.run("materialize", "--plan", "plan.json", "-n").code == 2


def test_a_plan_without_steps_does_nothing(shop):
    shop.made().run("plan", "--out", "plan.json")
    said = shop.run("materialize", "--plan", "plan.json")
    assert (said.code, said.out) == (0, "nothing to do: 29 fresh\n")


def test_a_project_that_was_moved_carries_a_saved_plan_out(shop, tmp_path_factory):
    shop.run("plan", "--out", "plan.json")
    elsewhere = tmp_path_factory.mktemp("moved") / "shop"
    shop.root.rename(elsewhere)
    try:
        said = shop.run(
            "--project", str(elsewhere), "materialize", "--plan", str(elsewhere / "plan.json")
        )
        assert said.last.startswith("ran 29, ")
    finally:
        elsewhere.rename(shop.root)


@pytest.mark.parametrize(
    "more",
    [
        ["clean_sales"],
        ["-p", "2024-01-03"],
        ["--start", "2024-01-03"],
        ["--exclude", "clean_sales"],
        ["--with-effects"],
    ],
)
def test_with_a_saved_plan_nothing_else_is_named(shop, more):
    shop.run("plan", "--out", "plan.json")
    said = shop.run("materialize", "--plan", "plan.json", *more)
    assert said.code == 2
    assert "--plan says all that is to be made" in said.err


def test_a_file_that_is_no_plan_or_is_not_there_ends_with_2(shop):
    (shop.root / "other.json").write_text('{"steps": 3}', "utf-8")
    said = shop.run("materialize", "--plan", "other.json")
    assert said.code == 2
    assert said.err == (
        "error: other.json: is no saved plan: it is JSON of something else; "
        "`partflow plan --out other.json` writes one\n"
    )
    said = shop.run("materialize", "--plan", "none.json")
    assert (said.code, "'none.json' does not exist" in said.err) == (2, True)


def test_a_plan_that_cannot_be_written_ends_with_2(shop):
    said = shop.run("plan", "--out", "no/such/folder/plan.json")
    assert said.code == 2
    assert "No such file or directory" in said.err
