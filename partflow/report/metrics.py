"""Says the state of a warehouse as metrics, in Prometheus' text form: a pure function of a plan.

Knows nothing of who collects them. A metric has a label for the dataset, and never one for the
partition. Moments are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from partflow.planning.lateness import Lateness, lateness, newest_fresh
from partflow.planning.plan import Plan, perhaps_done
from partflow.planning.status import Status


@dataclass(frozen=True, slots=True)
class _Metric:
    """A gauge of each dataset; `value` gives None where it means nothing."""

    name: str
    told: str
    value: Callable[[Status], float | None]


def metrics_lines(plan: Plan, statuses: Sequence[Status]) -> list[str]:
    """The metrics of some datasets, sources and effects of a plan, each with its help and type."""
    lines = _headed("partflow_partitions", "Partitions by state.")
    lines += [
        _sample("partflow_partitions", status.node, number, state=state.name.lower())
        for status in statuses
        for state, number in status.counts.items()
    ]
    for metric in _metrics(plan, lateness(plan)):
        values = [(status.node, metric.value(status)) for status in statuses]
        lines += _headed(metric.name, metric.told)
        lines += [_sample(metric.name, node, value) for node, value in values if value is not None]
    lines += [*_headed("partflow_faults", "Faults that somebody has to put right.")]
    lines.append(f"partflow_faults {len(plan.faults)}")
    undecided = sum(effect.is_undecided for effect in perhaps_done(plan))
    lines += _headed("partflow_perhaps_done", "Effects of which somebody has to say if they were.")
    return [*lines, f"partflow_perhaps_done {undecided}"]


def _metrics(plan: Plan, late: Mapping[str, Lateness]) -> tuple[_Metric, ...]:
    now, datasets = plan.snapshot.now, plan.graph.datasets

    def lateness_of(status: Status) -> float | None:
        each = late.get(status.node)
        return None if each is None else float(now - each.since if each.at else 0)

    def too_old_of(status: Status) -> float | None:
        each = late.get(status.node)
        if each is None or each.too_old_since is None:
            return None if each is None else 0.0
        return float(now - each.too_old_since)

    def newest_of(status: Status) -> float | None:
        return newest_fresh(plan, datasets[status.node]) if status.node in datasets else None

    def stored(number: Callable[[Status], int]) -> Callable[[Status], float | None]:
        return lambda status: None if status.kind == "effect" else number(status)

    return (
        _Metric(
            "partflow_late_partitions",
            "Partitions that were expected by now and never made.",
            lambda s: None if s.node not in late else len(late[s.node].at),
        ),
        _Metric(
            "partflow_lateness_seconds",
            "For how long the first late partition has been expected; 0 if none is late.",
            lateness_of,
        ),
        _Metric(
            "partflow_too_old_seconds",
            "For how long the newest fresh partition has been older than it may be; 0 if it isn't.",
            too_old_of,
        ),
        _Metric(
            "partflow_newest_fresh_timestamp_seconds",
            "Where the newest fresh partition ends, or when it was made if it has no end.",
            newest_of,
        ),
        _Metric("partflow_rows", "Rows of all partitions.", stored(lambda s: s.rows)),
        _Metric("partflow_bytes", "Bytes of all files.", stored(lambda s: s.nbytes)),
        _Metric("partflow_kept_partitions", "Partitions that stay as made.", lambda s: s.kept),
        _Metric(
            "partflow_paused",
            "Whether somebody paused it.",
            lambda s: int(s.node in plan.snapshot.paused),
        ),
    )


def _headed(name: str, told: str) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} gauge"]


def _sample(name: str, node: str, value: float, *, state: str | None = None) -> str:
    """A line of a metric; names of datasets and states need no escapes."""
    more = "" if state is None else f',state="{state}"'
    return f'{name}{{dataset="{node}"{more}}} {value:.15g}'
