"""Parameters: which kind an annotation or its text stands for."""

import inspect
from pathlib import Path
from typing import Annotated, Any, NewType, Optional, Union

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from partflow.declarations.parameters import ParameterKind, kind_of


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (inspect.Parameter.empty, ParameterKind.LAZY),
        (pl.LazyFrame, ParameterKind.LAZY),
        (pl.DataFrame, ParameterKind.EAGER),
        (pa.Table, ParameterKind.ARROW),
        (list[Path], ParameterKind.PATHS),
        (pl.DataFrame | None, ParameterKind.EAGER),
        (Optional[list[Path]], ParameterKind.PATHS),  # noqa: UP045 - users write it
        (pl.DataFrame | pl.LazyFrame, ParameterKind.OBJECT),
        (list[str], ParameterKind.OBJECT),
        (dict, ParameterKind.OBJECT),
        (Any, ParameterKind.OBJECT),
        (Annotated[pl.DataFrame, "sales of a day"], ParameterKind.EAGER),
        (Annotated[list[Path], "files"], ParameterKind.PATHS),
        (Annotated[pl.DataFrame, 1] | None, ParameterKind.EAGER),
        (Annotated[pl.DataFrame | None, 1], ParameterKind.EAGER),
        (Annotated["pl.DataFrame", 1], ParameterKind.EAGER),
        (Annotated[dict, pl.DataFrame], ParameterKind.OBJECT),
        (Optional["pl.DataFrame"], ParameterKind.EAGER),
        (NewType("Sales", pl.DataFrame), ParameterKind.EAGER),
        (Union[pl.DataFrame, None], ParameterKind.EAGER),  # noqa: UP007 - users write it
    ],
)
def test_an_annotation_stands_for_its_kind(annotation, kind):
    assert kind_of(annotation) is kind


def test_the_annotation_of_a_relation_stands_for_its_kind():
    # By itself: pytest keeps parameters to the end, where DuckDB would report its type as leaked.
    assert kind_of(duckdb.DuckDBPyRelation) is ParameterKind.DUCKDB


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
        ("Annotated[pl.DataFrame, 'sales, of a day']", ParameterKind.EAGER),
        ("typing.Annotated[list[Path], pl.DataFrame]", ParameterKind.PATHS),
        ("Annotated[Partition, 1] | None", ParameterKind.PARTITION),
        ("t.Annotated[Optional['pl.LazyFrame'], Rule(a=[1, 2])]", ParameterKind.LAZY),
        ("Annotated[dict, pl.DataFrame]", ParameterKind.OBJECT),
        ("Union[pl.DataFrame, None]", ParameterKind.EAGER),
        ("Union[pl.DataFrame, pl.LazyFrame]", ParameterKind.OBJECT),
        ("pl.DataFrame | pl.LazyFrame | None", ParameterKind.OBJECT),
        ("List['Path']", ParameterKind.PATHS),
        ("no annotation at all", ParameterKind.OBJECT),
        ("1", ParameterKind.OBJECT),
    ],
)
def test_the_text_of_an_annotation_stands_for_its_kind(text, kind):
    assert kind_of(text) is kind


def test_a_frame_of_another_library_is_no_frame_of_polars():
    stranger = type("DataFrame", (), {"__module__": "pandas.core.frame"})
    assert kind_of(stranger) is ParameterKind.OBJECT
