"""Keeps what the functions of sources without files have answered: a file for each text.

So such a source is looked at, recorded, read and kept as any other. Beside the texts lies a book of
when was asked about which partition. Losing it costs only that it is asked again. Knows nothing of
who asks, or when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Source
from partflow.partitions.sets import PartitionSet
from partflow.planning.asking import Book, Tried, empty_book
from partflow.store.replacing import replaced
from partflow.store.syncing import Syncing

if TYPE_CHECKING:
    from pathlib import Path

    from partflow.declarations.graph import Graph
    from partflow.store.layout import Layout

_BOOK = "book.json"


def book_of(layout: Layout, source: Source) -> Book:
    """The book of a source; an empty one if there is none, or none of the source's present grain.

    What is no book of ours is as none: then it is asked again.
    """
    empty = empty_book(source)
    try:
        document = json.loads(_book_path(layout, source).read_bytes())
        book = Book(
            str(document["grain"]),
            {int(o): Tried(int(at), str(failure)) for o, at, failure in document["tried"]},
            PartitionSet.of((int(lo), int(hi)) for lo, hi in document["settled"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return empty
    return book if book.grain == empty.grain else empty


def books_of(layout: Layout, graph: Graph) -> dict[str, Book]:
    """The books of all sources without files, by name."""
    return {
        name: book_of(layout, source)
        for name, source in graph.datasets.items()
        if isinstance(source, Source) and source.is_asked
    }


def keep_book(layout: Layout, source: Source, book: Book) -> None:
    """Write the book of a source down; OSError if the disk refuses."""
    document = {
        "grain": book.grain,
        "tried": [[o, tried.at, tried.failure] for o, tried in sorted(book.tried.items())],
        "settled": book.settled.ranges,
    }
    book_path = _book_path(layout, source)
    book_path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(book_path) as path:
        path.write_text(json.dumps(document), "utf-8")


def keep_answers(layout: Layout, source: Source, answers: Mapping[str, str | None]) -> None:
    """Have the files hold these texts, by key, durably; one that is None has no file.

    A file that holds the text already is left as it is. OSError if the disk refuses.
    """
    written: list[str] = []
    for key, text in answers.items():
        path = layout.path(source, key)
        if text is None:
            with suppress(FileNotFoundError):
                path.unlink()
        elif not _holds(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as beside:
                beside.write_bytes(text.encode())
            written.append(str(path))
    if written:
        folder = _book_path(layout, source).parent
        errors = Syncing(folder).sync([*written, str(folder)])
        if errors:
            raise next(iter(errors.values()))


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _book_path(layout: Layout, source: Source) -> Path:
    return layout.answers / source.name / _BOOK
