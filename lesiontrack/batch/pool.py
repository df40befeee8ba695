"""Many subjects in worker processes: resume, isolate.

Each subject runs in a worker process, so that a decoder that aborts takes one subject down and not the run. What a
worker made is stored before it answers; the answer itself is small.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import SimpleITK as sitk

from lesiontrack import __version__
from lesiontrack.batch.decided import bring_up_to_date, machine_progress
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.problem import Problem
from lesiontrack.domain.study import Subject
from lesiontrack.errors import ClinicalError, LesiontrackError, ReadsError
from lesiontrack.io.history import machine_document
from lesiontrack.io.settings import TRANSPORT
from lesiontrack.io.store import safe_name, stored_key, write_json, write_subject
from lesiontrack.io.study import read_scan
from lesiontrack.pipeline import Observed, judge, observe
from lesiontrack.settings import Settings
from lesiontrack.tables import failures_frame, history_frames, judgement_frames

__all__ = [
    "Job",
    "Outcome",
    "failure_file",
    "process",
    "process_all",
    "remember_failure",
    "review",
    "store",
    "subject_key",
]

log = logging.getLogger(__name__)

_DIED = "the worker process died twice on this subject (a damaged file or out of memory)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One subject to do: what a worker is sent."""

    subject: Subject
    settings: Settings
    out: Path
    key: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a subject: done, already done, or failed, with its problems."""

    subject_id: str
    state: str
    problems: tuple[Problem, ...] = ()


def subject_key(subject: Subject, settings: Settings) -> str:
    """Return a digest of everything that a subject's result depends on: program, settings, files, clinical facts.

    An object of a DICOMweb archive carries a digest of its metadata in its name.
    """
    files = {
        name for visit in subject.visits for scan in visit.scans for name in (*scan.files, *scan.segmentation_files)
    }
    stamps = []
    for name in sorted(files):
        path = Path(name)
        stat = path.stat() if path.exists() else None
        stamps.append((name, stat.st_size, stat.st_mtime_ns) if stat else (name, 0, 0))
    recipe = settings.model_dump_json(exclude={"archive": set(TRANSPORT), "run": True})
    parts = [__version__, recipe, repr(_facts(subject)), json.dumps(stamps)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _facts(subject: Subject) -> object:
    """Return what the catalogue and the clinical tables say, without arrays (their repr is abridged)."""
    visits = [
        (v.timepoint, v.usable, v.problem, [(s.series_uid, s.date, s.measured, s.usable, s.problem) for s in v.scans])
        for v in subject.visits
    ]
    return (subject.subject_id, visits, subject.clinical)


def _quiet() -> None:
    """Keep the libraries' messages, which may quote what a file says of a patient, off a worker's stderr."""
    logging.getLogger().addHandler(logging.NullHandler())


def process(job: Job) -> Outcome:
    """Observe and judge one subject and store the result, with its readers' decisions; the body of a worker."""
    # One thread each: the workers are the parallelism, and results must not depend on the number of cores.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    subject_id = job.subject.subject_id

    def work(at: Callable[[str], None]) -> Outcome:
        at("observe")
        observed = observe(job.subject, read_scan(job.settings.archive, job.settings.labels), job.settings)
        at("assess")
        found = store(job, observed)
        at("review")
        bring_up_to_date(job.out, subject_id, job.settings)
        return Outcome(subject_id=subject_id, state="done", problems=found)

    with _at_most(job.settings.run.subject_limit_s):
        return _isolated(subject_id, job.problems, work)


@contextmanager
def _at_most(limit_s: float) -> Iterator[None]:
    """Let the system end this process where the block takes longer; 0: no limit.

    Whatever hangs, compiled code or a read that never returns, no exception would get through to it.
    """
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def review(out: Path, subject_id: str, settings: Settings) -> Outcome:
    """Replay what readers have decided since onto a stored subject; ``kept`` when there is nothing new."""

    def work(at: Callable[[str], None]) -> Outcome:
        at("review")
        changed = bring_up_to_date(out, subject_id, settings)
        return Outcome(subject_id=subject_id, state="done" if changed else "kept")

    return _isolated(subject_id, (), work)


def _isolated(
    subject_id: str, problems: tuple[Problem, ...], work: Callable[[Callable[[str], None]], Outcome]
) -> Outcome:
    """Do one subject's work; whatever goes wrong in it ends in ``failures`` and stops no other.

    The one broad ``except`` of the batch. ``work`` is given a function by which it says what it is about to do.
    """
    stages: list[str] = []
    try:
        return work(stages.append)
    except LesiontrackError as error:
        problem = Problem.of(error.at(subject_id=subject_id), subject_id=subject_id, stage=stages[-1])
        return Outcome(subject_id=subject_id, state="failed", problems=(*problems, problem))
    except Exception as error:
        log.debug("subject %s", subject_id, exc_info=True)
        # The text of a foreign error may quote file contents: only its kind and place are kept.
        problem = Problem(subject_id=subject_id, stage=stages[-1], error=type(error).__name__, message=_where(error))
        return Outcome(subject_id=subject_id, state="failed", problems=(*problems, problem))


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return f"unexpected {type(error).__name__}"
    code = trace.tb_frame.f_code
    return f"unexpected {type(error).__name__} in {Path(code.co_filename).name}, {code.co_name}, line {trace.tb_lineno}"


def store(job: Job, observed: Observed) -> tuple[Problem, ...]:
    """Judge and store a subject; return all that went wrong with it, as its ``failures`` have it."""
    judgement = judge(observed.history, job.settings)
    problems = (*job.problems, *observed.problems, *_without_baseline(observed, judgement), *_left_out(judgement))
    frames = {
        **history_frames(observed.history, phases=judgement.phases, regions=judgement.regions),
        **judgement_frames(judgement, job.subject.clinical),
        "failures": failures_frame(problem.row() for problem in problems),
    }
    frames |= machine_progress(observed.history, job.settings, frames["subjects"])
    write_subject(
        job.out,
        job.subject.subject_id,
        frames=frames,
        label_maps=observed.label_maps,
        registrations=observed.history.registrations,
        machine=machine_document(observed.history, observed.map_of),
        views=observed.views,
        provenance={
            "key": job.key,
            "version": __version__,
            "subject_id": job.subject.subject_id,
            "notes": list(observed.notes),
        },
    )
    return problems


def _left_out(judgement: Judgement) -> Iterable[Problem]:
    """Clinical rows that no visit could take up: what a reader said there counts for nothing until it is mended."""
    for query in judgement.queries:
        if query.severity == "DATA_ERROR":
            error = ClinicalError(query.text, subject_id=judgement.subject_id)
            yield Problem.of(error, subject_id=judgement.subject_id, stage="assess", severity="WARNING")


def _without_baseline(observed: Observed, judgement: Judgement) -> Iterable[Problem]:
    """A subject without a usable baseline is a failure (contract, section 4); its images are done all the same."""
    subject = observed.history.subject
    start = subject.clinical.treatment_start_date if subject.clinical else None
    # Without any usable visit that has been said; without a treatment start there is nothing to be before.
    if start is None or judgement.study is not None or not any(visit.usable for visit in subject.visits):
        return
    first = min(visit.date for visit in subject.visits if visit.usable)
    error = ReadsError(
        "no usable scan on or before treatment start: no baseline",
        subject_id=subject.subject_id,
        found=f"first usable scan {first.isoformat()}",
        expected=f"one up to {start.isoformat()}",
    )
    yield Problem.of(error, subject_id=subject.subject_id, stage="assess")


def process_all(
    jobs: Sequence[Job], *, workers: int, done: Callable[[Outcome], None], force: bool = False
) -> list[Outcome]:
    """Process every job that is not already done with the same inputs; call ``done`` after each.

    A worker that dies (a decoder's abort, the kernel's out-of-memory killer) takes the pool with it: the subjects
    that were in flight are done again one by one, and the one that kills its worker again is a failure. Where one had
    reached the limit of time, it is known who it was: it is a failure, and the others go on together.
    """
    outcomes: list[Outcome] = []

    def finish(outcome: Outcome) -> None:
        remember_failure(jobs_by_id[outcome.subject_id].out, outcome)
        outcomes.append(outcome)
        done(outcome)

    jobs_by_id = {job.subject.subject_id: job for job in jobs}
    waiting = []
    for job in jobs:
        if not force and stored_key(job.out, job.subject.subject_id) == job.key:
            finish(review(job.out, job.subject.subject_id, job.settings))
        else:
            waiting.append(job)
    suspects = _in_pool(waiting, workers, finish)
    for job in suspects:
        for _ in _in_pool([job], 1, finish):
            finish(_lost(job, "WorkerDied", _DIED))
    return outcomes


def _lost(job: Job, error: str, message: str) -> Outcome:
    """Return the outcome of a subject whose worker could not say what went wrong."""
    problem = Problem(subject_id=job.subject.subject_id, stage="observe", error=error, message=message)
    return Outcome(subject_id=job.subject.subject_id, state="failed", problems=(*job.problems, problem))


@dataclass(frozen=True, slots=True)
class _Flight:
    """A job that a worker is at, and since when."""

    job: Job
    since_s: float

    @property
    def is_overdue(self) -> bool:
        """Whether it has taken as long as it may; its worker, which started later, is the one that was ended."""
        limit_s = self.job.settings.run.subject_limit_s
        return 0 < limit_s <= time.monotonic() - self.since_s


def _in_pool(jobs: Iterable[Job], workers: int, finish: Callable[[Outcome], None]) -> list[Job]:
    """Run jobs in a pool; return those that were in flight when a worker died. The rest goes on in a new pool."""
    queue = list(jobs)[::-1]
    suspects: list[Job] = []
    while queue:
        flying: dict[Future[Outcome], _Flight] = {}
        # Spawned, not forked: a fork of a process with ITK's threads can deadlock.
        with ProcessPoolExecutor(min(workers, len(queue)), mp_context=get_context("spawn"), initializer=_quiet) as pool:
            try:
                while queue or flying:
                    while queue and len(flying) < workers:
                        started = time.monotonic()
                        flying[pool.submit(process, queue[-1])] = _Flight(queue[-1], started)
                        queue.pop()
                    landed, _ = wait(flying, return_when=FIRST_COMPLETED)
                    for future in landed:
                        outcome = future.result()
                        del flying[future]
                        finish(outcome)
            except BrokenProcessPool:
                overdue, others = _told_apart(flying.values())
                for job in overdue:
                    finish(_lost(job, "TookTooLong", _too_long(job)))
                (queue if overdue else suspects).extend(others)
    return suspects


def _told_apart(flights: Iterable[_Flight]) -> tuple[list[Job], list[Job]]:
    """Return the jobs that have taken as long as they may, and the others."""
    found: tuple[list[Job], list[Job]] = ([], [])
    for flight in flights:
        found[not flight.is_overdue].append(flight.job)
    return found


def _too_long(job: Job) -> str:
    limit_s = job.settings.run.subject_limit_s
    return f"the subject took longer than {limit_s:g} s (a file or a decoder that hangs?); subject_limit_s allows more"


def failure_file(out: Path, subject_id: str) -> Path:
    """Return where a failed subject's problems are kept until it succeeds."""
    return out / "subjects" / f"{safe_name(subject_id)}.failed.json"


def remember_failure(out: Path, outcome: Outcome) -> None:
    """Keep what went wrong with a subject, or forget it once nothing does."""
    path = failure_file(out, outcome.subject_id)
    if outcome.state == "failed":
        write_json(path, [problem.row() for problem in outcome.problems])
    else:
        path.unlink(missing_ok=True)
