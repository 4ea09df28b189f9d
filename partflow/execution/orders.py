"""What goes to an executor and what comes back: orders, and the outcomes of their attempts.

Knows nothing of how or where an order is carried out, or of what is done with its outcomes. All of
it is plain data that means the same elsewhere: no path of this machine, no folder that this process
works in, no file that it has open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from partflow.metastore.record import Seen

_LONGEST = 10_000
_CUT = " ... (cut) ... "


@dataclass(frozen=True, slots=True)
class InputRead:
    """What was read of one dataset: the digest of its range in hex, over so many partitions."""

    dataset: str
    digest: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a partition is made from, as its footer carries it; moments in epoch seconds.

    `made_at` is when it was handed out to be made, which is when its inputs were as it says.
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

    def to_json(self) -> str:
        """The text in the footer; `layout` numbers its form."""
        found = {name: getattr(self, name) for name in _LINEAGE}
        found["inputs"] = [
            {"dataset": i.dataset, "digest": i.digest, "partitions": i.partitions}
            for i in self.inputs
        ]
        return json.dumps({"layout": 1, **found}, sort_keys=True)


_LINEAGE = tuple(each.name for each in fields(Lineage))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one step: its `number` counts from 1, its `serial` is its own in the run.

    `reads` holds for each read the upstream ordinals, `stamps` what their files looked like if they
    are a source's that was looked at, `nbytes` their size. `lineage` is what the footer will carry.
    `present` names the outputs whose present file a float tolerance may keep.
    """

    serial: int
    ordinal: int
    number: int
    reads: tuple[tuple[int, ...], ...]
    lineage: Lineage
    present: tuple[str, ...] = ()
    nbytes: int = 0
    stamps: tuple[bytes | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One call of a task's function, as an executor takes it: one attempt, or a batch of them.

    The attempts are at neighbouring partitions, in order. `timeout` is in seconds from when it
    is begun. It `is_alone` if nothing else is under way or can be begun.
    """

    run: str
    task: str
    attempts: tuple[Attempt, ...]
    timeout: float | None = None
    is_alone: bool = False

    @property
    def serial(self) -> int:
        """The order's own number in the run: its first attempt's."""
        return self.attempts[0].serial


@dataclass(frozen=True, slots=True)
class Output:
    """One sealed file, not yet published; `is_close` if it equals the present one in tolerance.

    `staged` names it among what runs stage. `schema` is the text of its columns and
    types; None for what is no table. `memory` is how many bytes its frame takes; 0 if it was none.
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

    `is_final` says that trying again cannot help. `is_shared` says that a batch failed as a whole:
    which of its partitions is at fault shows when each is made by itself. `is_cut_off` says that
    what carried it out ended in the middle: how far it had come nobody knows.
    """

    message: str
    place: str = ""
    trace: str = ""
    is_final: bool = False
    is_shared: bool = False
    is_cut_off: bool = False

    def __post_init__(self) -> None:
        """Keep what can be written down: no bytes of paths that are no text, nor a novel."""
        for name in ("message", "place", "trace"):
            text = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            if len(text) > _LONGEST:  # its end says what was raised, its beginning where
                half = (_LONGEST - len(_CUT)) // 2
                text = f"{text[:half]}{_CUT}{text[-half:]}"
            object.__setattr__(self, name, text)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt cost; those of a batch share its call in equal parts.

    `began_at` in epoch seconds; `seconds` of wall time, `cpu` seconds of its worker's processor;
    `memory` is the worker's high-water mark so far, in bytes; `worker` numbers who carried it out:
    0 is the process of the run.
    """

    began_at: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt; `outputs` in the order of the task's writes.

    `has_log` says that it wrote something to its log, to stdout or to stderr. `seen` is what its
    call did beside reading its inputs.
    """

    serial: int
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
    cost: Cost = Cost()
    has_log: bool = False
    seen: tuple[Seen, ...] = ()
