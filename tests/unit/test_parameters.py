"""Parameters: which kind an annotation or its text stands for."""

import inspect
from pathlib import Path
from typing import Any, Optional

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from partflow.parameters import ParameterKind, kind_of


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (inspect.Parameter.empty, ParameterKind.LAZY),
        (pl.LazyFrame, ParameterKind.LAZY),
        (pl.DataFrame, ParameterKind.EAGER),
        (pa.Table, ParameterKind.ARROW),
        (duckdb.DuckDBPyRelation, ParameterKind.DUCKDB),
        (list[Path], ParameterKind.PATHS),
        (pl.DataFrame | None, ParameterKind.EAGER),
        (Optional[list[Path]], ParameterKind.PATHS),  # noqa: UP045 - users write it
        (pl.DataFrame | pl.LazyFrame, ParameterKind.OBJECT),
        (list[str], ParameterKind.OBJECT),
        (dict, ParameterKind.OBJECT),
        (Any, ParameterKind.OBJECT),
    ],
)
def test_an_annotation_stands_for_its_kind(annotation, kind):
    assert kind_of(annotation) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("pl.LazyFrame", ParameterKind.LAZY),
        ("polars.DataFrame", ParameterKind.EAGER),
        ("DataFrame", ParameterKind.EAGER),
        ("pa.Table", ParameterKind.ARROW),
        ("duckdb.DuckDBPyRelation", ParameterKind.DUCKDB),
        ("list[Path]", ParameterKind.PATHS),
        ("list[pathlib.Path]", ParameterKind.PATHS),
        ("Partition", ParameterKind.PARTITION),
        ("partflow.Partition", ParameterKind.PARTITION),
        ("pl.DataFrame | None", ParameterKind.EAGER),
        ("None | pl.DataFrame", ParameterKind.EAGER),
        ("Optional[pl.LazyFrame]", ParameterKind.LAZY),
        ("'pl.DataFrame'", ParameterKind.EAGER),
        ("pd.DataFrame", ParameterKind.OBJECT),
        ("Ridge", ParameterKind.OBJECT),
        ("list[str]", ParameterKind.OBJECT),
    ],
)
def test_the_text_of_an_annotation_stands_for_its_kind(text, kind):
    assert kind_of(text) is kind


def test_a_frame_of_another_library_is_no_frame_of_polars():
    stranger = type("DataFrame", (), {"__module__": "pandas.core.frame"})
    assert kind_of(stranger) is ParameterKind.OBJECT
