"""What is recorded: a partition's materialization, its file's identity, a publication under way.

Knows nothing of where records are kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What a file's stat says; equal ones are taken for the same bytes."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Record:
    """One materialization of a partition, or an observation of a source's file.

    `start` is the start of its interval in epoch seconds (it orders partitions whatever the key),
    `inputs` the digests of its `reads` in 16 bytes each, `how` one of made, kept (made again with
    equal content: the old file stayed), observed, adopted, accepted, done (an effect). `pinned` is
    somebody's file that was accepted and stays until a backfill; `note` says what `how` cannot.
    """

    node: str
    key: str
    start: int
    content: str | None = None
    code: str | None = None
    inputs: bytes = b""
    reads: int = -1
    read_seq: int = 0
    rows: int = 0
    nbytes: int = 0
    sha256: str | None = None
    identity: FileIdentity | None = None
    made_at: int = 0
    run: str | None = None
    how: str = "made"
    seq: int = 0
    content_seq: int = 0
    failure: str | None = None
    pinned: bool = False
    note: str | None = None

    def to_json(self) -> str:
        """For an intent and the journal."""
        found = {name: getattr(self, name) for name in _FIELDS}
        identity = None if self.identity is None else asdict(self.identity)
        return json.dumps(
            {**found, "inputs": self.inputs.hex(), "identity": identity}, sort_keys=True
        )

    @staticmethod
    def from_json(text: str) -> Record:
        """The record that `to_json` wrote."""
        found = json.loads(text)
        identity = found.pop("identity")
        return Record(
            **{**found, "inputs": bytes.fromhex(found["inputs"])},
            identity=None if identity is None else FileIdentity(**identity),
        )


_FIELDS = tuple(each.name for each in fields(Record))


@dataclass(frozen=True, slots=True)
class Intent:
    """One output that is about to be renamed into place."""

    step: str
    node: str
    key: str
    epoch: int
    staged: str | None
    old_sha256: str | None
    new_sha256: str | None
    record: Record

    @property
    def run(self) -> str:
        """The run that intends it."""
        return self.step.partition("/")[0]
