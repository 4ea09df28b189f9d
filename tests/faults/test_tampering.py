"""Whoever changes what partflow wrote of itself gets a clear word, or what is right."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import profiles  # noqa: F401 - how many examples, and no deadline
import pyarrow.parquet as pq
import pytest
from deaths import ALL
from hypothesis import example, given, settings
from hypothesis import strategies as st
from imports import put_aside
from small_shop import NEW, write_shop, write_source

from partflow.cli import main
from partflow.formats.fingerprint import file_digest
from partflow.metastore.journal import Journal
from partflow.metastore.record import Record
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.footprint import EVERYTHING, Footprint

few = settings(max_examples=300 if ALL else 3)
PRIVATE = "warehouse/.partflow"
LOOKING = (["plan"], ["status"], ["why", "clean", "-p", "2024-01-01"], ["runs", "last"],
           ["logs", "last"], ["gc", "--dry-run"])  # fmt: skip
MAKING = (["materialize"], ["state", "rebuild", "--yes"], ["plan"])

NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, -(2**63), 253402300800)
WORDS = (
    "", "x", "..", "../../../etc/passwd", "/etc/passwd", "a\0b", "\x1b[31m", "';--", "{", "[]",
    "null", "9" * 40, "[" * 3000, "rows1-zz:zz", "2024-01-02", "clean", '{"tasks":[{}]}',
)  # fmt: skip
VALUES = {
    "INTEGER": NUMBERS,
    "TEXT": WORDS,
    "BLOB": (b"", b"x", b"\0" * 16, b"\xff" * 15, b"\0" * 160),
    "REAL": (0.0, -1.0, 1e300, float("inf"), float("-inf")),
}
INTEGERS, TEXTS = st.sampled_from(NUMBERS), st.sampled_from(WORDS)
JSON = (
    INTEGERS
    | TEXTS
    | st.sampled_from([10**30, float("inf"), float("nan"), 1.5, True, None, [], {}, [[1]]])
)


@dataclass(frozen=True)
class Tampered:
    """A shop that was made twice, which is put back as it was before each example."""

    root: Path
    as_made: Path

    def restore(self) -> None:
        shutil.rmtree(self.root / "warehouse")
        shutil.copytree(self.as_made, self.root / "warehouse")

    def outside(self) -> set[str]:
        """The files beside the warehouse: nothing there may come, go or change."""
        return {
            f"{p.relative_to(self.root.parent)} {file_digest(p)[0] if p.is_file() else ''}"
            for p in self.root.parent.rglob("*")
            if not {"warehouse", "as_made", "__pycache__"} & set(p.parts) and p.name != "sent.txt"
        }

    def require_clear_words(self, *commands: list[str]) -> None:
        before = self.outside()
        for words in commands:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main(["--project", str(self.root), *words])
            assert code in {0, 1, 2}, (words, said.getvalue())
            assert "Traceback" not in said.getvalue(), words
            assert "\x1b" not in said.getvalue(), words
            assert code != 2 or "; " in said.getvalue(), (words, said.getvalue())
        assert self.outside() == before

    def connected(self) -> contextlib.closing[apsw.Connection]:
        return contextlib.closing(apsw.Connection(str(self.root / PRIVATE / "metastore.sqlite")))


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Iterator[Tampered]:
    root = tmp_path_factory.mktemp("tampered") / "shop"
    write_shop(root)
    with put_aside("jobs"):
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["--project", str(root), "materialize"]) == 0
            write_source(root, NEW)
            assert main(["--project", str(root), "materialize"]) == 0
        (root.parent / "precious.tmp").write_text("of somebody")
        yield Tampered(root, shutil.copytree(root / "warehouse", root.parent / "as_made"))


def columns() -> list[tuple[str, str, str]]:
    """Each column of the metastore: its table, its name and its kind."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "metastore.sqlite"
        SqliteMetastore.open(path, durable=False).close()
        with contextlib.closing(apsw.Connection(str(path))) as c:
            named = c.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return [(t, r[1], r[2]) for (t,) in named for r in c.execute(f"PRAGMA table_info({t})")]


@pytest.mark.parametrize(("table", "column", "kind"), columns() if ALL else columns()[::18])
def test_a_value_in_the_metastore_that_nobody_wrote_is_right_or_named(
    shop, table, column, kind, cases
):
    for value in VALUES[kind] if ALL else VALUES[kind][-1:]:
        shop.restore()
        with shop.connected() as c, contextlib.suppress(apsw.ConstraintError):
            c.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (value,))
        shop.require_clear_words(*LOOKING, *MAKING)
        cases(1)


LINES = ("", "[" * 5000, '{"code_parts":5,"digest":1}', "null", "\ufeff{}",
         '{"effect":"send","since":1e400}', '{"effect":[],"since":"x"}')  # fmt: skip
CHANGED = st.dictionaries(st.sampled_from([*Record.__dataclass_fields__, "zz"]), JSON, max_size=3)


@few
@given(CHANGED, st.sampled_from(LINES))
@example({"read_seq": 2**63 - 1}, "")
def test_a_line_of_the_journal_that_nobody_wrote_is_passed_over(shop, changed, line):
    shop.restore()
    path = shop.root / PRIVATE / "journal.jsonl"
    record = json.loads(Record("send", "2024-01-01", 1704067200, how="done").to_json())
    path.write_text(f"{path.read_text()}{json.dumps({**record, **changed})}\n{line}\n")
    shop.require_clear_words(["plan"], *MAKING)


@given(CHANGED)
def test_what_is_read_of_a_journal_can_be_recorded(changed):
    record = json.loads(Record("send", "2024-01-01", 1704067200, how="done").to_json())
    found = Journal()
    found.add(json.dumps({**record, **changed}))
    for one in found.records:
        assert Record.from_json(one.to_json()) == one
        assert all(
            -(2**63) <= n < 2**63
            for n in (one.start, one.reads, one.read_seq, one.rows, one.made_at, one.seq)
        )
    assert found.unread == (not found.records)


@few
@given(
    st.dictionaries(
        st.sampled_from(["key", "start", "code", "run", "read_seq", "made_at", "inputs"]),
        JSON | st.just([{"digest": "00" * 16}] * 300) | st.just([{"digest": 5}]),
        min_size=1, max_size=3,
    ),
    st.booleans(),
)  # fmt: skip
def test_a_footer_that_nobody_wrote_makes_no_record(shop, changed, is_torn):
    shop.restore()
    path = shop.root / "warehouse/clean/date=2024-01-02/data.parquet"
    table = pq.ParquetFile(path).read()
    lineage = json.loads(table.schema.metadata[b"partflow"])
    text = "[" * 5000 if is_torn else json.dumps({**lineage, "run": "later", **changed})
    rows = table.slice(0, 1).replace_schema_metadata({b"partflow": text.encode()})
    pq.write_table(rows, path)
    shop.require_clear_words(["why", "clean", "-p", "2024-01-02"], *MAKING)


def test_what_is_intended_of_names_that_lead_out_is_forgotten(shop):
    shop.restore()
    for node, key in (("../../../fallen", "2024-01-01"), ("clean", "../../../fallen"), ("..", "")):
        _intend(shop, node, key, shop.root.parent / "precious.tmp", "0" * 64)
    shop.require_clear_words(["backfill", "clean", "-p", "2024-01-01"])
    with shop.connected() as c:
        assert c.execute("SELECT count(*) FROM intents").fetchall() == [(0,)]


def test_a_recovery_publishes_no_file_that_was_not_staged(shop):
    """Also not in a copy of a project: the staged file of the other one is not taken."""
    shop.restore()
    present = file_digest(shop.root / "warehouse/counts/date=2024-01-01/data.parquet")[0]
    _intend(shop, "counts", "2024-01-01", None, present)
    _intend(shop, "sums", "2024-01-01", shop.root.parent / "precious.tmp", "0" * 64)
    shop.require_clear_words(["backfill", "clean", "-p", "2024-01-01"])
    assert (shop.root.parent / "precious.tmp").read_text() == "of somebody"


def _intend(shop: Tampered, node: str, key: str, staged: Path | None, sha256: str) -> None:
    record = Record(node, key, 1704067200).to_json()
    with shop.connected() as c:
        c.execute(
            "INSERT INTO intents (step, node, key, epoch, staged, old_sha256, new_sha256, record) "
            "VALUES ('20240101-000000-abcd/0', ?, ?, 1, ?, NULL, ?, ?)",
            (node, key, None if staged is None else str(staged), sha256, record),
        )


def test_nothing_is_swept_through_a_link(shop):
    shop.restore()
    staging = shop.root / PRIVATE / "staging"
    staging.mkdir(exist_ok=True)
    (staging / "20240101-000000-abcd").symlink_to(shop.root.parent)
    shop.require_clear_words(["backfill", "clean", "-p", "2024-01-01"], ["gc", "--yes"])


@pytest.mark.parametrize("part", ["clean", "clean/date=2024-01-01"])
def test_nothing_is_published_through_a_link_out_of_the_warehouse(shop, part):
    shop.restore()
    folder, outside = shop.root / "warehouse" / part, shop.root.parent / "as_made" / part
    shutil.rmtree(folder)
    folder.symlink_to(outside)
    before = {p: p.stat().st_mtime_ns for p in outside.rglob("*")}
    (shop.root / "landing/2024-01-01.csv").write_text("store,qty\nz,9\n")
    try:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            assert main(["--project", str(shop.root), "materialize", "clean"]) == 1
        assert "a link that leads out of the warehouse; " in said.getvalue()
        assert {p: p.stat().st_mtime_ns for p in outside.rglob("*")} == before
    finally:
        write_source(shop.root, NEW)


SPANS = st.lists(st.lists(JSON, max_size=3) | JSON, max_size=2) | JSON


@given(st.fixed_dictionaries({}, optional={
    "makes": st.dictionaries(TEXTS, SPANS, max_size=2) | JSON,
    "reads": st.dictionaries(TEXTS, SPANS, max_size=2) | JSON,
    "everything": JSON,
}))  # fmt: skip
def test_what_a_lease_says_to_touch_is_spans_or_refused(touches):
    try:
        found = Footprint.from_json(touches)
    except (ValueError, TypeError, KeyError, AttributeError):
        return  # what a lease then is taken to touch is everything
    assert found == EVERYTHING or Footprint.from_json(json.loads(json.dumps(found.to_json())))


LEASES = ("", "{", '{"owner":"x","touches":[]}', '{"owner":"\\u001b[31m","touches":{}}', "5",
          '{"owner":"x","touches":{"makes":{"clean":[[Infinity,1]]},"reads":{}}}')  # fmt: skip


def test_a_lease_that_nobody_took_so_is_one_on_everything_while_it_is_held(shop):
    shop.restore()
    folder = shop.root / PRIVATE / "leases"
    folder.mkdir(exist_ok=True)
    words = ["--project", str(shop.root), "backfill", "clean", "-p", "2024-01-01", "--no-wait"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for number, text in enumerate(LEASES):
            path = folder / f"20240101-000000-000{number}.lease"
            path.write_text(text)
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                assert main(words) == 4
        assert main(words) == 0
    assert "\x1b" not in said.getvalue()
    assert not list(folder.glob("*.lease"))


@pytest.mark.parametrize(
    "name", ["journal.jsonl", "metastore.lock", "leases/gate", "locks/clean.lock"]
)
def test_a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for(shop, name):
    shop.restore()
    path = shop.root / PRIVATE / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        words = ["backfill", "clean", "-p", "2024-01-01"]
        assert main(["--project", str(shop.root), *words]) == 2
    assert f"{path}: " in said.getvalue()
    assert "move away what lies there" in said.getvalue()


def test_a_catalog_that_is_a_pipe_is_replaced_and_one_that_is_a_folder_named(shop):
    shop.restore()
    catalog = shop.root / "warehouse/catalog.duckdb"
    catalog.unlink()
    os.mkfifo(catalog)
    shop.require_clear_words(["backfill", "clean", "-p", "2024-01-01"])
    assert catalog.is_file()
    catalog.unlink()
    catalog.mkdir()
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        assert main(["--project", str(shop.root), "backfill", "clean", "-p", "2024-01-01"]) == 1
    assert "catalog.duckdb could not be written: " in said.getvalue()
