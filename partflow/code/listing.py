"""Puts the parts of a fingerprint in order and digests them, those of many tasks once.

It does not know what the parts stand for.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from partflow.code.contents import Part
from partflow.code.normalform import encoded, framed, opening

_TAG: Final = "partflow code 1"


@dataclass(frozen=True, slots=True, eq=False)
class PartList:
    """Parts, sorted, with what of them is digested: that of part `i` begins at `starts[i]`."""

    parts: tuple[Part, ...]
    digests: Mapping[str, str]
    content: bytes
    starts: tuple[int, ...]


class Lister:
    """Lists parts; most parts are those of other tasks too, and are kept once."""

    def __init__(self) -> None:
        self._known: dict[Part, tuple[Part, bytes]] = {}

    def listing(self, parts: Iterable[Part]) -> PartList:
        """Parts that many tasks have."""
        digests = dict[str, str]()
        for name, digest in sorted(parts):
            add_part(digests, name, digest)
        known = [self._framed(part) for part in sorted(digests.items())]
        starts, at = [0], 0
        for _, frame in known:
            starts.append(at := at + len(frame))
        content = b"".join(frame for _, frame in known)
        return PartList(tuple(part for part, _ in known), digests, content, tuple(starts))

    def digest(
        self, own: Mapping[str, str], beside: Iterable[Part], shared: PartList
    ) -> tuple[str, tuple[Part, ...]]:
        """The digest over all parts, and the parts, sorted; `own` keep their names."""
        digests = dict(own)
        for name, digest in sorted(beside):
            add_part(digests, name, digest)
        if any(shared.digests.get(name, digest) != digest for name, digest in digests.items()):
            for name, digest in shared.parts:
                add_part(digests, name, digest)
            shared = PartList((), {}, b"", (0,))
        added = sorted(part for part in digests.items() if part[0] not in shared.digests)
        parts = list[Part]()
        hashed = blake2b(opening(_TAG, len(shared.parts) + len(added)), digest_size=16)
        content, before = memoryview(shared.content), 0
        for part in added:
            known, frame = self._framed(part)
            at = bisect_left(shared.parts, part, before)
            hashed.update(content[shared.starts[before] : shared.starts[at]])
            hashed.update(frame)
            parts += shared.parts[before:at]
            parts.append(known)
            before = at
        hashed.update(content[shared.starts[before] :])
        parts += shared.parts[before:]
        return hashed.hexdigest(), tuple(parts)

    def _framed(self, part: Part) -> tuple[Part, bytes]:
        if part not in self._known:
            name, digest = part
            frame = framed("part", encoded(name), digest.encode())
            self._known[part] = part, b"%d:%b" % (len(frame), frame)
        return self._known[part]


def add_part(digests: dict[str, str], name: str, digest: str) -> None:
    """Add a part; two different things of one name (two closures of one factory) are two parts."""
    number, free = 1, name
    while digests.get(free, digest) != digest:
        number += 1
        free = f"{name}#{number}"
    digests[free] = digest
