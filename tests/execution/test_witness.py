"""What a task's calls are seen to do beside reading their inputs: files, programs, addresses."""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextvars import copy_context

import pytest

from partflow.execution.attempt import witness
from partflow.execution.controls import Controls
from partflow.report.document import document
from partflow.report.why import why_lines, why_report

DAYS = ("2024-01-01", "2024-01-02")
HEAD = """
import os, pathlib, socket, sqlite3, subprocess, sys, threading
DAYS = Daily("2024-01-01", end="2024-01-03")
landing = Source("landing", DAYS, path="landing/{key}.csv")
other = Source("other", DAYS, path="other/{key}.csv")
days = Dataset("days", DAYS)

"""
TASK = """
@task(reads=[landing], writes=days%s)
def make(raw: pl.DataFrame) -> pl.DataFrame:
%s
    return raw
"""


@pytest.fixture
def shop(world):
    for key in DAYS:
        world.write(f"landing/{key}.csv", "n\n1\n")
    world.write("rates.csv", "eur,1.1\n")
    world.write("tools/rates.sh", "#!/bin/sh\ncat rates.csv\n").chmod(0o755)
    return world


def declared(shop, body: str, more: str = "", task: str = TASK):
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    shop.jobs(HEAD + task % (more, lines))
    return shop


def seen(shop, key: str = DAYS[0], node: str = "days"):
    return [(one.kind, one.what, since) for one, since in shop.project.why(node, key).seen]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("open('rates.csv').close()", [("file", "rates.csv", "")]),
        ("pathlib.Path('rates.csv').read_text()", [("file", "rates.csv", "")]),
        ("os.close(os.open('./landing/../rates.csv', os.O_RDONLY))", [("file", "rates.csv", "")]),
        ("open(b'rates.csv', 'r+').close()", [("file", "rates.csv", "")]),
        ("import numpy as np; np.loadtxt('rates.csv', dtype=str)", [("file", "rates.csv", "")]),
        (
            "t = threading.Thread(target=lambda: open('rates.csv').close()); t.start(); t.join()",
            [("file", "rates.csv", "")],
        ),
        ("subprocess.run(['true'])", [("program", "true", "")]),
        (
            "subprocess.run(['cat', 'rates.csv', '--secret=1'], capture_output=True)",
            [("file", "rates.csv", ""), ("program", "cat", "")],
        ),
        (
            "subprocess.run('cat rates.csv', shell=True, capture_output=True)",
            [("file", "rates.csv", ""), ("program", "cat", "")],
        ),
        (
            "subprocess.run(['tools/rates.sh'], capture_output=True)",
            [("file", "tools/rates.sh", ""), ("program", "tools/rates.sh", "")],
        ),
        ("os.system('true rates.csv')", [("file", "rates.csv", ""), ("program", "true", "")]),
        ("with open('new.txt', 'w') as f: f.write('x')\nopen('new.txt').close()", []),
        ("open('landing/2024-01-01.csv').close()", []),
        ("open('/etc/hostname').close()", []),
        ("import PACKAGE.late", []),
        ("open('nothing.csv').close() if os.path.exists('nothing.csv') else None", []),
        ("raise_nothing = 1", []),
    ],
)
def test_what_a_call_does_beside_reading_its_inputs_is_recorded(shop, body, expected) -> None:
    shop.write(f"{shop.package}/late.py", "X = 1\n")
    assert declared(shop, body).run().failed == 0
    # What is read as an input is read for the first day alone.
    found = [one for one in seen(shop) if one[1] != "landing/2024-01-02.csv"]
    assert found == expected


def test_the_addresses_that_a_call_connects_to_are_recorded(shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        body = (
            f"socket.create_connection(('localhost', {port})).close()\n"
            f"one = socket.socket(); one.connect(('127.0.0.1', {port})); one.close()"
        )
        assert declared(shop, body).run().failed == 0
    assert seen(shop) == [("address", f"localhost:{port}", "")]


@pytest.mark.parametrize(
    ("more", "controls"),
    [
        ("", Controls(workers=2)),
        (", executor='threads'", Controls()),
        (", executor='threads'", Controls(workers=2)),
        (", batch=2", Controls()),
    ],
)
def test_it_is_seen_wherever_the_call_is_made(shop, more, controls) -> None:
    assert declared(shop, "open('rates.csv').close()", more).run(controls=controls).ran == 2
    for key in DAYS:
        assert seen(shop, key) == [("file", "rates.csv", "")]


def test_why_says_that_a_file_changed_since_and_that_one_is_gone(shop) -> None:
    shop.write("more.csv", "x\n")
    declared(shop, "open('rates.csv').close()\nopen('more.csv').close()").run()
    shop.write("rates.csv", "eur,1.2\n")
    (shop.root / "more.csv").unlink()
    why = shop.project.why("days", DAYS[0])
    report = why_report(why)
    lines = why_lines(report)
    assert "  file  rates.csv has changed since" in lines
    assert "  file  more.csv is gone since" in lines
    told = json.loads(json.dumps(document(report)))["seen"]
    assert [one["since"] for one in told] == ["is gone since", "has changed since"]
    assert [len(one["sha256"]) for one in told] == [64, 64]


def test_a_later_making_replaces_what_was_seen(shop) -> None:
    declared(shop, "open('rates.csv').close()").run()
    declared(shop, "pass").run()
    assert seen(shop) == []


def test_what_was_seen_of_another_making_is_not_shown(shop) -> None:
    declared(shop, "open('rates.csv').close()").run()
    declared(shop, "raw = pl.DataFrame({'n': [5]})").run()
    shop.project.upkeep.rollback("days", DAYS[0], None, Controls())
    assert seen(shop) == []


def test_what_was_seen_is_shown_still_after_the_code_was_accepted(shop) -> None:
    declared(shop, "open('rates.csv').close()").run()
    declared(shop, "open('rates.csv', 'r').close()")
    shop.project.accept("days")
    assert shop.planned() == {}
    assert seen(shop) == [("file", "rates.csv", "")]


def test_what_was_seen_of_an_effect_is_recorded_too(shop) -> None:
    effect = """
@effect(reads=[landing])
def tell(raw: pl.DataFrame) -> None:
    %s
%s
"""
    declared(shop, "open('rates.csv').close()", "pass", effect)
    shop.project.materialize(with_effects=True)
    assert seen(shop, DAYS[1], "tell") == [("file", "rates.csv", "")]


def test_a_rebuild_knows_what_was_seen(shop) -> None:
    declared(shop, "open('rates.csv').close()\nsubprocess.run(['true'])").run()
    before = seen(shop)
    shop.project.upkeep.rebuild(Controls())
    assert seen(shop) == before == [("file", "rates.csv", ""), ("program", "true", "")]


def test_a_read_of_a_dataset_that_is_not_declared_is_seen(shop) -> None:
    shop.write("other/2024-01-01.csv", "n\n5\n")
    declared(shop, "open('other/2024-01-01.csv').close()").run()
    assert seen(shop) == [("file", "other/2024-01-01.csv", "")]


def test_of_very_many_files_the_first_are_named_and_the_rest_counted(shop) -> None:
    body = (
        "for i in range(150):\n    pathlib.Path(f'f{i:03}').touch()\n    open(f'g{i:03}').close()"
    )
    for number in range(150):
        shop.write(f"g{number:03}", "x")
    declared(shop, body).run()
    found = seen(shop)
    assert len(found) == witness.MOST + 1
    assert found[-1] == ("file", "and 50 more", "") or ("file", "and 50 more", "") in found


def test_what_the_hook_cannot_take_does_not_end_the_call(shop) -> None:
    body = "sys.audit('open', object(), 3, None); sys.audit('subprocess.Popen')"
    assert declared(shop, body).run().failed == 0


def test_while_no_call_is_under_way_an_event_costs_next_to_nothing(tmp_path) -> None:
    """By a count of what is executed, which is the same on every machine."""
    with witness.watched(tmp_path, tmp_path / "w", tmp_path / "w/.partflow"):
        pass
    lines = 0

    def count(frame, event, _argument):
        nonlocal lines
        if frame.f_code.co_filename == witness.__file__:
            lines += event == "line"
            return count
        return None

    before = sys.gettrace()
    sys.settrace(count)
    try:
        witness._hear("open", (str(tmp_path / "a"), "r", 0))
    finally:
        sys.settrace(before)
    assert lines <= 2


def test_of_two_calls_that_did_the_same_the_one_that_goes_on_is_watched(tmp_path):
    folders = tmp_path, tmp_path / "warehouse", tmp_path / ".partflow"
    (tmp_path / "rates.csv").write_text("a")
    going_on, ended = (witness.watched(*folders) for _ in range(2))
    its_own, another = copy_context(), copy_context()  # as two threads have
    call = another.run(going_on.__enter__)
    its_own.run(ended.__enter__)
    its_own.run(ended.__exit__, None, None, None)
    reader = threading.Thread(target=(tmp_path / "rates.csv").read_text)
    reader.start()
    reader.join()
    another.run(going_on.__exit__, None, None, None)
    assert [seen.what for seen in call.seen(list)] == ["rates.csv"]
