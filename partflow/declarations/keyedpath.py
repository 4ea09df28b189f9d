"""Paths that have the key of a partition in them, whole or in pieces: `in/{date:%Y/%m/%d}.csv`.

Knows nothing of files or datasets. Each piece is a slice of the key, so that a path and its key are
made from each other by cutting text, and by a regular expression in any program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.calendar import Whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.partitions.calendar import Grain

_OUTSIDE = re.compile(r"\{([a-z][a-z0-9_]*)\}/")
_BRACES = re.compile(r"\{([^{}]*)\}")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIGITS = re.compile("0000(?=-)|00")
_CLOCKS = ("date", "start", "utc")
_OF_CLOCK = frozenset("HM")

Cut = tuple[int, int]
"""A slice `[lo, hi)` of a key."""


@dataclass(frozen=True, slots=True)
class KeyedPath:
    """A path as texts, with a slice of the key between each text and the next.

    `template` is the shape of the key, with a 0 for each digit. Slices together have all digits of
    it, or there are none: then the path is the same for all keys. `outside` is the name of the
    configured folder that the path begins in; "" is the project's own. In the name of the file,
    which is what follows the last /, a * stands for any text: such a path is that of several files.
    """

    texts: tuple[str, ...]
    cuts: tuple[Cut, ...]
    template: str
    outside: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether each slice is the whole key."""
        return all(cut == (0, len(self.template)) for cut in self.cuts)

    @property
    def is_of_several(self) -> bool:
        """Whether a partition has several files: the name has a * in it."""
        return "*" in "\0".join(self.texts).rpartition("/")[2]

    @property
    def name(self) -> KeyedPath:
        """The name of the file alone, without the folder that it is in."""
        last = max((i for i, text in enumerate(self.texts) if "/" in text), default=0)
        tail = self.texts[last].rpartition("/")[2]
        return replace(self, texts=(tail, *self.texts[last + 1 :]), cuts=self.cuts[last:])

    @property
    def folder(self) -> str:
        """The folder above the paths of all keys; "" if there is none."""
        return self.texts[0].rpartition("/")[0]

    def below(self, folder: str) -> KeyedPath:
        """The same paths, in a folder at that path."""
        return replace(self, texts=(f"{folder}/{self.texts[0]}", *self.texts[1:]), outside="")

    def shown(self, key: str) -> str:
        """The path of a key as messages have it, with the name of its folder in front."""
        return f"{{{self.outside}}}/{self.of(key)}" if self.outside else self.of(key)

    def of(self, key: str) -> str:
        """The path of a key in its folder."""
        if self.is_plain:
            return key.join(self.texts)
        return self._joined([key[lo:hi] for lo, hi in self.cuts])

    def written(self, keys: Sequence[bytes], skip: int = 0) -> list[bytes]:
        """The paths of many keys, without their first `skip` characters, as the system has them.

        Keys of one length are cut together: one by one they would take twenty times as long. `skip`
        is at most the length of the first text.
        """
        first, *texts = map(_encoded, (self.texts[0][skip:], *self.texts[1:]))
        letters = np.array(keys, np.bytes_) if keys else np.zeros(0, "S1")
        width = len(self.template)
        if letters.itemsize != width or (np.strings.str_len(letters) != width).any():
            return [_encoded(self.of(key.decode())[skip:]) for key in keys]
        columns = letters.view(np.uint8).reshape(len(keys), width)
        parts = [_repeated(first, len(keys))]
        for (lo, hi), text in zip(self.cuts, texts, strict=True):
            parts += [columns[:, lo:hi], _repeated(text, len(keys))]
        joined = np.ascontiguousarray(np.concatenate(parts, axis=1))
        lines: list[bytes] = joined.view(f"S{joined.shape[1]}").ravel().tolist()
        return lines

    def pattern(self, digit: str, literal: Callable[[str], str]) -> str:
        """A pattern of all paths: `literal` writes a text, and `digit` is what matches a digit."""
        pieces = [self.template[lo:hi].replace("0", digit) for lo, hi in self.cuts]
        return "".join(self._alternating(_rendered(self.texts, literal, "*"), pieces))

    @property
    def regexp(self) -> str:
        """A regular expression of the end of all paths, whose groups `rewrite` makes the key of."""
        tail = self.texts[0].rpartition("/")[2]
        pieces = [re.escape(self.template[lo:hi]).replace("0", r"\d") for lo, hi in self.cuts]
        groups = [
            f"({piece})" if self.cuts.index(cut) == at else piece
            for at, (cut, piece) in enumerate(zip(self.cuts, pieces, strict=True))
        ]
        texts = _rendered((tail, *self.texts[1:]), re.escape, "[^/]*")
        return "".join(self._alternating(texts, groups)) + "$"

    @property
    def rewrite(self) -> str:
        r"""The key as a replacement of what `regexp` matches: `\1-\2-\3`."""
        first = list(dict.fromkeys(self.cuts))
        longest = sorted(enumerate(first, 1), key=lambda numbered: numbered[1][1])
        number = {lo: (hi, at) for at, (lo, hi) in longest}
        key, place = "", 0
        while place < len(self.template):
            if place in number:
                place, at = number[place][0], number[place][1]
                key += f"\\{at}"
            else:
                key, place = key + self.template[place], place + 1
        return key

    def key_of(self, path: str) -> str | None:
        """The key of a path; None if it is that of none."""
        match = re.search(self.regexp, path)
        key = match.expand(self.rewrite) if match else None
        return key if key is not None and self._is_of(key, path) else None

    def _is_of(self, key: str, path: str) -> bool:
        """Whether a path is one that the key has."""
        if not self.is_of_several:
            return self.of(key) == path
        pieces = [re.escape(key[lo:hi]) for lo, hi in self.cuts]
        like = "".join(self._alternating(_rendered(self.texts, re.escape, "[^/]*"), pieces))
        return re.fullmatch(like, path) is not None

    def _joined(self, pieces: list[str]) -> str:
        return "".join(self._alternating(list(self.texts), pieces))

    @staticmethod
    def _alternating(texts: list[str], pieces: list[str]) -> list[str]:
        return [each for pair in zip(texts, [*pieces, ""], strict=True) for each in pair]


def _rendered(texts: Sequence[str], literal: Callable[[str], str], star: str) -> list[str]:
    """The texts as `literal` writes them, with `star` for each * in the name of the file."""
    last = max((i for i, text in enumerate(texts) if "/" in text), default=-1)
    rendered = []
    for i, text in enumerate(texts):
        before, slash, name = ("", "", text) if i > last else (text, "", "")
        if i == last:
            before, slash, name = text.rpartition("/")
        rendered.append(literal(before + slash) + star.join(map(literal, name.split("*"))))
    return rendered


def _encoded(path: str) -> bytes:
    """A path as the system has it, which may be no UTF-8."""
    return path.encode("utf-8", "surrogateescape")


def _repeated(text: bytes, n: int) -> NDArray[np.uint8]:
    """The letters of a text in each of n rows."""
    return np.broadcast_to(np.frombuffer(text, np.uint8), (n, len(text)))


def keyed_path(path: str, grain: Grain) -> KeyedPath | str:
    """What a path with braces stands for, of partitions of a grain; or what is wrong with it.

    `{key}` is the key. `{date:...}` and `{start:...}` are the start of the interval, in the grain's
    zone, and `{utc:...}` is the same in UTC; they are written as by `strftime`. A name with a /
    at the beginning, as in `{landing}/...`, is a folder that is configured.
    """
    match = _OUTSIDE.match(path)
    if match is not None and match[1] != "key":
        inside = keyed_path(path[match.end() :], grain)
        return inside if isinstance(inside, str) else replace(inside, outside=match[1])
    rest = _BRACES.sub("", path)
    if "{" in rest or "}" in rest:
        return f"has a {'{' if '{' in rest else '}'} alone; write {{key}} or {{date:%Y-%m-%d}}"
    if isinstance(grain, Whole):
        return (
            KeyedPath((path,), (), "")
            if rest == path
            else "has a {key}, but the source is Whole: it has one file"
        )
    texts, cuts = [""], []
    for at, piece in enumerate(_BRACES.split(path)):
        if at % 2 == 0:
            texts[-1] += piece
            continue
        slices = _sliced(piece, grain)
        if isinstance(slices, str):
            return slices
        for text, cut in slices:
            texts[-1] += text
            if cut is not None:
                cuts.append(cut)
                texts.append("")
    return _telling(KeyedPath(tuple(texts), tuple(cuts), grain.template), grain)


def spread(path: str) -> str:
    """The path with `{date:%Y/%m}` written as `{date:%Y}/{date:%m}`: each / parts folders then."""
    return _BRACES.sub(lambda m: m[0].replace("/", f"}}/{{{m[1].partition(':')[0]}:"), path)


def _telling(path: KeyedPath, grain: Grain) -> KeyedPath | str:
    """The path, if it is another one for each key; else what it lacks."""
    whole = {place for lo, hi in path.cuts for place in range(lo, hi)}
    lacking = [f"%{name}" for name, (lo, _) in _names(grain.template).items() if lo not in whole]
    if not lacking:
        return path
    if not path.cuts:
        return "must have {key} in it, or a date such as {date:%Y/%m/%d}"
    return (
        f"is one path for several partitions, because {', '.join(lacking)} is not in it; "
        "add that, or {key}"
    )


def _names(template: str) -> dict[str, Cut]:
    """The directives that a key of this shape can answer, each with its slice of the key."""
    runs = [match.span() for match in _DIGITS.finditer(template)]
    return dict(zip("GV" if "W" in template else "YmdHM", runs, strict=False))


def _sliced(braces: str, grain: Grain) -> list[tuple[str, Cut | None]] | str:
    """What stands in braces as texts, each with the slice that follows it; or what is wrong."""
    clock, colon, form = braces.partition(":")
    if clock == "key" and not colon:
        return [("", (0, len(grain.template)))]
    if clock not in _CLOCKS or not form:
        return (
            f"has {{{braces}}}; there are {{key}}, {{date:%Y-%m-%d}}, {{start:%H}} and {{utc:%H}}"
        )
    if problem := _problem_of_clock(clock, grain):
        return f"has {{{braces}}}, and {problem}"
    names, pieces, end = _names(grain.template), [], 0
    if clock == "date":
        names = {name: cut for name, cut in names.items() if name not in _OF_CLOCK}
    for match in _DIRECTIVE.finditer(form):
        if match[1] not in names:
            known = ", ".join(f"%{name}" for name in names)
            return f"has {match[0]} in {{{braces}}}, which its partitions do not tell; use {known}"
        pieces.append((form[end : match.start()], names[match[1]]))
        end = match.end()
    return [*pieces, (form[end:], None)]


def _problem_of_clock(clock: str, grain: Grain) -> str | None:
    """Why partitions of a grain are not told by this clock; None if they are."""
    if grain.tz == "UTC":
        return None
    if grain.is_timed and clock != "utc":
        return (
            f"the clock of {grain.tz} shows an hour twice when it is set back; have the folders "
            "named in UTC, and write {utc:...}"
        )
    if not grain.is_timed and clock == "utc":
        return f"its partitions begin by the calendar of {grain.tz}; write {{date:...}}"
    return None
