"""What the process that leads and its children say to each other, as bytes."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from partflow.scheduler.messages import (
    AskLook,
    Begin,
    Ended,
    Halt,
    Leased,
    Loaded,
    LookDone,
    LookFailed,
    NotLoaded,
    Progressed,
    StepLost,
    UnknownMessageError,
    packed,
    unpacked,
)
from partflow.scheduler.outlook import Outlook, Root, Steps, Trouble
from partflow.scheduler.tries import NO_TRIES

ARRAY = np.arange(5)
SEEN = Outlook(
    1.5,
    {"a": Steps("a", ARRAY[::2], ARRAY.astype(np.uint64)[::2], ARRAY[::2])},
    {"a": NO_TRIES},
    (Trouble(Root("failed", "a"), 1.0, "said", "advice", 3, "x", "y", 2),),
    2.5,
)


@pytest.mark.parametrize(
    "message",
    [
        AskLook(at_all=True), Begin(500, "partflow serve"), Halt(now=False), Loaded("g", ("a.py",)),
        NotLoaded("no"), LookFailed("no"), Leased(3), Progressed(1, 0), StepLost("a", "k", "s"),
        Ended("r", 1),
    ],
)  # fmt: skip
def test_every_message_comes_back_as_it_was(message: object) -> None:
    assert unpacked(packed(message)) == message


def test_an_outlook_comes_back_with_its_arrays() -> None:
    back = unpacked(packed(LookDone(SEEN)))

    assert isinstance(back, LookDone)
    assert back.outlook.troubles == SEEN.troubles
    assert back.outlook.steps["a"].digests.tolist() == [0, 2, 4]


@pytest.mark.parametrize("data", [b"", b"rubbish", pickle.dumps(os.getcwd)])
def test_what_no_child_sends_is_refused_and_nothing_is_imported(data: bytes) -> None:
    with pytest.raises(UnknownMessageError):
        unpacked(data)
