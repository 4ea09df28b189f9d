"""The table `[scheduler]` and its variables of the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from partflow.errors import ConfigurationError
from partflow.project.config import read_config
from partflow.project.settings import Scheduling


def configured(root: Path, table: str, **environment: str) -> Scheduling:
    (root / "partflow.toml").write_text(f"[scheduler]\n{table}\n")
    return read_config(root, environment, {}).scheduler


def test_each_setting_is_read_and_the_others_keep_their_defaults(tmp_path: Path) -> None:
    table = """
    look_every = "30s"
    run_at_most = 50
    recompute = ["tag:cheap", "features+"]
    alive = "https://example.org/ping"
    """

    assert configured(tmp_path, table) == Scheduling(
        look_every=timedelta(seconds=30),
        run_at_most=50,
        recompute=("tag:cheap", "features+"),
        alive="https://example.org/ping",
    )


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    settings = configured(
        tmp_path, "jobs = 2\nrun_at_most = 9", PARTFLOW_SCHEDULER_JOBS="4",
        PARTFLOW_SCHEDULER_LOOK_EVERY="5m", PARTFLOW_SCHEDULER_RECOMPUTE="tag:cheap features+",
    )  # fmt: skip

    assert settings == Scheduling(
        look_every=timedelta(minutes=5), jobs=4, run_at_most=9, recompute=("tag:cheap", "features+")
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("look_ever = '1m'", "'look_ever' is no setting of serve; did you mean 'look_every'"),
        ("look_every = 5", "scheduler.look_every is 5; write a span of time such as '1m'"),
        ("look_every = '10ms'", "it is at least 1s"),
        ("jobs = 0", "scheduler.jobs is 0; give a number, one or more"),
        ("jobs = true", "give a number, one or more"),
        ("recompute = 'x'\nalive = 'ftp://x'", "is no address that begins with https://"),
        ("recompute = [1]", "write a list of selections"),
    ],
)
def test_what_is_wrong_is_said_with_its_name(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(tmp_path, table)
    assert said in str(refused.value)


def test_an_unknown_variable_and_a_setting_that_is_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'job' is no setting of serve"):
        configured(tmp_path, "", PARTFLOW_SCHEDULER_JOB="4")
    (tmp_path / "partflow.toml").write_text("scheduler = 3\n")
    with pytest.raises(ConfigurationError, match=r"scheduler is no table; write \[scheduler\]"):
        read_config(tmp_path, {}, {})
