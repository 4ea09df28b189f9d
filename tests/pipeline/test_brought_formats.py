"""A format of the project's own: TOML documents, through all that partflow does with partitions."""

from __future__ import annotations

import pytest

from partflow.errors import DeclarationError, GraphError, UsageError
from partflow.execution.controls import Controls
from partflow.operations.check import Verdict
from partflow.operations.undeclared import lying
from partflow.planning.planner import Action, State
from partflow.project.project import Project

FORMAT = '''
import json
import tomllib


class Documents:
    """Flat TOML documents."""

    name = "toml"
    extension = "toml"

    def write(self, value, path):
        path.write_text("".join(f"{k} = {json.dumps(v)}\\n" for k, v in value.items()), "utf-8")

    def read(self, path):
        return tomllib.loads(path.read_text("utf-8"))

    def fingerprint(self, path):
        return json.dumps(self.read(path), sort_keys=True)
'''
JOBS = """
from pathlib import Path

from PACKAGE.documents import Documents

DAYS = Daily("2024-01-01", end="2024-01-04")
landing = Source("landing", DAYS, path="landing/{key}.toml", format=Documents())
price = Dataset("price", DAYS, format=Documents())
report = Dataset("report", DAYS)

@task(reads=landing, writes=price)
def set_price(doc: dict[str, int]) -> dict[str, int]:
    return {"price": 2 * doc["cost"]}

@task(reads=[price.window(-1, 0)], writes=report)
def tell(docs: list) -> pl.DataFrame:
    docs = docs if isinstance(docs, list) else [docs]
    return pl.DataFrame({"price": [doc["price"] for doc in docs]})
"""
NOW = 2**31
FIRST, LAST = "2024-01-01", "2024-01-03"


@pytest.fixture
def shop(world):
    declare(world)
    for n, key in enumerate((FIRST, "2024-01-02", LAST), 1):
        world.write(f"landing/{key}.toml", f"cost = {n}\n")
    return world


def declare(world, form: str = FORMAT, jobs: str = JOBS) -> None:
    world.write(f"{world.package}/documents.py", form)
    world.jobs(jobs)


def test_nothing_of_a_format_that_reads_its_own_file_is_called_not_followed(shop):
    assert [code.not_followed for code in shop.project.codes.values()] == [(), ()]


def price(world, key: str = LAST):
    return world.root / f"warehouse/price/date={key}/data.toml"


def fresh(world) -> bool:
    plan = world.project.plan()
    return not any((t.action != Action.NONE).any() for t in plan.tasks.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_documents_are_made_and_read_in_this_process_and_in_workers(shop, workers):
    summary = shop.run(controls=Controls(workers=workers))
    assert (summary.ran, summary.failed) == (6, 0)
    assert price(shop).read_text() == "price = 6\n"
    assert shop.project.read("report").collect()["price"].to_list() == [2, 2, 4, 4, 6]
    assert fresh(shop)
    assert {s.node: s.counts[State.FRESH] for s in shop.project.status()}["price"] == 3


def test_a_corrected_source_makes_again_what_was_made_of_it_and_no_more(shop):
    shop.run()
    shop.write(f"landing/{LAST}.toml", "cost = 9\n")
    assert shop.planned() == {"set_price": [LAST]}
    assert shop.run().ran == 2
    assert price(shop).read_text() == "price = 18\n"


def test_a_source_that_is_only_written_otherwise_is_the_same(shop):
    shop.run()
    shop.write(f"landing/{LAST}.toml", "# the cost in euros\ncost   = 3\n")
    assert fresh(shop)


def test_an_equal_document_leaves_its_readers_fresh(shop):
    shop.run()
    shop.write(f"landing/{LAST}.toml", "cost = 3\nnote = 'checked'\n")
    summary = shop.run()
    assert (summary.ran, summary.unchanged) == (1, 1)


def test_a_document_edited_by_hand_is_left_until_it_is_accepted(shop):
    shop.run()
    price(shop).write_text("price = 7\n")
    assert shop.run().ran == 0
    project = shop.project
    project.accept("price")
    assert price(shop).read_text() == "price = 7\n"
    assert shop.run().ran == 1
    assert shop.project.read("report").collect()["price"].to_list()[-1] == 7


def test_a_document_formatted_by_hand_is_the_same(shop):
    shop.run()
    price(shop).write_text("# in euros\nprice=6\n")
    assert fresh(shop)


def test_a_document_that_is_damaged_is_made_again_and_says_where_it_failed(shop):
    shop.run()
    price(shop).write_text("price = \n")
    why = shop.project.why("price", LAST).text
    assert "cannot be read" in why
    assert shop.run().ran == 1
    assert price(shop).read_text() == "price = 6\n"


def test_a_source_that_is_damaged_is_a_fault(shop):
    shop.write(f"landing/{LAST}.toml", "cost = \n")
    result = shop.project.materialize()
    (fault,) = result.faults
    assert (fault.key, fault.file) == (LAST, f"landing/{LAST}.toml")
    assert fault.reason.startswith("TOMLDecodeError: Invalid value")
    assert f"({shop.package}/documents.py:" in fault.reason


def test_the_class_counts_as_code_of_who_writes_and_reads_it(shop):
    shop.run()
    declare(shop, FORMAT.replace("sort_keys=True", "sort_keys=True, indent=1"))
    assert shop.planned() == {
        "set_price": [FIRST, "2024-01-02", LAST],
        "tell": [FIRST, "2024-01-02", LAST],
    }
    why = shop.project.why("report", LAST)
    assert f"{shop.package}.documents.Documents" in [change.name for change in why.code_changes]


def test_what_the_object_holds_counts_as_code(shop):
    holding = FORMAT.replace(
        '    name = "toml"', '    def __init__(self, unit=1): self.unit = unit\n\n    name = "toml"'
    )
    declare(shop, holding)
    shop.run()
    assert fresh(shop)
    declare(shop, holding, JOBS.replace("Documents()", "Documents(2)"))
    assert len(shop.planned()["set_price"]) == 3


def test_documents_made_twice_come_out_equal_or_not(shop):
    shop.run()
    assert {t.verdict for t in shop.project.check_twice("price")} == {Verdict.SAME}
    chance = "import time\n" + JOBS.replace('2 * doc["cost"]', "time.time_ns()")
    declare(shop, jobs=chance)
    (trial,) = shop.project.check_twice("price")
    assert (trial.verdict, trial.text) == (Verdict.DIFFERS, "other bytes")


def test_a_document_is_rolled_back(shop):
    shop.run()
    shop.write(f"landing/{LAST}.toml", "cost = 9\n")
    shop.run()
    project = shop.project
    kept = project.upkeep.kept("price", LAST)
    project.upkeep.rollback("price", LAST, kept[-1].number, Controls())
    assert price(shop).read_text() == "price = 6\n"


def test_the_record_of_documents_is_rebuilt_from_the_journal(shop):
    shop.run()
    (shop.root / "warehouse/.partflow/metastore.sqlite").unlink()
    shop.project.upkeep.rebuild(Controls())
    assert fresh(shop)


def test_documents_are_no_table_and_no_view(shop):
    shop.run()
    project = shop.project
    with pytest.raises(UsageError, match="price is no table but of the format 'toml'"):
        project.read("price")
    with pytest.raises(UsageError, match="query: price is no table but of the format 'toml'"):
        project.sql("select * from price")
    assert project.sql("select count(*) from report").fetchall() == [(5,)]


def test_what_the_methods_raise_fails_the_step_with_the_line_of_the_project(shop):
    declare(shop, FORMAT.replace("        path.write_text(", "        path.write_texts("))
    (failure, *_) = [f for f in shop.run().failures if f.key == LAST]
    assert failure.failure.message.startswith("AttributeError: ")
    assert failure.failure.place.startswith(f"{shop.package}/documents.py:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path.write_text(", "print(", "has put no file there"),
        (
            "return json.dumps(self.read(path), sort_keys=True)",
            "return self.read(path)",
            "the fingerprint of its format 'toml' is dict, and no text",
        ),
        ("{k} = {json", "{k} {json", "cannot be read: TOMLDecodeError"),
    ],
)
def test_a_method_that_does_something_else_fails_the_step_in_words(shop, old, new, said):
    landing = 'landing = Source("landing", DAYS, path="landing/{key}.ndjson")'
    jobs = (
        JOBS.replace(
            'landing = Source("landing", DAYS, path="landing/{key}.toml", format=Documents())',
            landing,
        )
        .replace("doc: dict[str, int]", "doc: pl.DataFrame")
        .replace('doc["cost"]', 'doc["cost"][0]')
    )
    for key in (FIRST, "2024-01-02", LAST):
        shop.write(f"landing/{key}.ndjson", '{"cost": 1}\n')
    declare(shop, FORMAT.replace(old, new), jobs)
    messages = {f.failure.message for f in shop.run().failures if f.key == LAST}
    assert any(said in message for message in messages), messages


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('    name = "toml"\n', "", "its format Documents has no name"),
        ('name = "toml"', "name = None", "the name of its format Documents is None"),
        ('name = "toml"', 'name = "TOML"', "it must be a lower-case letter"),
        ('name = "toml"', 'name = "parquet"', "which is a format of partflow's own"),
        ('extension = "toml"', 'extension = ".toml"', "such as 'toml'"),
        ('extension = "toml"', 'extension = "parquet"', "by which partflow's own files are found"),
        ("def fingerprint(", "def digest(", "its format Documents has no fingerprint"),
        ("def write(", "def store(", "its format Documents has no write"),
        (
            '    name = "toml"',
            "    @property\n    def name(self): raise OSError('gone')",
            "its format Documents raises OSError when it is asked for its name: gone",
        ),
    ],
)
def test_a_class_that_is_no_format_is_refused_at_load(world, old, new, said):
    declare(world, FORMAT.replace(old, new))
    with pytest.raises(DeclarationError) as raised:
        Project.load(world.root)
    assert said in str(raised.value)
    assert f"{world.package}/tasks.py:" in str(raised.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Documents", "its format is the class Documents; give an object: Documents()"),
        ("7", "its format is 7; give one of parquet, skops, or an object as partflow.Format"),
        ("'toml'", "format 'toml' is not known; there are parquet, skops"),
        ("Documents(), schema={'a': pl.Int64}", "schema means nothing for its format 'toml'"),
    ],
)
def test_what_is_no_format_is_refused_at_load(world, given, said):
    declare(
        world,
        jobs=JOBS.replace('"price", DAYS, format=Documents()', f'"price", DAYS, format={given}'),
    )
    with pytest.raises(DeclarationError) as raised:
        Project.load(world.root)
    assert said in str(raised.value)


def test_two_formats_of_one_name_are_refused(world):
    world.write(f"{world.package}/others.py", FORMAT)
    jobs = JOBS.replace('"price", DAYS, format=Documents()', '"price", DAYS, format=Others()')
    declare(world, jobs="from PACKAGE.others import Documents as Others\n" + jobs)
    with pytest.raises(GraphError, match=r"two formats are named 'toml': .*documents\.Documents"):
        Project.load(world.root).plan()


def test_a_source_needs_no_method_that_writes(shop):
    declare(
        shop,
        FORMAT.replace("def write(", "def store("),
        JOBS.replace(
            'price = Dataset("price", DAYS, format=Documents())', 'price = Dataset("price", DAYS)'
        )
        .replace("-> dict[str, int]", "-> pl.DataFrame")
        .replace(
            'return {"price": 2 * doc["cost"]}', 'return pl.DataFrame({"price": [2 * doc["cost"]]})'
        )
        .replace("docs: list", "docs: pl.DataFrame")
        .replace("    docs = docs if isinstance(docs, list) else [docs]\n", "")
        .replace('pl.DataFrame({"price": [doc["price"] for doc in docs]})', 'docs.drop("date")'),
    )
    assert shop.run().failed == 0


def test_documents_outside_of_the_range_are_undeclared_and_what_else_lies_there_is_not(shop):
    shop.run()
    (price(shop).parent / "data.ndjson").write_text("{}")
    declare(shop, jobs=JOBS.replace('end="2024-01-04"', 'end="2024-01-03"'))
    project = shop.project
    strays = [s for each in lying(project.graph, project.store, NOW) for s in each.strays]
    assert {(s.file.name, s.file.file) for s in strays} == {
        ("price", "data.toml"),
        ("report", "data.parquet"),
    }
