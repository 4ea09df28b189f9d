"""Sends ranges as OpenLineage events, over HTTP or into a file.

Knows nothing of runs. openlineage-python is imported when something is sent, and only then: that
takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partflow.project.settings import Emitting
from partflow.report.text import moment
from partflow.scheduler.channels.channel import Hiding
from partflow.scheduler.lineage.ranges import MadeRange

_INSTALL = "openlineage-python is not installed: pip install 'partflow[lineage]'"
_PRODUCER = "urn:partflow"
_NO_RETRIES: Mapping[str, Any] = {"total": 0}


def emitted(
    settings: Emitting, root: Path, environment: Mapping[str, str], ranges: Sequence[MadeRange]
) -> str | None:
    """Why not all events went, without secrets; None if they did.

    They are sent in their order. Sent once more, an event has the same id.
    """
    hiding = Hiding.of(environment, settings.url_env, settings.api_key_env)
    if missing := hiding.missing():
        return missing
    try:
        from openlineage.client import OpenLineageClient
    except ImportError:
        return _INSTALL
    namespace = settings.namespace or root.name
    try:
        client = OpenLineageClient(transport=_transport(settings, root, hiding))
        for each in ranges:
            client.emit(_event(each, namespace))
    except Exception as error:  # noqa: BLE001 - whatever the library or its transport raises
        return hiding.without(_reason(error))
    return None


def _transport(settings: Emitting, root: Path, hiding: Hiding) -> Any:
    if settings.file:
        from openlineage.client.transport.file import FileConfig, FileTransport

        path = root / settings.file
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileTransport(FileConfig(log_file_path=str(path), append=True))
    from openlineage.client.transport.http import (
        ApiKeyTokenProvider,
        HttpConfig,
        HttpTransport,
        TokenProvider,
    )
    from requests import Session

    session = Session()
    session.max_redirects = 0  # another address would get what was meant for this one
    key = hiding.values.get(settings.api_key_env, "")
    return HttpTransport(
        HttpConfig(
            url=settings.url or hiding.values[settings.url_env].strip(),
            timeout=settings.timeout.total_seconds(),
            auth=ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({}),
            session=session,
            retry=dict(_NO_RETRIES),
        )
    )


def _event(made: MadeRange, namespace: str) -> Any:
    """The event of a range: COMPLETE or FAIL."""
    from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job

    kind = job_type_job.JobTypeJobFacet("BATCH", "PARTFLOW", "TASK")
    return RunEvent(
        eventTime=moment(made.at),
        producer=_PRODUCER,
        eventType=RunState.COMPLETE if made.failure is None else RunState.FAIL,
        run=Run(made.id, facets=_run_facets(made, namespace)),
        job=Job(namespace, made.task, facets={"jobType": kind}),
        inputs=[InputDataset(namespace, name) for name in made.reads],
        outputs=_outputs(made, namespace),
    )


def _run_facets(made: MadeRange, namespace: str) -> dict[str, Any]:
    from openlineage.client.facet_v2 import (
        error_message_run,
        execution_parameters_run,
        nominal_time_run,
        parent_run,
    )

    said = {"first": made.first, "last": made.last, "partitions": f"{made.partitions}"}
    parameters = [
        execution_parameters_run.ExecutionParameter(key=key, value=value)
        for key, value in said.items()
    ]
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            parent_run.Run(made.run), parent_run.Job(namespace, made.command)
        ),
        "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(parameters),
    }
    if made.start is not None and made.end is not None:
        facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(
            moment(made.start), moment(made.end)
        )
    if made.failure is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(made.failure, "Python")
    return facets


def _outputs(made: MadeRange, namespace: str) -> list[Any]:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        output_statistics_output_dataset,
    )

    outputs = []
    for each in made.outputs:
        facets: dict[str, Any] = {}
        statistics: dict[str, Any] = {}
        if each.version is not None:
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(each.version)
            statistics["outputStatistics"] = (
                output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                    each.rows, each.nbytes, made.partitions
                )
            )
        outputs.append(OutputDataset(namespace, each.dataset, statistics, facets=facets))
    return outputs


def _reason(error: Exception) -> str:
    """What is said of an error; not its whole text, which may hold the address."""
    response = getattr(error, "response", None)
    code = getattr(response, "status_code", None)
    if code is not None:
        return f"the address answered {code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the events could not be sent ({type(error).__name__})"
