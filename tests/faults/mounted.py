"""Small file systems of their own for warehouses: images that can be copied, and memory that fills.

Knows nothing of partflow. Whatever it mounts it unmounts, also if the test fails in between.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

FILE_SYSTEMS = {
    "ext4": (32, ["mkfs.ext4", "-q", "-F"], "commit=600,noauto_da_alloc"),
    "xfs": (320, ["mkfs.xfs", "-q", "-f"], "nouuid"),
    "btrfs": (128, ["mkfs.btrfs", "-q", "-f"], "commit=600"),
}
"""Megabytes, the command that makes one, and the options that let it write as late as it can."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file that holds a file system; `kind` is one of `FILE_SYSTEMS`."""

    path: Path
    kind: str

    def copied(self, to: Path) -> Image:
        """What its disk holds at this moment: what is in memory only is not in it."""
        _do("cp", "--sparse=always", str(self.path), str(to))
        return Image(to, self.kind)

    @contextmanager
    def mounted(self, place: Path) -> Iterator[None]:
        """Have it at `place`, which is empty; what its journal says is put right on the way."""
        options = f"loop,{FILE_SYSTEMS[self.kind][2]}"
        with _mounted(place, "-t", self.kind, "-o", options, self.path):
            yield


def made_image(kind: str, path: Path, content: Path) -> Image:
    """A new image with this content, if any; the test is skipped if the machine can't have one."""
    size, command, _ = FILE_SYSTEMS[kind]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on this machine")
    with path.open("wb") as file:
        os.truncate(file.fileno(), size * 2**20)
    _do(*command, str(path))
    image, place = Image(path, kind), path.with_suffix(".mnt")
    with image.mounted(place):
        if content.exists():
            shutil.copytree(content, place, dirs_exist_ok=True)
    return image


@contextmanager
def small(place: Path, content: Path) -> Iterator[None]:
    """Have a file system in memory at `place`, with this content, if any; see `resize`."""
    with _mounted(place, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        if content.exists():
            shutil.copytree(content, place, dirs_exist_ok=True)
        yield


def resize(place: Path, pages: int | None = None, files: int | None = None) -> None:
    """Leave so many pages, and room for so many files, in a file system in memory; None: plenty."""
    found = os.statvfs(place)
    used, inodes = found.f_blocks - found.f_bfree, found.f_files - found.f_ffree
    size = 64 << 20 if pages is None else (used + pages) * found.f_frsize
    most = 100_000 if files is None else inodes + files
    _do("mount", "-o", f"remount,size={size},nr_inodes={most}", str(place))


@contextmanager
def _mounted(place: Path, *words: str | Path) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system here")
    try:
        _do("mount", *map(str, words), str(place))
    except AssertionError as error:
        pytest.skip(f"this machine lets nobody mount that: {error}")
    try:
        yield
    finally:
        if _done("umount", str(place)).returncode:
            _do("umount", "--lazy", str(place))  # a process that is at it has not ended


def _do(*words: str) -> None:
    done = _done(*words)
    assert done.returncode == 0, (words, done.stderr)


def _done(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)
