"""What attempts write goes to their logs: from Python's streams by thread, or by descriptor."""

# ruff: noqa: T201 - what is printed is what these look at

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading

import pytest

from partflow.execution.executors.capture import Capture
from partflow.process.spool import Spool


@pytest.fixture
def capture():
    found = Capture()
    yield found
    found.close()


def test_what_is_not_written_makes_no_file(tmp_path, capture):
    with capture.into([tmp_path / "logs/1.log"]) as log:
        pass
    assert not log.is_there
    assert not list(tmp_path.iterdir())


def test_stdout_stderr_and_logging_stand_in_one_log_in_order(tmp_path, capture):
    path = tmp_path / "logs/1.log"
    with capture.into([path]) as log:
        print("one")
        print("two", file=sys.stderr)
        logging.getLogger("any").warning("three")
        sys.stdout.buffer.write(b"four\n")
    assert log.is_there
    lines = path.read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["one", "two", "three", "four"]


def test_each_thread_writes_to_its_own_log_and_others_where_they_did(tmp_path, capture, capsys):
    met = threading.Barrier(2)

    def attempt(name: str) -> None:
        with capture.into([tmp_path / name]):
            met.wait(timeout=30)
            print("from", name)
            logging.getLogger(name).error("of %s", name)
            met.wait(timeout=30)

    threads = [threading.Thread(target=attempt, args=(name,)) for name in ("a", "b")]
    with capture.into([tmp_path / "mine"]):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name in ("a", "b"):
        said, logged = (tmp_path / name).read_text().splitlines()
        assert said == f"from {name}"
        assert logged.endswith(f"ERROR {name}: of {name}")
    assert not (tmp_path / "mine").exists()

    def alone() -> None:
        print("nobody's")

    with capture.into([tmp_path / "mine"]):
        thread = threading.Thread(target=alone)
        thread.start()
        thread.join()
    assert capsys.readouterr().out == "nobody's\n"


def test_afterwards_streams_and_logging_are_what_they_were(tmp_path):
    streams, handlers = (sys.stdout, sys.stderr), list(logging.getLogger().handlers)
    level = logging.getLogger().level
    capture = Capture()
    with capture.into([tmp_path / "log"]), capture.into([tmp_path / "inner"]):
        print("inner")
    assert (sys.stdout, sys.stderr) == streams
    capture.close()
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger().level == level
    assert (tmp_path / "inner").read_text() == "inner\n"


def test_a_stream_that_somebody_puts_in_place_within_an_attempt_stays(tmp_path, capture, capsys):
    before, theirs = sys.stdout, sys.__stdout__
    try:
        with capture.into([tmp_path / "log"]):
            sys.stdout = theirs
        assert sys.stdout is theirs
    finally:
        sys.stdout = before


def test_a_thread_may_print_while_attempts_begin_and_end(tmp_path):
    code = """
import sys, threading
from pathlib import Path
from partflow.execution.executors.capture import Capture
is_over = threading.Event()

def talk():
    while not is_over.is_set():
        print("nobody's")

threads = [threading.Thread(target=talk) for _ in range(3)]
[each.start() for each in threads]
sys.setswitchinterval(1e-6)
capture = Capture()
for number in range(1000):
    with capture.into([Path("log")]):
        pass
is_over.set()
[each.join() for each in threads]
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.replace("nobody's", "").split()) == set()


def test_a_stream_that_an_attempt_puts_around_its_own_and_leaves_does_not_come_back_to_itself(
    tmp_path, capture, monkeypatch, capsys
):
    class Around:
        def __init__(self, stream):
            self.stream = stream

        def __getattr__(self, name):
            return getattr(self.stream, name)

    monkeypatch.setattr(sys, "__stdout__", sys.stdout)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    with capture.into([tmp_path / "first"]):
        sys.stdout = Around(sys.stdout)
    with capture.into([tmp_path / "second"]):
        thread = threading.Thread(target=print, args=("nobody's",))
        thread.start()
        thread.join()
        print("mine")
    assert (tmp_path / "second").read_text() == "mine\n"
    assert capsys.readouterr().out == "nobody's\n"


def test_an_attempt_that_hangs_after_its_run_takes_no_log_from_later_ones(tmp_path, monkeypatch):
    """Whoever runs partflow in a process that lives on may have put streams there meanwhile."""
    run, has_begun, go_on = Capture(), threading.Event(), threading.Event()

    def hang():
        with run.into([tmp_path / "hung"]):
            has_begun.set()
            go_on.wait(60)
            print("at last")

    present = sys.stdout
    thread = threading.Thread(target=hang)
    thread.start()
    try:
        assert has_begun.wait(60)
        run.close()
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        later = Capture()
        with later.into([tmp_path / "later"]):
            print("later")
        later.close()
    finally:
        go_on.set()
        thread.join(60)
        found = sys.stdout
        monkeypatch.setattr(sys, "stdout", present)
    assert (tmp_path / "hung").read_text() == "at last\n"
    assert (tmp_path / "later").read_text() == "later\n"
    assert isinstance(found, io.StringIO)
    assert found.getvalue() == ""


def test_a_log_that_cannot_be_written_costs_nothing(tmp_path, capture):
    (tmp_path / "file").write_text("")
    with capture.into([tmp_path / "file/1.log"]) as log:
        print("lost")
    assert not log.is_there


def test_logging_is_set_up_for_a_project_that_does_not_and_left_alone_otherwise(tmp_path):
    code = """
import logging, sys
from pathlib import Path
from partflow.execution.executors.capture import Capture
if sys.argv[1] == "own":
    logging.basicConfig(level=logging.ERROR)
capture = Capture()
with capture.into([Path(sys.argv[2])]):
    logging.getLogger("a").info("told")
    logging.getLogger("a").error("wrong")
logging.getLogger("a").warning("outside")
"""
    said = {}
    for how in ("none", "own"):
        command = [sys.executable, "-c", code, how, str(tmp_path / how)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        said[how] = done.stderr, len((tmp_path / how).read_text().splitlines())
    assert said == {"none": ("outside\n", 2), "own": ("ERROR:a:wrong\n", 1)}


def test_a_spool_is_moved_whole_and_begins_anew(tmp_path):
    spool = Spool.made(tmp_path / "logs")
    first, second = tmp_path / "logs/run/1.log", tmp_path / "logs/run/2.log"
    assert not spool.move([first])
    for text in ("one\n", "two\n"):
        subprocess.run(["echo", text.strip()], check=True, stdout=spool._descriptor)
        assert spool.tail() == text
        assert spool.move([first, second])
    spool.close()
    assert first.read_text() == second.read_text() == "one\ntwo\n"
    assert sorted(p.name for p in (tmp_path / "logs").iterdir()) == ["run"]


def test_the_tail_of_a_long_text_begins_with_a_line(tmp_path):
    spool = Spool.made(tmp_path)
    lines = "".join(f"line {n}\n" for n in range(10_000))
    subprocess.run(
        [sys.executable, "-c", f"print({lines!r}, end='')"], check=True, stdout=spool._descriptor
    )
    found = spool.tail()
    spool.close()
    assert lines.endswith(found)
    assert found.startswith("line ")
    assert 0 < len(found) < 2**14
