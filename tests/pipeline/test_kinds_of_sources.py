"""Sources that are no tables: any files, and JSON documents; and text that is compressed."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest

from partflow.errors import DeclarationError, GraphError, UsageError
from partflow.execution.controls import Controls
from partflow.planning.planner import Action, State

FILES = """
from pathlib import Path

DAYS = Daily("2024-01-01", end="2024-01-04")
scans = Source("scans", DAYS, path="landing/{key}.bin", format="file")
sizes = Dataset("sizes", DAYS, schema={"name": pl.String, "nbytes": pl.Int64})

@task(reads=[scans.window(-1, 0)], writes=sizes)
def measure(paths):
    return pl.DataFrame({
        "name": [p.name for p in paths], "nbytes": [p.stat().st_size for p in paths]
    })
"""
DOCUMENTS = """
DAYS = Daily("2024-01-01", end="2024-01-04")
tariffs = Source("tariffs", DAYS, path="landing/{key}.json")
price = Dataset("price", DAYS)

@task(reads=tariffs, writes=price)
def set_price(tariff: dict) -> pl.DataFrame:
    return pl.DataFrame({"kwh": [tariff["kwh"]], "rates": [len(tariff["rates"])]})
"""
KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def fresh(world) -> bool:
    plan = world.project.plan()
    return not any((t.action != Action.NONE).any() for t in plan.tasks.values())


def document(kwh: float) -> str:
    return json.dumps({"kwh": kwh, "rates": [1, 2]})


@pytest.fixture
def scans(world):
    world.jobs(FILES)
    for n, key in enumerate(KEYS, 1):
        world.write(f"landing/{key}.bin", "\0" * n)
    return world


@pytest.fixture
def tariffs(world):
    world.jobs(DOCUMENTS)
    for n, key in enumerate(KEYS, 1):
        world.write(f"landing/{key}.json", document(n / 10))
    return world


@pytest.mark.parametrize("workers", [1, 2])
def test_files_of_any_kind_are_handed_over_as_paths(scans, workers):
    summary = scans.run(controls=Controls(workers=workers))
    assert (summary.ran, summary.failed) == (3, 0)
    assert scans.read("sizes").drop("date").rows()[1:3] == [
        ("2024-01-01.bin", 1),
        ("2024-01-02.bin", 2),
    ]
    assert fresh(scans)


def test_a_file_counts_by_its_bytes(scans):
    scans.run()
    scans.write("landing/2024-01-02.bin", "\0\0")
    assert fresh(scans)
    scans.write("landing/2024-01-02.bin", "\0\1")
    assert scans.planned() == {"measure": ["2024-01-02", "2024-01-03"]}


def test_a_file_that_is_gone_leaves_what_was_made_of_it_fresh(scans):
    scans.run()
    (scans.root / "landing/2024-01-02.bin").unlink()
    assert fresh(scans)


@pytest.mark.parametrize("option", ["schema={'a': pl.Int64}", "sort_by='a'", "trusted=('a',)"])
@pytest.mark.parametrize("form", ["file", "json"])
def test_options_of_tables_mean_nothing_for_what_is_none(world, form, option):
    world.jobs(FILES.replace('format="file"', f'format="{form}", {option}'))
    with pytest.raises(DeclarationError, match=f"means nothing for its format '{form}'"):
        _ = world.project


def test_a_dataset_of_tasks_is_never_any_file(world):
    world.jobs(FILES.replace("schema=", 'format="file", schema='))
    with pytest.raises(DeclarationError, match="'file' is not known; there are parquet, skops"):
        _ = world.project


@pytest.mark.parametrize("workers", [1, 2])
def test_a_document_is_handed_over_as_json_gives_it(tariffs, workers):
    assert tariffs.run(controls=Controls(workers=workers)).ran == 3
    assert tariffs.read("price")["kwh"].to_list() == [0.1, 0.2, 0.3]


def test_a_document_written_otherwise_is_the_same_and_one_of_other_values_is_not(tariffs):
    tariffs.run()
    tariffs.write("landing/2024-01-02.json", '{\n "rates": [1, 2],\n "kwh": 0.20\n}\n')
    assert fresh(tariffs)
    tariffs.write("landing/2024-01-02.json", '{"rates": [2, 1], "kwh": 0.20}')
    assert tariffs.planned() == {"set_price": ["2024-01-02"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"kwh": 0.2, "ra', "it is no JSON: "),
        ("", "it is no JSON: "),
        ('{"kwh": 1}\n{"kwh": 2}\n', "line 2 begins a second document"),
        ('{"kwh": 1, "rates": [], "kwh": 2}', "an object in it has the key 'kwh' twice"),
        ("[" * 100_000, "it is no JSON: "),
    ],
)
def test_what_is_no_document_blocks_what_reads_it_and_says_why(tariffs, text, said):
    tariffs.write("landing/2024-01-02.json", text)
    assert tariffs.run().ran == 2
    (problem,) = tariffs.project.plan().snapshot.unreadable.values()
    assert said in problem.reason
    assert {s.node: s.counts[State.BLOCKED] for s in tariffs.project.status()}["price"] == 1


def test_what_is_no_table_is_shown_by_no_view_and_says_so(tariffs):
    tariffs.run()
    with pytest.raises(UsageError, match="tariffs is no table but of the format 'json'"):
        tariffs.project.read("tariffs")
    with pytest.raises(UsageError, match="tariffs is no table but of the format 'json'"):
        tariffs.project.sql("select * from tariffs")


def test_a_project_may_have_a_format_named_json_but_not_beside_partflows(world):
    own = """
class Own:
    name = "json"
    extension = "json"
    def read(self, path): return path.read_text()
    def fingerprint(self, path): return path.read_text()
"""
    beside = 'others = Source("others", DAYS, path="o/{key}.json")\n'
    reading = "\n@task(reads=others, writes=Dataset('copy', DAYS))\ndef copy(o): ...\n"
    jobs = own + DOCUMENTS.replace('{key}.json"', '{key}.json", format=Own()')
    world.jobs(jobs)
    assert world.project.graph.datasets["tariffs"].stored_as.brought is not None
    world.jobs(jobs + beside + reading)
    with pytest.raises((GraphError, DeclarationError), match="two formats are named 'json'"):
        _ = world.project


def packed(text: str, ending: str) -> bytes:
    if ending == "gz":
        return gzip.compress(text.encode())
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text.encode())
    return sink.getvalue().to_pybytes()


def deliver(world, key: str, form: str, ending: str, content: bytes | None = None) -> None:
    """Put rows 0, 1, ... there, as text of that format, compressed."""
    lines = {"csv": ["n,t", *(f"{i},x{i}" for i in range(50))]}
    lines["ndjson"] = [json.dumps({"n": i, "t": f"x{i}"}) for i in range(50)]
    text = "".join(f"{line}\n" for line in lines.get(form, ())) or document(50)
    path = world.root / f"landing/{key}.{form}.{ending}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed(text, ending) if content is None else content)


TEXT = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="landing/{key}.FORM"SCHEMA)
total = Dataset("total", DAYS)

@task(reads=[raw.window(-1, 0)], writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.len().alias("rows"), pl.col("n").sum())
"""
PACKED = [(form, ending) for form in ("csv", "ndjson") for ending in ("gz", "zst")]


@pytest.mark.parametrize("schema", ["", ', schema={"n": pl.Int64, "t": pl.String}'])
@pytest.mark.parametrize(("form", "ending"), PACKED)
def test_compressed_text_is_read_by_tasks_and_queries_and_its_format_is_clear(
    world, form, ending, schema
):
    world.jobs(TEXT.replace("FORM", f"{form}.{ending}").replace("SCHEMA", schema))
    for key in KEYS:
        deliver(world, key, form, ending)
    assert world.run().failed == 0
    assert world.read("total").rows()[1][:2] == (100, 2450)
    rows = world.project.sql("select date, n, t from raw order by date, n").pl().rows()
    assert len(rows) == 150
    assert rows[3][1:] == (3, "x3")
    assert world.project.read("raw").collect().height == 150


@pytest.mark.parametrize(("form", "ending"), [*PACKED, ("json", "gz"), ("json", "zst")])
def test_a_compressed_file_that_is_cut_off_is_a_fault(world, form, ending):
    jobs = TEXT.replace("SCHEMA", "") if form != "json" else DOCUMENTS
    world.jobs(jobs.replace("FORM", f"{form}.{ending}").replace(".json", f".json.{ending}"))
    for key in KEYS[:2]:
        deliver(world, key, form, ending)
    deliver(world, KEYS[2], form, ending)
    last = world.root / f"landing/{KEYS[2]}.{form}.{ending}"
    last.write_bytes(last.read_bytes()[:-9])
    assert world.run().ran == 2
    (problem,) = world.project.plan().snapshot.unreadable.values()
    assert "Truncated compressed stream" in problem.reason


def test_text_that_is_only_compressed_anew_is_the_same(world):
    world.jobs(TEXT.replace("FORM", "ndjson.gz").replace("SCHEMA", ""))
    for key in KEYS:
        deliver(world, key, "ndjson", "gz")
    world.run()
    lines = "".join(json.dumps({"n": i, "t": f"x{i}"}) + "\n" for i in range(50)).encode()
    deliver(world, KEYS[0], "ndjson", "gz", gzip.compress(lines, 1, mtime=7))
    assert fresh(world)
