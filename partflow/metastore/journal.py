"""The journal beside the metastore: what no footer can hold, and a rebuild needs.

Knows nothing of files of data or of plans. A line is a JSON object, one of these: a record (of a
remake that kept its file, an effect, an acceptance, or what was observed); a code fingerprint with
its parts; an effect with the ordinal since which it runs; an effect that a run has begun; an effect
that ended and was not done; what was seen while a partition was made; what was noted for later. The
`seq` of a record's line is the next number at that time, and the record's own number is not lower.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from partflow.code.fingerprint import RULES, CodeFingerprint
from partflow.errors import MetastoreError
from partflow.metastore.protocol import CodesAndEffects, Metastore, Standing
from partflow.metastore.record import CodeRecord, Record, Seen
from partflow.store.protocol import Journaling, Store

_LARGEST = 2**40
_TAIL = 2**16
"""How many bytes before the end are searched for the last line that has a number."""


@dataclass(slots=True)
class Journal:
    """What a journal says; `unread` counts lines that partflow did not write, or not to their end.

    `codes` gives code fingerprints by digest, `effects` the ordinal since which each effect runs.
    `begun` gives by (effect, key) the run that began an effect, unless the journal tells its end.
    `seen` gives by (node, key) the run that made it, and what was seen meanwhile. `noted` gives by
    (kind, name) what was noted last, unless that was taken away.
    """

    records: list[Record] = field(default_factory=list)
    codes: dict[str, CodeRecord] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    begun: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[tuple[str, str], tuple[str, tuple[Seen, ...]]] = field(default_factory=dict)
    noted: dict[tuple[str, str], str] = field(default_factory=dict)
    unread: int = 0

    def add(self, line: str) -> None:
        """Add what one line says."""
        try:
            said = said_in(line)
            if said.table == "records":
                self.records.append(Record.from_json(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.unread += 1
            return
        if said.ends is not None:
            self.begun.pop(said.ends, None)
        if said.table != "records":
            table = getattr(self, said.table)
            if said.value is None:
                table.pop(said.name, None)
            else:
                table[said.name] = said.value


@dataclass(frozen=True, slots=True)
class JournalLine:
    """What a line says: a `value` under a name in a table of `Journal`; None takes it away.

    Of a record the value is the document. `ends` is an (effect, key) of which it tells the end.
    """

    table: str
    name: Any
    value: Any
    ends: tuple[str, str] | None = None


def said_in(line: str) -> JournalLine:
    """What a line says. ValueError, TypeError, KeyError or AttributeError if it is none of ours."""
    document = json.loads(line)
    if "code_parts" in document:
        code = CodeRecord(dict(document["code_parts"]), _number(document.get("rules", 1)))
        return JournalLine("codes", str(document["digest"]), code)
    if "effect" in document:
        return JournalLine("effects", str(document["effect"]), _number(document["since"]))
    if "noted" in document:
        name = str(document["noted"]), str(document["name"])
        return JournalLine("noted", name, _text(document["text"]))
    if "seen" in document:
        things = tuple(Seen(*(_text(t) for t in thing)) for thing in document["what"])
        name = str(document["seen"]), str(document["key"])
        return JournalLine("seen", name, (str(document["run"]), things))
    if "begun" in document:
        return JournalLine(
            "begun", (str(document["begun"]), str(document["key"])), str(document["run"])
        )
    if "ended" in document:
        name = str(document["ended"]), str(document["key"])
        return JournalLine("begun", name, None)
    place = str(document["node"]), str(document["key"])
    return JournalLine("records", place, document, place if document["how"] == "done" else None)


def _number(value: object) -> int:
    """A number in a line; ValueError for anything that partflow would not write as one."""
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
    journal = Journal()
    for line in lines:
        if line.strip():
            journal.add(line)
    return journal


def record_lines(metastore: Standing, records: Iterable[Record]) -> list[str]:
    """The lines to journal for records that are about to be recorded."""
    kept = list(records)
    seq = metastore.seq + 1 if kept else 0
    return [_brief(replace(record, seq=seq)).to_json() for record in kept]


def _brief(record: Record) -> Record:
    """The record without the text of a very wide schema: a look at the file finds that again."""
    wide = record.schema is not None and len(record.schema) > _TAIL // 8
    return replace(record, schema=None) if wide else record


def begun_lines(run: str, effects: Iterable[tuple[str, str]]) -> list[str]:
    """The lines to journal for each (effect, key) that a run is about to begin."""
    return [_line({"begun": node, "key": key, "run": run}) for node, key in effects]


def seen_lines(run: str, seen: Iterable[tuple[str, str, Sequence[Seen]]]) -> list[str]:
    """The lines to journal of what was seen while each (node, key) was made, if anything was."""
    return [
        _line(
            {
                "seen": node,
                "key": key,
                "run": run,
                "what": [[thing.kind, thing.what, thing.sha256] for thing in things],
            }
        )
        for node, key, things in seen
        if things
    ]


def ended_lines(effects: Iterable[tuple[str, str]]) -> list[str]:
    """The lines to journal for each (effect, key) that was begun and ended, but was not done."""
    return [_line({"ended": node, "key": key}) for node, key in effects]


def _line(document: object) -> str:
    return json.dumps(document, sort_keys=True)


def note_seen(
    metastore: Metastore,
    store: Store,
    news: Sequence[Record],
    touched: Sequence[Record],
    sets: Mapping[str, Mapping[str, str]],
) -> None:
    """Record what a look at the files found: sources' contents, and files put back or rewritten.

    `sets` are texts by kind and key, of what is remembered of partitions of several files. They are
    noted first, because a text is passed over if it is not of the recorded files.

    Those of the touched files are journaled whose bytes have changed: a rebuild could not tell of
    which record they are.
    """
    if not news and not touched:
        return
    for kind, texts in sets.items():
        note(metastore, store, kind, texts)
    now = metastore.seq
    recorded = metastore.current([(r.node, r.key) for r in touched])
    other = [r for r in touched if recorded[r.node, r.key].sha256 != r.sha256]
    # An observation of a source is as new as the last number at this moment.
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
    """Record those code fingerprints and effects of a run that no run before it had.

    Effects in `anew` are recorded even if one had.
    """
    present = {c.digest: CodeRecord(dict(c.parts), RULES) for c in codes}
    recorded, had = metastore.code_rules(present), metastore.effects()
    new_codes = {d: c for d, c in present.items() if recorded.get(d, 0) < c.rules}
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
    """Those of the codes that were last recorded under older rules of the code fingerprint.

    Their fingerprint is the same under the present rules: they have nothing that only these count.
    That has to be noted: if such a thing is added later, it is a change of the code.
    """
    present = {code.digest: code for code in codes}
    recorded = metastore.code_rules(present)
    return [code for digest, code in present.items() if recorded.get(digest, RULES) < RULES]


def note_told(
    metastore: CodesAndEffects, store: Store, told: Sequence[tuple[str, str, str]]
) -> None:
    """Note that somebody was told of each (effect, key, run) that is perhaps done: not again."""
    if told:
        store.journal(ended_lines((node, key) for node, key, _ in told))
        metastore.end_effects(told)


def note(
    metastore: Metastore, store: Journaling, kind: str, texts: Mapping[str, str | None]
) -> None:
    """Note texts of a kind by name, so that a rebuild knows of them; None takes one away."""
    if texts:
        lines = [{"noted": kind, "name": name, "text": text} for name, text in texts.items()]
        store.journal([_line(line) for line in lines])
        metastore.note(kind, texts)


def require_not_older(metastore: Standing, store: Store) -> None:
    """Raise MetastoreError if a metastore was put back that is older than the journal beside it.

    It would do effects again that are done, and would not know of later acceptances.
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
    journal = Journal()
    for line in reversed(lines):
        journal.add(line)
        if journal.records:
            return journal.records[0].seq
    return 0
