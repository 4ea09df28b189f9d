"""What the record says of channels that do not deliver: for `status`, and for a test of them.

Knows nothing of how anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from partflow.metastore.journal import note
from partflow.metastore.protocol import Metastore, Noting
from partflow.project.config import Config
from partflow.report.channels import FailingChannelReport, failing_channel
from partflow.scheduler.lineage.following import LINEAGE, failing_lineage
from partflow.scheduler.outbox import ailing_words
from partflow.scheduler.toldnotes import TOLD, channel_note, noted_told
from partflow.store.protocol import Journaling


def failing_channels(metastore: Noting, config: Config) -> tuple[FailingChannelReport, ...]:
    """Those of the configured channels that do not deliver, and `lineage` if its events do not."""
    told = noted_told(metastore.noted(TOLD))
    configured = {channel.name for channel in config.notify.channels}
    ailing = None if config.lineage is None else failing_lineage(metastore.noted(LINEAGE))
    lineage = [] if ailing is None else [failing_channel(LINEAGE, ailing.since, ailing.said)]
    return *lineage, *(
        failing_channel(name, state.since, ailing_words(told, name))
        for name, state in sorted(told.ailing.items())
        if name in configured
    )


def note_that_went(metastore: Metastore, store: Journaling, said: Mapping[str, str | None]) -> None:
    """Forget that channels failed through which a message went; what waits for them goes now.

    `said` gives for each channel why a message did not go, None if it went.
    """
    ailing = noted_told(metastore.noted(TOLD)).ailing
    texts = {channel_note(name): None for name in ailing if said.get(name, "") is None}
    note(metastore, store, TOLD, texts)
