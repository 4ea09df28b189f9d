"""Digests of ranges of partitions: what a partition was made from, in 128 bits.

A digest is a sum over mixed (start, content) pairs, so that the digest of a range is the difference
of two prefix sums. Knows nothing of files or datasets: fingerprints come in as texts or numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 2
"""How many 64-bit numbers a fingerprint is."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xA24BAED4963EE407)
_SECOND = np.uint64(0x9FB21C651E98DF25)
"""What makes the two numbers that come from one start differ."""
_ALL = 2**64 - 1


def lanes(fingerprint: str) -> tuple[int, int]:
    """The two 64-bit numbers of a fingerprint's 32 hexadecimal digits; a tag before is left out.

    ValueError if there are no such digits.
    """
    digits = fingerprint.rpartition(":")[2]
    return int(digits[:16], 16), int(digits[16:32], 16)


def elements(starts: NDArray[np.int64], content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What each partition adds to the digest of a range, from its start and content; shape (n, 2).

    A partition without content adds nothing. Each lane mixes the start and both lanes of the
    content with the finalizer of splitmix64 (Steele, Lea, Flood 2014), so that the sum over a range
    stands for the set of (start, content) pairs in it.
    """
    return salted(salts(starts), content)


def element(start: int, content: tuple[int, int]) -> tuple[int, int]:
    """What `elements` gives for one partition, in an eighth of the time."""
    low, high = content
    if not low | high:
        return 0, 0
    first, second = (_mixed_one((start ^ salt) & _ALL) for salt in (int(_FIRST), int(_SECOND)))
    return (
        _mixed_one((low + _mixed_one(high ^ first)) & _ALL),
        _mixed_one((high + _mixed_one(low ^ second)) & _ALL),
    )


def salts(starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """What the starts give to the elements, shape (2, n): the same for all datasets of a grain."""
    start = starts.astype(np.uint64)
    return _mixed(np.stack([start ^ _FIRST, start ^ _SECOND]))


def salted(salt: NDArray[np.uint64], content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The elements of contents, shape (n, 2), from the `salts` of their starts."""
    pair = np.ascontiguousarray(content.T)
    parts = np.ascontiguousarray(_mixed(pair + _mixed(pair[::-1] ^ salt)).T)
    present = pair[0] | pair[1]
    if not present.all():
        parts[present == 0] = 0
    return parts


def prefix(parts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sums of the first 0, 1, 2, ... elements, modulo 2**64 in each lane; shape (n + 1, 2)."""
    sums = np.zeros((len(parts) + 1, LANES), np.uint64)
    np.cumsum(parts, axis=0, dtype=np.uint64, out=sums[1:])
    return sums


def range_digest(parts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The digest of one range from its elements; equal to the difference of its prefix sums."""
    return parts[0] if len(parts) == 1 else np.asarray(parts.sum(axis=0, dtype=np.uint64))


def joined(code: str, reads: Sequence[NDArray[np.uint64]], n: int) -> NDArray[np.uint64]:
    """One number for each of `n` steps, from its code and the digest of each of its reads.

    `code` is the task's fingerprint; each of `reads` has shape (n, 2). The order of reads counts.
    """
    first, second = lanes(code)
    numbers = np.full(n, _mixed_one(second ^ _mixed_one(first)), np.uint64)
    for digest in reads:
        for lane in range(LANES):
            numbers = _mixed(numbers ^ digest[:, lane])
    return numbers


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix each 64-bit number as splitmix64 does.

    The result is written into `x`; it takes one more array of that size meanwhile.
    """
    x += _GOLDEN
    shifted = x >> np.uint64(30)
    x ^= shifted
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= np.right_shift(x, np.uint64(27), out=shifted)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= np.right_shift(x, np.uint64(31), out=shifted)
    return x


def _mixed_one(x: int) -> int:
    """Mix one 64-bit number as splitmix64 does."""
    x = (x + 0x9E3779B97F4A7C15) & _ALL
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _ALL
    return x ^ (x >> 31)
