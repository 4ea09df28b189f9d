"""Finds the files of partitions that have several each, and the identity of all of them together.

Knows nothing of datasets: a path with a * in the name of the file comes in, with keys.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from partflow.store.identity import FileIdentity
from partflow.store.stats import NONE, UNKNOWN

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from partflow.declarations.keyedpath import KeyedPath

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SetFile:
    """One of the files of a partition: its name, its path on this machine, and its identity."""

    name: str
    path: str
    identity: FileIdentity


def identities_of_sets(
    root: Path, paths: KeyedPath, marker: KeyedPath | None, keys: Sequence[str]
) -> NDArray[np.int64]:
    """The identity of each key's files together, shape (n, 4); -1 for a key that has none.

    Zeros stand for a folder that the system refuses to list, or a file that it refuses to look at:
    that equals nothing that is recorded, so it is looked at closer, which tells what is wrong.
    """
    rows = np.full((len(keys), 4), NONE, np.int64)
    for folder, places in _by_folder(paths, keys).items():
        try:
            for place, files in _found(root, folder, paths, marker, places):
                rows[place] = _together(files)
        except OSError:
            rows[list(places.values())] = UNKNOWN
    return rows


def files_of_set(
    root: Path, paths: KeyedPath, marker: KeyedPath | None, key: str
) -> tuple[SetFile, ...]:
    """The files of one key, sorted by name; OSError if the system refuses to look at them."""
    ((folder, places),) = _by_folder(paths, [key]).items()
    return next((files for _, files in _found(root, folder, paths, marker, places)), ())


def identity_of_set(files: Sequence[SetFile]) -> FileIdentity:
    """The identity of files together, at least one; another one if any of them is another file.

    Its size is the sum, its times are the latest, and its inode is a digest of all that is known.
    """
    return FileIdentity(*_together(files))


def _by_folder(paths: KeyedPath, keys: Sequence[str]) -> dict[str, dict[tuple[str, ...], int]]:
    """For each folder the places in `keys`, by the slices of the key in the files' names."""
    cuts = paths.name.cuts
    folders: dict[str, dict[tuple[str, ...], int]] = {}
    for place, key in enumerate(keys):
        folder = paths.of(key).rpartition("/")[0]
        folders.setdefault(folder, {})[tuple(key[lo:hi] for lo, hi in cuts)] = place
    return folders


def _found(
    root: Path,
    folder: str,
    paths: KeyedPath,
    marker: KeyedPath | None,
    places: Mapping[tuple[str, ...], int],
) -> Iterator[tuple[int, tuple[SetFile, ...]]]:
    """The files in a folder for each place that has any, sorted by name."""
    above = os.path.join(root, folder)
    is_like, is_hidden = _like(paths.name), paths.name.texts[0].startswith(".")
    is_marker = _like(marker.name) if marker is not None else None
    files: dict[int, list[SetFile]] = {}
    for name in _names(above):
        match = is_like.fullmatch(name)
        place = None if match is None else places.get(match.groups())
        if place is None or (name.startswith(".") and not is_hidden):
            continue
        if is_marker is not None and is_marker.fullmatch(name):
            continue
        path = f"{above}/{name}"
        try:
            seen = os.stat(path)
        except FileNotFoundError:  # It went away meanwhile, or is a link to what is not there.
            continue
        if stat.S_ISREG(seen.st_mode):
            identity = FileIdentity(seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
            files.setdefault(place, []).append(SetFile(name, path, identity))
    for place, each in files.items():
        yield place, tuple(sorted(each, key=lambda file: file.name))


def _names(folder: str) -> list[str]:
    """The names in a folder; none if it is not there. OSError if it is refused."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _like(name: KeyedPath) -> re.Pattern[str]:
    """What the names of files match; its groups are the slices of the key in them."""
    pieces = [re.escape(name.template[lo:hi]).replace("0", r"\d") for lo, hi in name.cuts]
    texts = [".*".join(map(re.escape, text.split("*"))) for text in name.texts]
    rest = "".join(f"({piece}){text}" for piece, text in zip(pieces, texts[1:], strict=True))
    return re.compile(texts[0] + rest, re.DOTALL | re.ASCII)


def _together(files: Sequence[SetFile]) -> tuple[int, int, int, int]:
    each = [file.identity for file in files]
    mtime = max(identity.mtime_ns for identity in each)
    if any(identity.mtime_ns % _SECOND == 0 for identity in each):
        # The clock of one of them may have coarse steps, and that is told by a whole second.
        mtime = -(-mtime // _SECOND) * _SECOND
    known = repr([(f.name, i.size, i.mtime_ns, i.ctime_ns, i.inode) for f, i in
                  zip(files, each, strict=True)])  # fmt: skip
    digest = blake2b(known.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return (
        sum(identity.size for identity in each),
        mtime,
        max(identity.ctime_ns for identity in each),
        int.from_bytes(digest, "little") >> 1,
    )
