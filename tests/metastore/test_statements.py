"""SQL in files: every statement is named once, is asked for, and is one that SQLite understands."""

from __future__ import annotations

import re
from pathlib import Path

import apsw.ext
import pytest
from projects import tables

import partflow.metastore.sqlite
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.metastore.sqlite.statements import Statements

(FOLDER,) = map(Path, partflow.metastore.sqlite.__path__)
FILES = sorted(path.stem for path in FOLDER.glob("*.sql") if path.stem != "tables")
SOURCES = "\n".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))


def test_a_statement_is_what_stands_below_its_name():
    assert Statements("standing")["seq"] == "SELECT max(seq) FROM materializations"


def test_a_name_that_no_statement_has_is_an_error():
    with pytest.raises(KeyError, match="nothing"):
        Statements("standing")["nothing"]


@pytest.mark.parametrize("name", FILES)
def test_no_name_stands_twice_in_a_file(name):
    text = (FOLDER / f"{name}.sql").read_text("utf-8")
    assert len(re.findall("^-- name: ", text, re.MULTILINE)) == len(Statements(name).texts)


@pytest.mark.parametrize("name", [name for name in FILES if name != "migrations"])
def test_every_statement_is_asked_for_and_fits_the_tables(name, tmp_path):
    asked = set(re.findall(r'_SQL\["(\w+)"\]', (FOLDER / f"{name}.py").read_text("utf-8")))
    assert set(Statements(name).texts) == asked
    path = tmp_path / "metastore.sqlite"
    SqliteMetastore.open(path, durable=False).close()
    with tables(path) as c:
        for text in Statements(name).texts.values():
            assert apsw.ext.query_info(c, text).query_remaining is None


def test_no_sql_stands_in_python():
    assert re.findall(r'"(?:SELECT|INSERT|UPDATE|DELETE|ALTER) [^"]*', SOURCES) == []
