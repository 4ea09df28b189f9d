"""Puts what the pipelines made into service, under `deployed/`, each time in one step.

Knows files and links; knows nothing of what is in them. The working directory is the project's
root while an effect runs.
"""

import os
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

DEPLOYED = Path("deployed")


def replace_file(name: str, data: bytes) -> None:
    """Readers of `deployed/<name>` see the old file or the new one, never half of one."""
    DEPLOYED.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DEPLOYED, prefix=".new-") as aside:
        write_through(Path(aside) / name, data)
        (Path(aside) / name).replace(DEPLOYED / name)


def switch_release(name: str, files: dict[str, bytes]) -> None:
    """Readers of `deployed/current/` see the files of one release, never some of each.

    A release is a folder that never changes, named by its content too; `current` is a link to it.
    """
    digest = sha256(b"".join(sha256(data).digest() for data in files.values())).hexdigest()
    release = DEPLOYED / f"{name}-{digest[:12]}"
    DEPLOYED.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DEPLOYED, prefix=".new-") as aside:
        new, link = Path(aside) / "release", Path(aside) / "link"
        new.mkdir()
        for file, data in files.items():
            write_through(new / file, data)
        if not release.exists():
            new.rename(release)
        link.symlink_to(release.name)
        link.replace(DEPLOYED / "current")


def write_through(path: Path, data: bytes) -> None:
    """Writes to the disk itself: a file that is named before it is there can come up empty."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
