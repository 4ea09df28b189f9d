"""The loop of the process that leads: look, decide, begin runs, and sleep until there is news.

Knows nothing of processes, files or the clock: they are behind `Outside`, so that years of ticks
can be played through. What is to be done is decided in `decide`, from an `Outlook`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from partflow.project.settings import Scheduling
from partflow.report.notice import well_words, wrong_words
from partflow.report.text import count, moment, span
from partflow.scheduler.decide import UnderWay, decide
from partflow.scheduler.messages import (
    Ended,
    Leased,
    LookDone,
    LookFailed,
    NotLoaded,
    Progressed,
    StepLost,
)
from partflow.scheduler.news import Changed, Delivered, Died, News, OfRun, Stirred, Stopped
from partflow.scheduler.outlook import Outlook, Root, Trouble

_A_MOMENT, _A_BREATH = 0.1, 1.0
_GRACE = 5.0
"""For how many seconds a run that was cancelled is waited for; then its process is ended."""
_DOING = {"load": "load the project", "look": "look at the warehouse", "run": "carry a run out"}
_OF_LOOKS = (
    Root("project", ""), Root("machine", ""), Root("child", "load"), Root("child", "look"),
)  # fmt: skip
"""What is over once a look has come to its end."""
_OF_RUNS = Root("child", "run")
_DOUBLINGS = 20


class Outside(Protocol):
    """The world of the loop: its clock, its children, and whoever speaks to it."""

    def now(self) -> float:
        """The time in epoch seconds, by the wall."""
        ...

    def look(self, *, at_all: bool) -> None:
        """Have a child look; `LookDone`, `LookFailed`, `NotLoaded` or `Died` will be the answer."""
        ...

    def begin(self, number: int, outlook: Outlook, *, is_apart: bool) -> None:
        """Have a child carry a run out; `OfRun` or `Died` of that number will be news."""
        ...

    def halt(self, *, now: bool) -> None:
        """Let runs begin nothing more, or give up what is under way, too."""
        ...

    def news(self, until: float) -> Sequence[News]:
        """Wait for news, but not longer than until that moment in epoch seconds."""
        ...


Tell = Callable[[Sequence[Trouble], float, bool], float | None]
"""Tells people of what is wrong now; gives back when to call again, None if never.

The last argument is whether that is all: before the first look nobody knows.
"""


@dataclass(slots=True)
class Running:
    """A run that goes on, and how far it has come; `steps` is None until it has its lease."""

    steps: int | None = None
    finished: int = 0
    failed: int = 0


@dataclass(slots=True)
class Serve:
    """`serve` while it leads. `say` is called with a line for each thing that happens.

    `troubles` are those that no look can see: of the project's code, of children, of looks. If it
    `is_once`, it is over as soon as nothing is left to be done, or cannot be done.
    """

    outside: Outside
    settings: Scheduling
    say: Callable[[str], None]
    tell: Tell = lambda _, __, ___: None
    is_once: bool = False
    runs: dict[int, Running] = field(default_factory=dict)
    troubles: dict[Root, Trouble] = field(default_factory=dict)
    outlook: Outlook | None = None
    is_stopping: bool = False
    is_over: bool = False
    _numbers: int = 0
    _has_failed: bool = False
    _is_looking: bool = False
    _looks_at_all: bool = True
    _look_at: float = 0.0
    _has_changed: bool = False
    _rests_until: float = 0.0
    _deaths: int = 0
    _well_at: float = 0.0
    _gives_up_at: float | None = None
    _is_giving_up: bool = False
    _tells_at: float | None = None

    def turn(self) -> None:
        """Ask for a look if it is time, wait for news, and act on it."""
        now = self.outside.now()
        # Soon, also if the clock was put back.
        self._look_at = min(self._look_at, now + self._span)
        if self._may_look and self._look_at <= now:
            self._is_looking, self._has_changed = True, False
            self.outside.look(at_all=self._looks_at_all)
        wakes_at = self._look_at if self._may_look else now + self._span
        moments = [at for at in (self._gives_up_at, self._tells_at) if at is not None]
        for each in self.outside.news(min([wakes_at, *moments])):
            self._hear(each)
        if self._gives_up_at is not None and self._gives_up_at <= self.outside.now():
            self._give_up()
        if self._tells_at is not None and self._tells_at <= self.outside.now():
            self._tell()
        self.is_over |= self.is_stopping and not self.runs

    def _give_up(self) -> None:
        """Cancel what runs; and end without it, if it still does not end."""
        if self._is_giving_up:
            self.is_over = True
            return
        self._is_giving_up = True
        self._gives_up_at = self.outside.now() + _GRACE
        self.outside.halt(now=True)

    def _tell(self) -> None:
        """Tell people of all that is wrong, as far as it was seen last."""
        seen = () if self.outlook is None else self.outlook.troubles
        now = self.outside.now()
        has_looked = self.outlook is not None
        self._tells_at = self.tell((*self.troubles.values(), *seen), now, has_looked)
        if self._tells_at is not None:  # later, also if the clock was put back
            self._tells_at = min(max(self._tells_at, now + _A_MOMENT), now + self._span)

    @property
    def is_well(self) -> bool:
        """Whether nothing failed, is late, or stood in the way, as far as was seen."""
        seen = self.outlook
        is_seen_well = seen is not None and not (seen.troubles or seen.failing)
        return is_seen_well and not self.troubles and not self._has_failed

    @property
    def words(self) -> str:
        """What it is at, in a few words."""
        wrong = f", {len(self.troubles)} troubles" if self.troubles else ""
        return f"leads, {len(self.runs)} runs{wrong}"

    @property
    def _span(self) -> float:
        return self.settings.look_every.total_seconds()

    @property
    def _may_look(self) -> bool:
        """Whether a look would tell anything: not while a run is about to take its lease."""
        is_beginning = any(run.steps is None for run in self.runs.values())
        return not (self._is_looking or self.is_stopping or is_beginning)

    # --- hearing -----------------------------------------------------------------------------

    def _hear(self, news: News) -> None:
        now = self.outside.now()
        match news:
            case LookDone():
                self._seen(news.outlook, now)
            case LookFailed() | NotLoaded():
                self._not_seen(news, now)
            case OfRun():
                self._of_run(news.number, news.said, now)
            case Died():
                self._died(news, now)
            case Changed() | Stirred():
                self._look_at = now
            case Delivered():
                self._tell()
            case Stopped():
                self._stop(now)
            case _:
                assert_never(news)

    def _seen(self, outlook: Outlook, now: float) -> None:
        """Decide from a look, and begin a run if there is one to begin."""
        self._is_looking = False
        for root in _OF_LOOKS:
            self.troubles.pop(root, None)
        if not (self.runs or outlook.steps):  # What a child died of was made, or is not wanted.
            self._deaths = 0
            self.troubles.pop(_OF_RUNS, None)
        self._show(() if self.outlook is None else self.outlook.troubles, outlook.troubles)
        self.outlook, self._well_at = outlook, now
        self._tell()
        under_way = UnderWay(len(self.runs), self._has_changed, self._rests_until)
        acts = decide(outlook, under_way, now, self.settings)
        self._look_at, self._looks_at_all = acts.sleep_until, acts.looks_at_all
        if acts.begins_run and not self.is_stopping:
            self._numbers += 1
            self.runs[self._numbers] = Running()
            self._has_changed = True
            self.outside.begin(self._numbers, outlook, is_apart=self._deaths > 0)
        if not under_way.has_changed:  # Else another look tells what there is to be done.
            self._end_if_once()

    def _end_if_once(self) -> None:
        self.is_over |= self.is_once and not self.runs

    def _show(self, before: Sequence[Trouble], after: Sequence[Trouble]) -> None:
        """Say what has gone wrong since the last look, and what is well again.

        Each step that failed was said when it did.
        """
        were, are = {each.root for each in before}, {each.root for each in after}
        for root in sorted(were - are):
            self.say(well_words(root.kind, root.name))
        for trouble in after:
            if trouble.root not in were and trouble.root.kind != "failed":
                self.say(_wrong(trouble))

    def _not_seen(self, news: LookFailed | NotLoaded, now: float) -> None:
        """Try again later, and say what is wrong, once."""
        self._is_looking = False
        self._look_at = now + self._span
        if isinstance(news, LookFailed):
            self._trouble(Root("machine", ""), news.said, now)
            self._end_if_once()
            return
        last = f"it last loaded well at {moment(self._well_at)}" if self._well_at else ""
        advice = "; ".join(filter(None, ["mend it: until then nothing new begins", last]))
        self._trouble(Root("project", ""), news.said, now, advice)
        self._end_if_once()

    def _of_run(
        self, number: int, said: Leased | Progressed | StepLost | Ended, now: float
    ) -> None:
        match said:
            case Leased():
                self.runs[number].steps = said.steps
                self._has_changed, self._look_at = True, now
            case Progressed():
                self.runs[number].finished, self.runs[number].failed = said.finished, said.failed
            case StepLost():
                self.say(f"{said.task} {said.key} failed: {said.said}")
            case Ended():
                self._ended(number, said, now)
            case _:
                assert_never(said)

    def _ended(self, number: int, ended: Ended, now: float) -> None:
        del self.runs[number]
        self._has_changed, self._look_at = True, now
        if ended.run:
            self._deaths = 0
            self.troubles.pop(_OF_RUNS, None)
        self._has_failed |= ended.failed + ended.blocked > 0
        if not ended.ran:  # One that came to nothing would come to nothing again at once.
            is_remembered = ended.failed and not ended.said  # and so is held by the next look
            self._rests_until = now + (_A_BREATH if is_remembered else self._span)
        if ended.run or ended.said:
            self.say(_sentence(ended))

    def _died(self, died: Died, now: float) -> None:
        """Go on without a child: what it was at is tried again, each time somewhat later."""
        if died.doing != "run":
            self._is_looking = False
        self.runs.pop(died.number, None)
        self._deaths += 1
        self._has_changed = True
        pause = min(self._span, 2.0 ** min(self._deaths, _DOUBLINGS))
        self._look_at = self._rests_until = now + pause
        at = f" at {died.place}" if died.place else ""
        said = f"a child process ended while it was to {_DOING[died.doing]}{at}: {died.said}"
        self._trouble(Root("child", died.doing), said, now)
        if died.doing != "run" or self._deaths > 1:  # The next run is apart, and comes further.
            self._end_if_once()

    def _trouble(self, root: Root, said: str, now: float, advice: str = "") -> None:
        before = self.troubles.get(root)
        if before is None or before.said != said:
            self.say(f"{said}; {advice}" if advice else said)
        since = now if before is None else before.since
        self.troubles[root] = Trouble(root, since, said, advice)
        self._tell()

    def _stop(self, now: float) -> None:
        """At first let what runs come to its end; the second time end at once."""
        self.is_over = self.is_stopping
        self.is_stopping = True
        self._gives_up_at = now + self.settings.stop_within.total_seconds()
        self.outside.halt(now=self.is_over)


def _wrong(trouble: Trouble) -> str:
    """What is wrong, of how many, the line to read first, and what to do."""
    keys = span(trouble.first, trouble.last) if trouble.first else ""
    behind = count(trouble.blocked, "other waits", "others wait") if trouble.blocked else ""
    head = wrong_words(trouble.root.kind, trouble.root.name)
    of = ", ".join(filter(None, [keys, behind and f"{behind} behind"]))
    return f"{head}{of and f' ({of})'}: {'; '.join(filter(None, [trouble.said, trouble.advice]))}"


def _sentence(ended: Ended) -> str:
    if not ended.run:
        return f"a run came to nothing: {ended.said}"
    counts = (
        f"run {ended.run}: ran {ended.ran:,}, unchanged {ended.unchanged:,}, "
        f"failed {ended.failed:,}, blocked {ended.blocked:,}"
    )
    return f"{counts}; {ended.said}" if ended.said else counts
