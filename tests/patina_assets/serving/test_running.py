"""The lines about runs that have ended."""

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from patina_assets.serving import running
from patina_assets.serving.running import EndedRuns


def ended(instance: dg.DagsterInstance, job: str) -> None:
    """Record a run that has ended."""
    run = dg.DagsterRun(job, str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED)
    instance.report_run_canceled(instance.run_storage.add_run(run))


def test_each_run_is_told_once_and_read_no_more_when_later_ones_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "OVERLAP", timedelta(0))
    read: list[int] = []
    with dg.DagsterInstance.ephemeral() as instance:
        asked = instance.get_run_records

        def counted(*arguments: Any, **options: Any) -> Sequence[dg.RunRecord]:
            records = asked(*arguments, **options)
            read.append(len(records))
            return records

        monkeypatch.setattr(instance, "get_run_records", counted)
        ended(instance, "before")
        time.sleep(0.01)
        runs = EndedRuns(instance, "garden")
        assert runs.lines() == []
        for _ in range(3):
            ended(instance, "job")
            (line,) = runs.lines()
            assert "garden: canceled" in line
            assert runs.lines() == []
            time.sleep(0.01)
    assert max(read) == 1


def test_runs_that_end_at_once_are_told_together_and_each_once() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        runs = EndedRuns(instance, "garden")
        for _ in range(3):
            ended(instance, "job")
        assert len(runs.lines()) == 3
        ended(instance, "job")
        assert len(runs.lines()) == 1
        assert runs.lines() == []
