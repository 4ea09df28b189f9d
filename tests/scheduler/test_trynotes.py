"""What is remembered of failures survives being written down; nonsense in it harms nobody."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partflow.scheduler.outlook import FailedSteps
from partflow.scheduler.tries import Memory, with_failures
from partflow.scheduler.trynotes import changed_notes, noted_memory

ROWS = st.dictionaries(st.integers(-5, 40), st.integers(0, 2**64 - 1), min_size=1, max_size=6)
ROUNDS = st.lists(
    st.tuples(st.sampled_from(["clean", "join"]), ROWS, st.booleans(), st.floats(0, 4e9)),
    max_size=6,
)


def remembered(rounds: list[tuple[str, dict[int, int], bool, float]]) -> Memory:
    """The memory after some failures."""
    memory: Memory = {}
    for task, rows, of_machine, at in rounds:
        ordinals, digests = np.array(list(rows), np.int64), np.array(list(rows.values()), np.uint64)
        failure = FailedSteps(task, ordinals, digests, f"{task} failed at {at}", of_machine)
        memory = with_failures(memory, [failure], at)
    return memory


@given(ROUNDS, ROUNDS)
def test_notes_say_what_is_remembered_and_changes_of_them_are_enough(
    earlier: list[tuple[str, dict[int, int], bool, float]],
    later: list[tuple[str, dict[int, int], bool, float]],
) -> None:
    before, after = remembered(earlier), remembered(later)
    notes = {name: text for name, text in changed_notes({}, before).items() if text is not None}
    for name, text in changed_notes(before, after).items():
        if text is None:
            del notes[name]
        else:
            notes[name] = text

    back = noted_memory(notes)

    assert notes == changed_notes({}, after)
    assert changed_notes(back, after) == {}
    assert changed_notes(after, after) == {}
    for task, tries in after.items():
        assert back[task].at.tolist() == tries.at.tolist()
        assert back[task].digests.tolist() == tries.digests.tolist()


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=5))
def test_notes_of_others_are_left_out(noted: dict[str, str]) -> None:
    assert all(len(tries) for tries in noted_memory(noted).values())


def test_a_note_with_impossible_numbers_is_as_if_it_had_never_been() -> None:
    for text in ('["zz",1,1.0,0]', '["1",1,1e999,0]', '["1",-1,1.0,0]', "[1]", "{}", "[" * 9999):
        assert noted_memory({"clean 5": text}) == {}
    assert noted_memory({"clean 99999999999999999999999": '["1",1,1.0,0]'}) == {}
