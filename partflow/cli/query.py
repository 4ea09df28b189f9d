"""`query`: one SELECT over the datasets, printed or written to a file.

Knows nothing of datasets: the project has a view for each, and lets a query only read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, TypeVar, cast

import click

from partflow.cli.session import Session
from partflow.errors import UsageError
from partflow.report.text import printable

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from partflow.project.project import Project

_T = TypeVar("_T")
_BATCH = 50_000
_MOMENT = 0.05
"""Seconds; polars has Ctrl-C restart what waits, so that it is heard only between two waits."""
_FORMS = ("table", "csv", "json", "parquet")
_ENDINGS = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


@click.command(
    short_help="Ask one SELECT over the datasets.",
    epilog='\b\nExample:\n  partflow query "select store, sum(qty) from clean_sales '
    'group by store"\n  partflow query - --to month.csv < month.sql',
)
@click.argument("sql")
@click.option(
    "--output",
    type=click.Choice(_FORMS),
    help="The form: a table if not given, or what the ending of FILE says.",
)
@click.option(
    "--to", "target", metavar="FILE", type=click.Path(dir_okay=False), help="Write it there."
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    metavar="N",
    help="How many rows a table shows.",
)
@click.pass_obj
def query(session: Session, sql: str, output: str | None, target: str | None, rows: int) -> None:
    """Ask one SELECT of DuckDB, in which every dataset is a view; a dash reads it from stdin."""
    from partflow.project.queries import asked_again

    project = session.project()
    text = _from_stdin() if sql == "-" else sql
    if not text.strip():
        raise UsageError('query: there is no SQL; write partflow query "select ..."')
    if not _is_utf8(text):
        raise UsageError("query: the SQL is not UTF-8; save it as that, and say query - < FILE")
    form = output or _form_of(target)
    _check_stream(form, target)
    question = _Question(project, text, form, target, rows)
    asked_again(question.answer, project.progress, lambda: not question.is_printed)


class _Question:
    """A query, and where its answer goes; `is_printed` once a part of that is on stdout."""

    def __init__(
        self, project: Project, text: str, form: str, target: str | None, rows: int
    ) -> None:
        self._project, self._text, self._form = project, text, form
        self._target, self._rows = target, rows
        self._is_told = self.is_printed = False

    def answer(self) -> None:
        """Write the answer; UsageError if DuckDB can't give it."""
        import duckdb

        from partflow.report.rows import write_answer
        from partflow.warehouse.catalog import connect, said_by

        try:
            with closing(_Asked(connect(), self._project, self._text, self._form)) as rows:
                self._tell()
                with _written(self._target) as file:
                    self.is_printed = self._target is None
                    write_answer(rows, self._form, file, self._rows)
        except duckdb.Error as error:
            raise UsageError(f"query: {said_by(error)}") from None

    def _tell(self) -> None:
        """Say once what a reader of the answer has to know."""
        if not self._is_told and (note := self._project.zones_differ(self._text)):
            click.echo(f"note: {printable(note)}", err=True)
        self._is_told = True


def _in_form(relation: duckdb.DuckDBPyRelation, form: str) -> duckdb.DuckDBPyRelation:
    """The rows as they can be handed on: as text where there is no other way, or refused."""
    from partflow.formats.relationtypes import refusal, told

    if form != "parquet":
        return cast("duckdb.DuckDBPyRelation", told(relation))
    if wrong := refusal(relation):
        raise UsageError(f"query: {'; '.join(wrong)}")
    return relation


class _Asked:
    """The rows of a query, computed in a thread of their own, so that Ctrl-C ends it.

    DuckDB may work in its threads, and the one that asked waits where no signal reaches it.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, project: Project, text: str, form: str
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._connection = connection
        self._pool = ThreadPoolExecutor(1)
        try:
            self._rows = self._done(
                lambda: _in_form(project.ask(text, connection), form).to_arrow_reader(_BATCH)
            )
            self._first = self._next()  # What fails at once fails before anything is written.
        except BaseException:
            self._pool.shutdown()
            connection.close()
            raise

    def close(self) -> None:
        """Give up what is not read, and all that DuckDB has of it."""
        self._pool.shutdown()
        self._rows.close()
        self._connection.close()

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """A batch at a time."""
        batch, self._first = self._first, None
        while batch is not None:
            yield batch
            batch = self._next()

    def _next(self) -> pa.RecordBatch | None:
        """The next of them; UsageError if DuckDB fails on a row, which Arrow tells in its way."""
        import pyarrow as pa

        from partflow.warehouse.catalog import said_by

        try:
            return self._done(lambda: next(self._rows, None))
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"query: {said_by(error)}") from None

    def _done(self, work: Callable[[], _T]) -> _T:
        from concurrent.futures import wait

        answer = self._pool.submit(work)
        try:
            while not wait([answer], _MOMENT).done:
                pass
        except KeyboardInterrupt:
            while not wait([answer], _MOMENT).done:
                self._connection.interrupt()
            raise
        return answer.result()


def _from_stdin() -> str:
    """What comes on stdin, as UTF-8 whatever the locale says."""
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        return sys.stdin.read()
    return str(buffer.read().decode("utf-8", "surrogateescape"))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _form_of(target: str | None) -> str:
    dot = "" if target is None else f".{target.rpartition('.')[2]}"
    return _ENDINGS.get(dot, "table")


def _check_stream(form: str, target: str | None) -> None:
    if form == "parquet" and target is None and sys.stdout.isatty():
        raise UsageError("query: Parquet is nothing for a terminal; add --to FILE")


@contextmanager
def _written(target: str | None) -> Iterator[IO[bytes]]:
    """Stdout, or a file that stands under its name when it is whole."""
    if target is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    from pathlib import Path

    from partflow.store.replacing import replaced

    with replaced(Path(target)) as new, new.open("wb") as file:
        yield file
