"""What is recorded: materializations, publications under way, runs with their attempts.

Knows nothing of where records are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, fields

from partflow.store.identity import FileIdentity


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """A code fingerprint's named parts, and the number of the last rules by which it was one."""

    parts: Mapping[str, str]
    rules: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that a call did beside reading its inputs; `kind` is file, program or address.

    `what` is a file's path below the root, a program's name, or `host:port`; `sha256` is the
    file's when the call had ended.
    """

    kind: str
    what: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """One materialization of a partition, or an observation of a source's file.

    `start` is the start of its interval in epoch seconds (it orders partitions whatever the key),
    `inputs` the digests of its `reads` in 16 bytes each, `how` one of made, kept (made again with
    equal content: the old file stayed), observed, adopted, accepted, done (an effect). `pinned` is
    somebody's file that was accepted and stays until a backfill; `note` says what `how` cannot.
    `rules` is the number of the rules by which a source's text was typed and checked, else 0;
    -1 if the file could not be read and was taken for its bytes.
    `schema` is the text of what columns its file has (`schemas`), None where nobody looked.
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
    rules: int = 0
    schema: str | None = None

    def to_json(self) -> str:
        """The record as JSON, as intents and the journal have it."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        identity = None if self.identity is None else asdict(self.identity)
        return json.dumps(
            {**plain, "inputs": self.inputs.hex(), "identity": identity}, sort_keys=True
        )

    @staticmethod
    def from_json(text: str) -> Record:
        """The record that `to_json` wrote; ValueError, TypeError or KeyError for anything else."""
        document = json.loads(text)
        identity = document.pop("identity")
        document["inputs"] = bytes.fromhex(document["inputs"])
        for name, value in (*document.items(), *(identity or {}).items()):
            _require_kind(name, value)
        return Record(
            **document, identity=None if identity is None else FileIdentity(**identity)
        ).checked()

    def checked(self) -> Record:
        """The record itself; ValueError if a digest, a number or the time in it can be none."""
        if len(self.inputs) % _DIGEST or not self.reads <= len(self.inputs) // _DIGEST:
            raise ValueError(f"{len(self.inputs)} bytes are no digests of {self.reads} reads")
        for text in (self.content, self.code):
            if text is not None and not is_fingerprint(text):
                raise ValueError(f"{text[:_SHOWN]!r} is no fingerprint")
        if max(self.seq, self.content_seq, self.read_seq) > LARGEST:
            raise ValueError("nothing has so high a number")
        require_moment("made_at", self.made_at)
        return self


LARGEST = 2**62
"""No number or count is higher: there is room above it in eight bytes."""

RESTATED = 1 << 32
"""What a change to records that keep their numbers adds to their node's version."""

LAST_SECOND = 253_402_300_799
"""The last second of the year 9999."""

_DIGEST = 16
_SHOWN = 80
_FINGERPRINT = re.compile(r"(?:[^:]*:)?[0-9a-f]{32}")
_FIELDS = tuple(each.name for each in fields(Record))
_KINDS = {each.name: str(each.type) for each in (*fields(Record), *fields(FileIdentity))}


def require_moment(name: str, at: float) -> None:
    """Raise ValueError unless epoch seconds are within LAST_SECOND of the epoch."""
    if not -LAST_SECOND <= at <= LAST_SECOND:
        raise ValueError(f"{name} is {at!r}")


def mark(node: str, key: str, *making: str | int | bytes | None) -> int:
    """A number by which this process tells makings of partitions apart; two may rarely share one.

    `making` has content, code, input digests, time, run and SHA-256: what the metastore and the
    journal both have of it, and a rebuild does not change.
    """
    return hash((node, key, *making))


def mark_of(record: Record) -> int:
    """The mark of the making that is recorded."""
    return mark(
        record.node, record.key, record.content, record.code, record.inputs, record.made_at,
        record.run, record.sha256,
    )  # fmt: skip


def is_fingerprint(text: str) -> bool:
    """Whether a text ends in a digest, as the fingerprints of contents and of code do."""
    return _FINGERPRINT.fullmatch(text) is not None


def _require_kind(name: str, value: object) -> None:
    """Raise ValueError for a value whose type is none of its field."""
    kind = type(value).__name__.replace("NoneType", "None")
    if kind not in _KINDS[name].split(" | ") or (kind == "int" and not _is_wide(value)):
        raise ValueError(f"{name} is {str(value)[:_SHOWN]!r}")


def _is_wide(value: object) -> bool:
    """Whether a whole number fits into eight bytes."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


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


@dataclass(frozen=True, slots=True)
class StepLog:
    """What became of one attempt at a step, and what it cost.

    `serial` is the attempt's own number in its run. `began_at` is in epoch seconds, `seconds` and
    `cpu` are seconds of wall and of processor, `memory` is the high-water mark of its worker's
    process in bytes, `worker` the number of that process. What is not known is 0.
    """

    task: str
    key: str
    attempt: int
    state: str
    reason: str
    seconds: float
    message: str | None = None
    serial: int = 0
    began_at: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    rows_in: int = 0
    bytes_in: int = 0
    rows_out: int = 0
    bytes_out: int = 0
    worker: int = 0
    has_log: bool = False


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `state` is running, done, failed, interrupted or cancelled.

    Times are in epoch seconds. Partitions are counted; those of a run that goes on, or that died,
    are counted from its attempts, and then nobody knows how many were skipped or blocked. `pid` is
    the process on `host` that carries it out, 0 if that was not noted; `request` what was asked
    for, in words; `note` who ended it from outside; `graph` names the graph that it had.
    """

    id: str
    command: str
    started_at: float
    finished_at: float | None
    state: str
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    host: str
    owner: str
    cancelled: int = 0
    pid: int = 0
    request: str = ""
    note: str = ""
    graph: str | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A materialization on which nothing current rests: its number, partition and run."""

    seq: int
    node: str
    key: str
    run: str | None


@dataclass(frozen=True, slots=True)
class Lasting:
    """Of what is recorded, and stays: the marks of makings, and the code fingerprints."""

    marks: AbstractSet[int]
    codes: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class LogLines:
    """What is logged of a run, in one transaction with what it has made or failed to make.

    `steps` are attempts that ended `at`, in epoch seconds. `seen` says for each (node, key) that
    was made what its call was seen to do; it replaces what was seen before. `ended` are the
    (effect, key) that the run had begun and that are known not to be done.
    """

    run: str
    at: float
    steps: Sequence[StepLog] = ()
    seen: Sequence[tuple[str, str, Sequence[Seen]]] = ()
    ended: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a warehouse without its metastore, to fill an empty one with.

    The records are numbered from `first` on. `effects` gives for each the ordinal since which it
    runs; `begun` are the (effect, key, run) of which no end is known; `seen` gives by (node, key)
    the run that made it, and what was seen meanwhile. `noted` gives by (kind, name) what was noted.
    """

    records: Sequence[Record]
    first: int = 1
    codes: Mapping[str, CodeRecord] = field(default_factory=dict)
    effects: Mapping[str, int] = field(default_factory=dict)
    begun: Sequence[tuple[str, str, str]] = ()
    seen: Mapping[tuple[str, str], tuple[str, tuple[Seen, ...]]] = field(default_factory=dict)
    noted: Mapping[tuple[str, str], str] = field(default_factory=dict)
