"""Gathers what one fingerprint reaches: its parts, and all that is said in what they stand for.

It does not know where to look for more.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from partflow.code.reach import Key, NotFollowed, Piece

_WORD: Final = re.compile(r"[^\W\d]\w*")
_VARIABLE: Final = re.compile(r"@[^\W\d]")
_IS_SQL: Final = re.compile(r"(?i)\b(from|join|describe|summarize|pivot|table)\b")
_TEXTS_KEPT: Final = 100_000


@dataclass(slots=True)
class Gathered:
    """What is reached so far.

    `parts` are digests by name; `keys` are the names that were followed, `queue` those that still
    have to be. `unbound` are names that modules of the project are asked for and do not bind.
    """

    parts: dict[str, str] = field(default_factory=dict)
    not_followed: set[NotFollowed] = field(default_factory=set)
    queue: list[Key] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    unbound: set[Key] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    sites: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)

    def add(self, name: str, digest: str) -> None:
        """Two different things of one name (two closures of one factory) are two parts."""
        number, free = 1, name
        while self.parts.get(free, digest) != digest:
            number += 1
            free = f"{name}#{number}"
        self.parts[free] = digest

    def take(self, name: str, piece: Piece) -> None:
        """Have a piece as a part, and reach what it says."""
        self.add(name, piece.digest)
        for path, digest in piece.files:
            self.add(path, digest)
        self.not_followed.update(piece.not_followed)
        self.queue.extend(piece.leads_to)
        self.modules.add(piece.module)
        self.unbound.update(piece.unbound)
        self.packages.update(piece.packages)
        self.attributes |= piece.sight.attributes
        self.texts.update(text for _, text in piece.sight.texts)
        self.sites.update((piece.module, names) for names in piece.sight.sites)
        self.libraries.update(name for name, _ in piece.libraries)

    def merge(self, other: "Gathered") -> None:
        """Reach all that another one has reached, and have its parts."""
        new = other.parts.items() - self.parts.items()
        twice = sorted((name, digest) for name, digest in new if name in self.parts)
        self.parts = other.parts | self.parts
        for name, digest in twice:
            self.add(name, digest)
        self.not_followed |= other.not_followed
        self.queue += other.queue
        self.keys |= other.keys
        self.unbound |= other.unbound
        self.modules |= other.modules
        self.attributes |= other.attributes
        self.texts |= other.texts
        self.sites |= other.sites
        self.libraries |= other.libraries
        self.packages |= other.packages

    @property
    def size(self) -> int:
        """Grows whenever anything more is reached."""
        names = (self.keys, self.unbound, self.modules, self.libraries, self.packages)
        return sum(len(part) for part in (*names, self.attributes, self.texts, self.sites))

    def words(self) -> set[str]:
        """Every word that is said, as a name of others, an attribute, or within a text."""
        names = {name for _, name in self.unbound} | self.attributes
        names.update(word for name in self.libraries for word in name.split("."))
        return names.union(*map(_words_in, self.texts))

    def tables(self) -> set[str]:
        """The words that SQL among the texts may name tables by."""
        return set[str]().union(*map(_tables_in, self.texts))

    def formulas(self) -> set[str]:
        """The words of texts that read like a formula, or name a variable of Python: `@LIMIT`."""
        return set[str]().union(*map(_formula_words_in, self.texts))


# A project has each text once, and many tasks reach it.


@lru_cache(_TEXTS_KEPT)
def _words_in(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


@lru_cache(_TEXTS_KEPT)
def _tables_in(text: str) -> Iterable[str]:
    return _words_in(text) if text.isidentifier() or _IS_SQL.search(text) else ()


@lru_cache(_TEXTS_KEPT)
def _formula_words_in(text: str) -> Iterable[str]:
    return _words_in(text) if "~" in text or _VARIABLE.search(text) else ()
