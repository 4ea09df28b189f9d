"""`notify`: sends a message through each channel, to see whether people can be told.

Knows nothing of channels: it parses, calls and prints.
"""

from __future__ import annotations

import os

import click

from partflow.cli.options import printing
from partflow.cli.session import DONE, FAILED, Session
from partflow.errors import ConfigurationError
from partflow.report.text import print_json


@click.command(
    short_help="Test whether people can be told.", epilog="\b\nExample:\n  partflow notify --test"
)
@click.option("--test", "is_test", is_flag=True, required=True, help="Send one message each.")
@printing("text", "json")
@click.pass_obj
def notify(session: Session, is_test: bool, output: str) -> int:  # noqa: ARG001 - it is required
    """Send a message through each channel of [notify], and say for each whether it went.

    Exit with 1 if one did not. The project's modules are not imported.
    """
    from partflow.project.config import find_root, read_config
    from partflow.report.channels import channel_trial_lines, trials_of_channels
    from partflow.report.document import document
    from partflow.scheduler.channels.opening import channels_of
    from partflow.scheduler.channelstates import note_that_went
    from partflow.scheduler.telling import named_project
    from partflow.scheduler.trial import tried

    root = find_root(session.folder or ".")
    notifying = read_config(root, os.environ, {}).notify
    if not notifying.channels:
        raise ConfigurationError(
            "no channel is configured; add a table [notify.NAME] to partflow.toml, or "
            "[tool.partflow.notify.NAME] to pyproject.toml"
        )
    history = session.history()
    now = history.clock() / 1e9
    said = tried(channels_of(notifying, root, os.environ), named_project(root), now)
    if not history.metastore.is_empty:
        with history.metastore.opened() as metastore:
            note_that_went(metastore, history.store, said)
    report = trials_of_channels(said)
    if output == "json":
        print_json(document(report))
    else:
        click.echo("\n".join(channel_trial_lines(report)))
    return DONE if all(each.went for each in report.channels) else FAILED
