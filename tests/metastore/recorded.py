"""Records and publications as a run would bring them to a metastore."""

from __future__ import annotations

from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, LogLines, Record
from partflow.store.identity import FileIdentity

DAY = 86_400


def content(number: int) -> str:
    return f"way1:{number:032x}"


def record(key: str = "1", value: int = 1, *, node: str = "clean", **rest) -> Record:
    """The making of a partition whose content is told by a number."""
    given = {
        "content": content(value), "code": f"{7:032x}", "inputs": bytes(16), "reads": 1,
        "rows": 3, "nbytes": 30, "sha256": f"sha of {value}", "made_at": 1000 + value,
        "identity": FileIdentity(30, value, value, value), "run": "a run",
    } | rest  # fmt: skip
    return Record(node, key, int(key) * DAY, **given)


def intent(made: Record, epoch: int, run: str = "a run", staged: str | None = "0.tmp") -> Intent:
    return Intent(f"{run}/0", made.node, made.key, epoch, staged, None, made.sha256, made)


def claimed(metastore: Metastore, made: Record, run: str = "a run") -> Intent:
    """The intent of somebody who has just claimed the partition."""
    epochs = metastore.claim(run, [(made.node, made.key, made.start)])
    return intent(made, epochs[made.node, made.key], run)


def published(metastore: Metastore, *made: Record, log: LogLines | None = None) -> None:
    """Take records through the life of a publication, each transaction for all of them."""
    intents = [claimed(metastore, each) for each in made]
    metastore.intend(intents)
    metastore.check(intents)
    metastore.commit(intents, log)
