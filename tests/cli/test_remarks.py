"""How the files of a source differ is said once in each output of `status` and of a run."""

from __future__ import annotations

import pytest

FILE = "landing/sales/2024-01-03.csv"
OUTPUTS = [("materialize",), ("materialize",), ("status",), ("status", "landing_sales")]


@pytest.fixture
def varied(shop):
    """The shop whose source has no schema, with a file in which a number is none."""
    path = shop.root / "jobs/sales.py"
    path.write_text(path.read_text().replace('{key}.csv", schema=SALE)', '{key}.csv")'))
    text = (shop.root / FILE).read_text().splitlines()
    changed = ",".join([*text[1].split(",")[:-1], "free"])
    (shop.root / FILE).write_text("\n".join([text[0], changed, *text[2:], ""]))
    return shop


@pytest.fixture
def wider(shop):
    """The shop with files that have a column more than their schema, from the third on."""
    for path in sorted((shop.root / "landing/sales").iterdir())[2:]:
        head, *lines = path.read_text().splitlines()
        path.write_text("\n".join([f"{head},till", *(f"{line},7" for line in lines), ""]))
    return shop


def test_other_types_are_said_once_in_each_output_with_the_line_to_paste(varied):
    varied.run("materialize")
    for words in OUTPUTS:
        said = varied.run(*words).err.splitlines()
        (line,) = [each for each in said if each.startswith("warning: ")]
        assert line.startswith("warning: landing_sales: column 'price' is Float64 in 2024-01-01")
        assert "String in 2024-01-03" in line
        assert '"price": pl.String}' in line


@pytest.mark.parametrize("command", ["status", "materialize"])
def test_other_types_are_in_the_json_once(varied, command):
    varied.run("materialize")
    said = varied.run(command, "--output", "json")
    (one,) = said.document["varied"]
    assert (one["source"], one["column"]) == ("landing_sales", "price")
    assert one["keys"] == ["2024-01-01", "2024-01-03"]
    assert said.err.count("price") == 0


def test_columns_that_a_schema_leaves_out_are_noted_once_a_run_with_the_first_key(wider):
    for _ in range(2):
        said = wider.run("materialize").err
        noted = [line for line in said.splitlines() if line.startswith("note:")]
        assert noted == ["note: landing_sales: its schema leaves out 'till', first in 2024-01-03"]
        found = wider.run("materialize", "--output", "json").document["left_out"]
        assert found == [{"source": "landing_sales", "key": "2024-01-03", "columns": ["till"]}]


def test_files_that_are_alike_are_not_spoken_of(shop):
    said = shop.made().run("status", "--output", "json")
    assert (said.document["varied"], said.document["left_out"]) == ([], [])
    assert "warning" not in shop.run("materialize").err


def test_a_file_that_is_mended_ends_it(varied):
    varied.run("materialize")
    path = varied.root / FILE
    path.write_text(path.read_text().replace("free", "1.5"))
    assert "price" not in varied.run("status").err
    assert "price" not in varied.run("materialize").err
    assert "price" not in varied.run("status").err
