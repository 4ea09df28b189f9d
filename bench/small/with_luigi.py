"""The workload in Luigi: a task a partition, one worker, its scheduler in this process."""

from __future__ import annotations

from collections.abc import Iterator

import luigi
from byhand import DAY, FIRST, MADE, days, make, make_folders, path


class Partition(luigi.Task):
    """One partition; Luigi asks whether its file exists."""

    dataset = luigi.Parameter()
    day = luigi.DateParameter()

    def requires(self) -> Iterator[Partition]:
        """The partitions that it reads; landing files are taken to be there."""
        if self.dataset == "week":
            for n in range(min(6, (self.day - FIRST).days) + 1):
                yield Partition("clean", self.day - n * DAY)
        elif self.dataset == "total":
            yield Partition("clean", self.day)

    def output(self) -> luigi.LocalTarget:
        """Its file."""
        return luigi.LocalTarget(path(self.dataset, self.day))

    def run(self) -> None:
        """As the loop."""
        make(self.dataset, self.day)


if __name__ == "__main__":
    make_folders()
    wanted = [Partition(dataset, day) for day in days() for dataset in MADE]
    done = luigi.build(wanted, workers=1, local_scheduler=True, log_level="WARNING")
    raise SystemExit(not done)
