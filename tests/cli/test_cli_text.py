"""What is printed, without a project: columns, sentences, bars, progress."""

from __future__ import annotations

import json
import signal
import sys

import numpy as np
import pytest

from partflow.cli.progress import Lines, spoken_rate, watched
from partflow.cli.session import Session
from partflow.cli.stopping import Interrupt
from partflow.execution.controls import Stop
from partflow.operations.cancel import GENTLY
from partflow.planning.planner import State
from partflow.report.status import heat
from partflow.report.text import aligned, count, json_text, printable, size, width


def test_columns_stand_below_one_another_whatever_the_letters_are_wide():
    lines = aligned([("a", "1", "x"), ("日本", "200", "y")], right=(1,))
    assert lines == ["a       1  x", "日本  200  y"]
    assert len({width(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("nbytes", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (999_949, "999.9 KB"), (999_951, "1.0 MB")],
)
def test_a_size_has_at_most_three_digits_before_the_point(nbytes, said):
    assert size(nbytes) == said


def test_one_partition_is_no_partitions():
    assert count(1, "partition") == "1 partition"
    assert count(1095, "partition") == "1,095 partitions"


def test_what_a_terminal_would_obey_is_written_out():
    assert printable("a\x1b[31m\nb\u202e é") == "a\\x1b[31m\\nb\\u202e é"


def test_each_cell_of_the_bar_has_the_worst_state_of_its_part():
    states = np.full(2400, State.FRESH, np.uint8)
    states[150] = State.WAITING
    states[170] = State.STALE
    states[190] = State.MISSING
    states[2399] = State.BLOCKED
    cells = heat(states)
    assert len(cells) == 24
    assert (cells[0], cells[1], cells[2]) == (State.FRESH, State.MISSING, State.FRESH)
    assert cells[-1] is State.BLOCKED


@pytest.mark.parametrize("n", [0, 1, 23, 24, 25, 47])
def test_a_bar_has_no_more_cells_than_partitions(n):
    states = np.zeros(n, np.uint8)
    assert len(heat(states)) == min(n, 24)


def test_without_a_terminal_a_line_says_now_and_then_how_far_it_is(capsys):
    times = iter([0.0, 1.0, 5.0, 6.0, 10.0])
    interrupt = Interrupt(Stop())
    lines = Lines(interrupt, now=lambda: next(times))
    lines.begun(2000)
    for finished in (100, 500, 600, 1000):
        lines.moved(finished, 3)
    assert interrupt.running
    assert capsys.readouterr().err.splitlines() == [
        "500 of 2,000 done, 3 failed, 100/s, 15 s left",
        "1,000 of 2,000 done, 3 failed, 100/s, 10 s left",
    ]


def test_a_bar_counts_as_all_else_does(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with watched(Interrupt(Stop())) as bar:
        bar.begun(2000)
        bar.moved(1000, 3)
    assert " 1,000/2,000 " in capsys.readouterr().err


def test_a_slow_rate_is_said_by_the_minute():
    assert (spoken_rate(1234.5), spoken_rate(0.25)) == ("1,234/s", "15/min")


def test_ctrl_c_asks_first_then_stops_now_and_breaks_off_at_last():
    interrupt = Interrupt(Stop(), running=True)
    interrupt(signal.SIGINT, None)
    assert (interrupt.stop.asked, interrupt.stop.now) == (True, False)
    interrupt(signal.SIGINT, None)
    assert (interrupt.stop.asked, interrupt.stop.now) == (True, True)
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)


def test_a_service_manager_stops_a_run_now_and_a_gentle_cancel_never_does():
    gentle = Interrupt(Stop(), running=True)
    gentle(GENTLY, None)
    gentle(GENTLY, None)
    assert (gentle.stop.asked, gentle.stop.now) == (True, False)
    interrupt = Interrupt(Stop(), running=True)
    interrupt(signal.SIGTERM, None)
    assert interrupt.stop.now


def test_ctrl_c_ends_at_once_what_has_not_begun():
    with pytest.raises(KeyboardInterrupt):
        Interrupt(Stop())(signal.SIGINT, None)


def test_the_command_that_runs_it_again_can_be_pasted_into_a_shell():
    again = Session(folder="my shop; rm").calls("materialize", "a", "-p", "2024-01")
    assert again == "partflow --project 'my shop; rm' materialize a -p 2024-01"


OBEYED = "\x1b[31m\x07\x7f\x9b31m\u202edrowssap\u2066\u200f\r"


def test_what_a_terminal_would_obey_is_written_out_and_letters_are_not():
    assert printable(f"a{OBEYED}\n") == (r"a\x1b[31m\x07\x7f\x9b31m\u202edrowssap\u2066\u200f\r\n")
    assert printable("a\tb\n\x07", "\n\t") == "a\tb\n\\x07"
    plain = "Müller 東京\u3000都 😀\u00a0é"
    assert printable(plain) == json_text(plain)[1:-1] == plain


@pytest.mark.parametrize("text", [OBEYED, "\U000e0001\ud800", "\u2028\n\x00"])
def test_json_holds_nothing_raw_that_a_terminal_would_obey(text):
    document = {text: [text, 1.5, None]}
    said = json_text(document, indent=2)
    assert all(c == "\n" or c.isprintable() for c in said)
    assert json.loads(said) == document
