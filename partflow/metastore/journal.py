"""The journal beside the metastore: what no footer can hold, and a rebuild needs.

Knows nothing of files of data or of plans. A line is a JSON object: a record (remakes that kept the
file, effects, acceptances, what was observed), a code fingerprint with its parts, an effect with
the ordinal since which it runs, or one that a run has begun, or that ended and was not done. The
`seq` of a record's line is the next number at that time: the one that the record was given is not
lower.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from partflow.code.fingerprint import RULES, CodeFingerprint
from partflow.errors import MetastoreError
from partflow.metastore.protocol import CodesAndEffects, Metastore, Standing
from partflow.metastore.record import CodeRecord, Record, Seen
from partflow.store.protocol import Journaling, Store

_LARGEST = 2**40
_TAIL = 2**16
"""The last line that has a number is looked for in so many bytes before the end."""


@dataclass(slots=True)
class Journal:
    """What a journal says; `unread` counts lines that are none of ours, such as a torn last one.

    `begun` gives by (effect, key) the run that began an effect whose end the journal does not tell,
    `seen` by (node, key) the run that made it, and what was seen meanwhile.
    """

    records: list[Record] = field(default_factory=list)
    codes: dict[str, CodeRecord] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    begun: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[tuple[str, str], tuple[str, tuple[Seen, ...]]] = field(default_factory=dict)
    unread: int = 0

    def add(self, line: str) -> None:
        """Take in one line."""
        try:
            found = json.loads(line)
            if "code_parts" in found:
                rules = _number(found.get("rules", 1))
                self.codes[str(found["digest"])] = CodeRecord(dict(found["code_parts"]), rules)
            elif "effect" in found:
                self.effects[str(found["effect"])] = _number(found["since"])
            elif "begun" in found:
                self.begun[str(found["begun"]), str(found["key"])] = str(found["run"])
            elif "seen" in found:
                what = tuple(Seen(*(_text(t) for t in one)) for one in found["what"])
                self.seen[str(found["seen"]), str(found["key"])] = str(found["run"]), what
            elif "ended" in found:
                self.begun.pop((str(found["ended"]), str(found["key"])), None)
            else:
                record = Record.from_json(line)
                self.records.append(record)
                if record.how == "done":
                    self.begun.pop((record.node, record.key), None)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.unread += 1


def _number(value: object) -> int:
    """The ordinal since which an effect runs, the rules of a code; ValueError if it is none."""
    if type(value) is not int or abs(value) >= _LARGEST:
        raise ValueError(f"{value!r} is no number of ours")
    return value


def _text(value: object) -> Any:
    """A text, or None; ValueError for anything else."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def read_journal(store: Journaling) -> Journal | None:
    """The journal of a warehouse; None if there is none."""
    lines = store.journaled()
    if lines is None:
        return None
    found = Journal()
    for line in lines:
        if line.strip():
            found.add(line)
    return found


def record_lines(metastore: Standing, records: Iterable[Record]) -> list[str]:
    """The lines of records that are about to be recorded."""
    kept = list(records)
    seq = metastore.seq + 1 if kept else 0
    return [_brief(replace(record, seq=seq)).to_json() for record in kept]


def _brief(record: Record) -> Record:
    """A record without the text of a very wide schema, which a look at the file finds again."""
    wide = record.schema is not None and len(record.schema) > _TAIL // 8
    return replace(record, schema=None) if wide else record


def begun_lines(run: str, effects: Iterable[tuple[str, str]]) -> list[str]:
    """The lines of each (effect, key) that a run is about to begin."""
    return [_line({"begun": node, "key": key, "run": run}) for node, key in effects]


def seen_lines(run: str, seen: Iterable[tuple[str, str, Sequence[Seen]]]) -> list[str]:
    """The lines of what was seen while each (node, key) was made, where that is anything."""
    return [
        _line(
            {
                "seen": node,
                "key": key,
                "run": run,
                "what": [[one.kind, one.what, one.sha256] for one in found],
            }
        )
        for node, key, found in seen
        if found
    ]


def ended_lines(effects: Iterable[tuple[str, str]]) -> list[str]:
    """The lines of each (effect, key) that was begun and ended, but was not done."""
    return [_line({"ended": node, "key": key}) for node, key in effects]


def _line(said: object) -> str:
    return json.dumps(said, sort_keys=True)


def note_seen(
    metastore: Metastore, store: Store, news: Sequence[Record], touched: Sequence[Record]
) -> None:
    """Record what a look at the files found: sources' contents, and files put back or rewritten.

    Of touched files those are journaled whose bytes are others: nothing else ties them to a record.
    """
    if not news and not touched:
        return
    now = metastore.seq
    known = metastore.current([(r.node, r.key) for r in touched])
    other = [r for r in touched if known[r.node, r.key].sha256 != r.sha256]
    # What was observed of a source is as new as the number of this moment.
    own = [r if r.code is not None else replace(r, read_seq=now) for r in news]
    store.journal(record_lines(metastore, [*own, *other]))
    metastore.observe(own, touched)


def note_begun(
    metastore: CodesAndEffects,
    store: Store,
    codes: Iterable[CodeFingerprint],
    effects: dict[str, int],
    anew: frozenset[str] = frozenset(),
) -> None:
    """Record the code fingerprints and the effects that a run knows and no run did before.

    Those effects that are to be recorded `anew` are recorded even if one did.
    """
    present = {c.digest: CodeRecord(dict(c.parts), RULES) for c in codes}
    known, had = metastore.code_rules(present), metastore.effects()
    new_codes = {d: c for d, c in present.items() if known.get(d, 0) < c.rules}
    new_effects = {n: o for n, o in effects.items() if n not in had or n in anew}
    lines: list[object] = [
        {"digest": d, "code_parts": dict(c.parts), "rules": c.rules} for d, c in new_codes.items()
    ]
    lines += [{"effect": n, "since": o} for n, o in new_effects.items()]
    if lines:
        store.journal([_line(line) for line in lines])
        metastore.begin(new_codes, new_effects)


def noted_by_older_rules(
    metastore: CodesAndEffects, codes: Iterable[CodeFingerprint]
) -> list[CodeFingerprint]:
    """Those of the codes that only a run by older rules has recorded.

    They are the same under the present rules, which is to be noted: what those count in addition
    and is added later is a change of the code then.
    """
    present = {code.digest: code for code in codes}
    known = metastore.code_rules(present)
    return [code for digest, code in present.items() if known.get(digest, RULES) < RULES]


def note_told(
    metastore: CodesAndEffects, store: Store, told: Sequence[tuple[str, str, str]]
) -> None:
    """Somebody was told of each (effect, key, run) that is perhaps done: it is told no more."""
    if told:
        store.journal(ended_lines((node, key) for node, key, _ in told))
        metastore.end_effects(told)


def require_not_older(metastore: Standing, store: Store) -> None:
    """Raise MetastoreError if a metastore was put back that is older than the journal beside it.

    It would do effects again that are done, and build on acceptances that it has not heard of.
    """
    last, path = _last_seq(store), store.layout.journal
    if last > metastore.seq + 1:
        raise MetastoreError(
            f"the metastore ends at number {metastore.seq:,} and {path} at {last:,}: "
            "it is an older one, put back; `partflow state rebuild` makes it anew from the files "
            "and the journal"
        )


def _last_seq(store: Journaling) -> int:
    """The number in the last line that has one; 0 if none of the last lines has."""
    lines = list(store.journaled(_TAIL) or ())
    found = Journal()
    for line in reversed(lines):
        found.add(line)
        if found.records:
            return found.records[0].seq
    return 0
