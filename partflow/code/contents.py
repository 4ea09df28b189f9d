"""Tells what pieces of a project's code hold that rules about all of the reached code look at.

It does not know what is reached, nor what the rules make of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from partflow.code.reach import Key, NotFollowed, Piece
from partflow.code.signatures import Introspection, readings_of

_WORD: Final = re.compile(r"[^\W\d]\w*")
_VARIABLE: Final = re.compile(r"@[^\W\d]")
_IS_SQL: Final = re.compile(r"(?i)\b(from|join|describe|summarize|pivot|table)\b")
_TEXTS_KEPT: Final = 100_000
_NONE: Final = frozenset[Any]()

Part = tuple[str, str]
"""The name of a part of a fingerprint, and its digest."""
Named = tuple[str, Piece]
"""The name of a part of a fingerprint, and the piece of code that it stands for."""
Site = tuple[str, frozenset[str]]
"""Where SQL is run: the module, and the names that stand around the call."""


@dataclass(frozen=True, slots=True)
class CodeContents:
    """What some pieces hold together.

    `callers` are functions that would change what is reached if they were called. `packages` are
    those of the project that the code has as a whole, `tables` and `formulas` the words of its
    texts that SQL may name a table by, or that a formula may name a variable by.
    """

    parts: frozenset[Part] = frozenset()
    not_followed: frozenset[NotFollowed] = frozenset()
    callers: frozenset[tuple[Key, NotFollowed]] = frozenset()
    modules: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    sites: frozenset[Site] = frozenset()
    tables: frozenset[str] = frozenset()
    formulas: frozenset[str] = frozenset()
    readings: frozenset[Introspection] = frozenset()


_columns = attrgetter(*(field.name for field in fields(CodeContents)))


def united(several: Iterable[CodeContents]) -> CodeContents:
    """What all of them hold together."""
    several = list(several)
    if len(several) == 1:
        return several[0]
    columns = zip(*map(_columns, several), strict=True)
    return CodeContents(*(_kept(set().union(*column)) for column in columns))


def _kept(items: Iterable[Any]) -> frozenset[Any]:
    """A frozen set; empty ones, which most are, are one object."""
    return frozenset(items) or _NONE


def contents_of(name: str, piece: Piece) -> CodeContents:
    """What one piece holds, as the part `name`."""
    sight = piece.sight
    texts = [text for _, text in sight.texts]
    return CodeContents(
        frozenset([(name, piece.digest), *piece.files]),
        _kept(piece.not_followed),
        modules=_kept([piece.module]),
        packages=_kept(piece.packages),
        attributes=_kept(sight.attributes),
        sites=_kept((piece.module, names) for names in sight.sites),
        tables=_kept(word for text in texts for word in _tables_in(text)),
        formulas=_kept(word for text in texts for word in _formula_words_in(text)),
        readings=readings_of(
            [*sight.attributes, *(text for text in texts if text.isidentifier())],
            [name for _, name in piece.unbound],
            [name.rpartition(".")[2] for name, _ in piece.libraries],
        ),
    )


def words_of_piece(piece: Piece) -> set[str]:
    """Every word that a piece says as an attribute, a library's name, or within a text."""
    words = set(piece.sight.attributes)
    words.update(word for name, _ in piece.libraries for word in name.split("."))
    return words.union(*(_words_in(text) for _, text in piece.sight.texts))


# A project has each text once, and several tasks may reach it.


@lru_cache(_TEXTS_KEPT)
def _words_in(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


@lru_cache(_TEXTS_KEPT)
def _tables_in(text: str) -> frozenset[str]:
    return _words_in(text) if text.isidentifier() or _IS_SQL.search(text) else frozenset()


@lru_cache(_TEXTS_KEPT)
def _formula_words_in(text: str) -> frozenset[str]:
    return _words_in(text) if "~" in text or _VARIABLE.search(text) else frozenset()
