"""The metrics are in Prometheus' text form, with a label for the dataset, none for partitions."""

from __future__ import annotations

import re

SAMPLE = re.compile(r'([a-z_]+)(?:\{dataset="([a-z_]+)"(?:,state="([a-z]+)")?\})? (\S+)')


def samples(shop) -> dict[tuple[str, str | None, str | None], float]:
    """The value of each metric by its name, dataset and state; every line is one, or a comment."""
    said = shop.run("status", "--output", "prometheus")
    assert (said.code, said.err) == (0, "")
    found = {}
    for line in said.lines:
        if not line.startswith("# "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found[match[1], match[2], match[3]] = float(match[4])
    return found


def test_the_metrics_are_those_of_the_status(shop):
    shop.made()
    metrics = samples(shop)
    for row in shop.run("status", "--output", "json").document["datasets"]:
        name = row["dataset"]
        for state in ("fresh", "stale", "missing", "waiting", "blocked"):
            assert metrics["partflow_partitions", name, state] == row[state]
        assert metrics["partflow_rows", name, None] == row["rows"]
        assert metrics["partflow_bytes", name, None] == row["bytes"]
        assert metrics["partflow_paused", name, None] == 0
    assert metrics["partflow_faults", None, None] == 0
    newest = metrics["partflow_newest_fresh_timestamp_seconds", "clean_sales", None]
    assert newest == 1_705_276_800  # 2024-01-15


def test_every_metric_has_a_help_and_a_type_once(shop):
    lines = shop.run("status", "--output", "prometheus").lines
    names = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    for kind in ("HELP", "TYPE"):
        named = [line.split()[2] for line in lines if line.startswith(f"# {kind} ")]
        assert len(named) == len(set(named))
        assert names <= set(named)


def test_what_is_paused_and_what_is_expected_is_in_the_metrics(shop):
    shop.edit('"clean_sales", ', '"clean_sales", expect_by="08:00", max_age="1d", grain=')
    shop.made().run("pause", "clean_sales")
    metrics = samples(shop)
    assert metrics["partflow_paused", "clean_sales", None] == 1
    assert metrics["partflow_late_partitions", "clean_sales", None] == 0
    assert metrics["partflow_lateness_seconds", "clean_sales", None] == 0
    assert ("partflow_late_partitions", "monthly_sales", None) not in metrics
