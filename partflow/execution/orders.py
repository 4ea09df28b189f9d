"""What goes to an executor and what comes back: orders, and the outcomes of their attempts.

Knows nothing of how or where an order is carried out, or of what is done with its outcomes. All of
it is plain data that means the same on another machine: it holds no absolute path, no working
directory and no open file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from partflow.metastore.record import Seen

_LONGEST = 10_000
_CUT = " ... (cut) ... "


@dataclass(frozen=True, slots=True)
class InputRead:
    """What was read of one dataset: a range's digest in hex, and its number of partitions.

    Where a part of the range was enough, `of` is how many partitions the read is of, and `last` is
    the key of the last that was read.
    """

    dataset: str
    digest: str
    partitions: int
    of: int | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a partition is made from, as its footer carries it; moments are in epoch seconds.

    `read_seq` is the number that the record had reached when the inputs were chosen. `made_at` is
    the moment at which the attempt was handed out: then the inputs were as this says. If that is
    before `settles_at`, it is provisional; None if its task does not say when it settles.
    """

    task: str
    key: str
    start: int
    end: int
    code: str
    run: str
    read_seq: int
    inputs: tuple[InputRead, ...]
    made_at: int = 0
    settles_at: int | None = None

    def to_json(self) -> str:
        """The text in the footer; `layout` is the version of its form."""
        entries = {n: value for n in _LINEAGE if (value := getattr(self, n)) is not None}
        entries["inputs"] = [
            {name: value for name, value in asdict(i).items() if value is not None}
            for i in self.inputs
        ]
        return json.dumps({"layout": 1, **entries}, sort_keys=True)


_LINEAGE = tuple(each.name for each in fields(Lineage))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one step: the step's `number`-th, from 1; `serial` is unique in the run.

    `reads` holds the upstream ordinals of each read, and `nbytes` is the size of all their files in
    bytes. `expected` holds for each read the identities of its files, 32 bytes each, as the run
    found or made them; None if nobody looked at them. `lineage` is what the footer will carry.
    `present` names the outputs whose file is in place as recorded: only that can be kept within a
    tolerance.
    """

    serial: int
    ordinal: int
    number: int
    reads: tuple[tuple[int, ...], ...]
    lineage: Lineage
    present: tuple[str, ...] = ()
    nbytes: int = 0
    expected: tuple[bytes | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One call of a task's function: one attempt, or a batch of them at neighbouring partitions.

    A batch is in order of time. `timeout` is in seconds, from when the call begins. `is_alone` says
    that no other order is under way, and none can begin beside this one.
    """

    run: str
    task: str
    attempts: tuple[Attempt, ...]
    timeout: float | None = None
    is_alone: bool = False

    @property
    def serial(self) -> int:
        """The order's number, unique in the run: that of its first attempt."""
        return self.attempts[0].serial


@dataclass(frozen=True, slots=True)
class Output:
    """One sealed file that is not yet published.

    `staged` is its name in the staging folder. `content` is its fingerprint, `sha256` the digest of
    its bytes, `nbytes` their number. `is_close` says that it equals the present file within the
    dataset's tolerance. `schema` is a text of its columns and types; None if it is no table.
    `memory` is how many bytes its frame takes; 0 if it had none.
    """

    dataset: str
    key: str
    staged: str
    content: str
    rows: int
    nbytes: int
    sha256: str
    is_close: bool = False
    schema: str | None = None
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: the message, the user's own line, the traceback from there on.

    `is_final` says that another attempt cannot help. `is_shared` says that a batch failed as a
    whole: to find the partition at fault, each has to be made in a call of its own. `is_cut_off`
    says that the worker ended in the middle of the call, so that nobody knows how far it came.
    `is_of_other_code` says that the worker has other code than the order is for, and did nothing.
    """

    message: str
    place: str = ""
    trace: str = ""
    is_final: bool = False
    is_shared: bool = False
    is_cut_off: bool = False
    is_of_other_code: bool = False

    def __post_init__(self) -> None:
        """Make the texts valid UTF-8, and cut the middle out of what is longer than 10,000."""
        for name in ("message", "place", "trace"):
            text = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            if len(text) > _LONGEST:  # The end says what was raised, the beginning where.
                half = (_LONGEST - len(_CUT)) // 2
                text = f"{text[:half]}{_CUT}{text[-half:]}"
            object.__setattr__(self, name, text)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt cost; the attempts of a batch share the cost of its call in equal parts.

    `began_at` is in epoch seconds, `seconds` is wall time, `cpu` is seconds of processor time.
    `memory` is the most that the worker has taken so far, in bytes. `worker` is the number of the
    worker; 0 is the run's own process.
    """

    began_at: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended; `outputs` are in the order of the task's writes.

    `has_log` says that it printed or logged something. `seen` is what its call was seen to touch
    beside its inputs.
    """

    serial: int
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
    cost: Cost = Cost()
    has_log: bool = False
    seen: tuple[Seen, ...] = ()
