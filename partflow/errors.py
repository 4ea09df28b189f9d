"""Every error that partflow raises on purpose, each with the exit code of the command line.

Knows nothing of what raises them. Bugs of partflow's own are `AssertionError("BUG: ...")`.

    PartflowError
      DeclarationError      a grain, dataset or task is declared wrongly
        GraphError          declarations that do not fit together; names both places
      ConfigurationError    a file of configuration, an environment variable, the jobs packages
      UsageError            what was asked for: a key, a selection, a date, a query
      ReadError             a file that cannot be read as what it should be
        LateReadError       the same, found out while polars computes a lazy frame
        MovedError          a file that is not the one that was looked at
      ResultError           what a task returned cannot be stored
      PublishError          the disk, or a newer owner, refused what was made
      MetastoreError        the record is newer than this partflow, or damaged
      BusyError             another run is at the same partitions
      ClockError            the clock is behind what was recorded last
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

_NOT_UNDERSTOOD = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError
)  # fmt: skip
"""What Python raises when a value is not what the code takes it for."""

_ADVICE = {
    errno.EISDIR: "a folder lies where a file should be: move it away",
    errno.EEXIST: "a file lies where a folder should be: move it away",
    errno.ENOTDIR: "a file lies where a folder should be: move it away",
    errno.EINVAL: "move away what lies there",
    errno.ENXIO: "move away what lies there",
    errno.ELOOP: "links there lead in a circle: remove one",
    errno.ENAMETOOLONG: "give it a shorter name, or a shorter path",
    errno.EMFILE: "allow more open files (`ulimit -n`), or run fewer at once",
    errno.ENFILE: "allow more open files, or run fewer at once",
    errno.ENOENT: "put it back, or correct its path",
    errno.EIO: "look after the disk",
    errno.EXDEV: "all of a warehouse must lie below its folder, on one disk",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, or name another place",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EACCES: "look at the permissions there",
    errno.EPERM: "look at the permissions there",
}
"""What to do about a refusal of the system, by its number."""


class PartflowError(Exception):
    """Anything that partflow says is wrong: the thing, what is wrong, what to do."""

    exit_code: ClassVar[int] = 2


class DeclarationError(PartflowError):
    """A declaration that cannot be right by itself."""


class GraphError(DeclarationError):
    """Declarations that do not fit together; the message names every place concerned."""


class ConfigurationError(PartflowError):
    """Configuration with a wrong key, type or value, or jobs that cannot be imported."""


class UsageError(PartflowError):
    """A request that means nothing here: an unknown dataset, key, date or option."""


class ReadError(PartflowError):
    """A file that cannot be read as what it should be."""

    exit_code: ClassVar[int] = 1

    def __init__(self, path: str, problem: str, advice: str) -> None:
        super().__init__(f"{path}: {problem}; {advice}")
        self.path = path
        self.problem = problem
        self.advice = advice

    def __reduce__(self) -> tuple[type[ReadError], tuple[str, str, str]]:
        """Survive the way back from another process."""
        return type(self), (self.path, self.problem, self.advice)


class LateReadError(ReadError):
    """A file that turns out unreadable while polars computes a lazy frame.

    polars makes an error of the same class anew. It hands over the text, with lines of its own
    after the first.
    """

    def __init__(self, text: str) -> None:
        path, _, rest = text.partition("\n")[0].partition(": ")
        problem, _, advice = rest.rpartition("; ")
        super().__init__(path, problem, advice)

    def __reduce__(self) -> tuple[type[ReadError], tuple[str, str, str]]:
        """Survive the way back from another process."""
        return ReadError, (self.path, self.problem, self.advice)


class MovedError(ReadError):
    """A file that is not the one that was looked at, or made, before it was to be read."""


class ResultError(PartflowError):
    """What a task returned for a partition cannot be stored."""

    exit_code: ClassVar[int] = 1

    def __init__(self, dataset: str, key: str, problem: str, advice: str) -> None:
        super().__init__(f"{dataset}@{key}: {problem}; {advice}")
        self.dataset = dataset
        self.key = key
        self.problem = problem
        self.advice = advice

    def __reduce__(self) -> tuple[type[ResultError], tuple[str, str, str, str]]:
        """Survive the way back from another process."""
        return type(self), (self.dataset, self.key, self.problem, self.advice)


class PublishError(PartflowError):
    """The disk, or a newer owner of the partition, refused what was made."""

    exit_code: ClassVar[int] = 1


class MetastoreError(PartflowError):
    """The metastore is newer than this partflow, or is no metastore."""


class BusyError(PartflowError):
    """Another run is at what was asked for."""

    exit_code: ClassVar[int] = 4


class ClockError(PartflowError):
    """The clock of this machine is behind what was recorded last; nothing was made."""

    exit_code: ClassVar[int] = 1


def together(errors: Sequence[PartflowError]) -> PartflowError:
    """One error for several, each on lines of its own: of their class, or a ConfigurationError."""
    if len(errors) == 1:
        return errors[0]
    kinds = {type(error) for error in errors}
    kind = kinds.pop() if len(kinds) == 1 else ConfigurationError
    items = "".join(f"\n- {str(error).replace(chr(10), chr(10) + '  ')}" for error in errors)
    return kind(f"{len(errors)} things are wrong:{items}")


def guess(word: object, known: Iterable[str], otherwise: str) -> str:
    """The known word that is nearest, as `did you mean 'x'?`; `otherwise` if none is near."""
    from difflib import get_close_matches  # Here, since only what ends with an error needs it.

    near = get_close_matches(str(word), list(known), 1)
    return f"did you mean {near[0]!r}?" if near else otherwise


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn errors over a recorded value that partflow never wrote into a MetastoreError.

    `what` names the value in the message.
    """
    try:
        yield
    except _NOT_UNDERSTOOD as error:
        raise MetastoreError(
            f"the metastore cannot be understood at {what} ({type(error).__name__}: {error}); it "
            "was damaged or changed by somebody: restore a backup, or `partflow state rebuild` "
            "makes it anew from the files and the journal"
        ) from None


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Put the path of a file into an OSError that is raised meanwhile: an open file's lacks it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def advice_of(error: OSError) -> str:
    """What to do about what the system refused, as words to put after a semicolon."""
    return _ADVICE.get(error.errno or 0, "make room, or look at the permissions there")
