"""The schedule: a job runs once however many workers claim it, and what it raises is noted."""

from datetime import timedelta

import pytest

from anzhang import jobs
from anzhang.casework.models import Schedule
from anzhang.daemons.worker import Worker


def test_only_one_worker_claims_a_due_job(bureau, clock):
    job = jobs.JOBS[0]
    assert [jobs.claim(job, clock.now) for _ in range(3)] == [True, False, False]
    assert jobs.claim(job, clock.advance(seconds=job.period.total_seconds()))


def test_it_notes_how_a_job_ended(bureau, clock):
    job = jobs.Job("sum", timedelta(minutes=1), lambda now: f"done at {now:%H:%M}")
    assert jobs.claim(job, clock.now)
    jobs.run(job, clock.now)
    row = Schedule.objects.get(key="sum")
    assert (row.result, row.finished_at) == ("done at 01:30", clock.now)


def test_it_notes_and_raises_what_a_job_raises(bureau, clock):
    def fail(now):
        raise ValueError("no disk")

    job = jobs.Job("fail", timedelta(minutes=1), fail)
    assert jobs.claim(job, clock.now)
    with pytest.raises(ValueError, match="no disk"):
        jobs.run(job, clock.now)
    assert Schedule.objects.get(key="fail").result == "failed: no disk"


def test_a_failing_job_does_not_keep_the_worker_from_the_next(bureau, clock, monkeypatch, caplog):
    def fail(now):
        raise ValueError("no disk")

    period = timedelta(minutes=1)
    monkeypatch.setattr(jobs, "JOBS", (jobs.Job("fail", period, fail), jobs.Job("next", period, lambda _now: "ran")))
    Worker().tick()
    assert Schedule.objects.get(key="next").result == "ran"
    assert "job fail failed" in caplog.text


def test_every_job_of_the_platform_runs_on_the_bureau(bureau, clock, tmp_path, settings):
    for job in jobs.JOBS:
        assert jobs.claim(job, clock.now)
        assert jobs.run(job, clock.now)


def test_the_worker_says_the_same_again_only_now_and_then(caplog, clock):
    caplog.set_level("INFO", "anzhang.worker")
    worker, job = Worker(), jobs.JOBS[0]
    for _ in range(5):
        worker.tell(job, "nothing to do", clock.advance(seconds=1))
    worker.tell(job, "1 done", clock.advance(seconds=1))
    worker.tell(job, "1 done", clock.advance(minutes=15))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ["nothing to do", "1 done", "1 done"]
