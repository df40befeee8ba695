"""The log of decisions: nothing acknowledged is lost, nothing is half there, and nobody can change it unseen."""

from __future__ import annotations

import datetime as dt
import errno
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack import review
from lesiontrack.errors import DecisionError
from lesiontrack.io import store
from lesiontrack.io.decision_log import DecisionLog, read_decisions, readers
from lesiontrack.tables import empty

# Writes remarks, and says each time that the log has acknowledged one.
WRITER = """
import sys
from pathlib import Path
from lesiontrack.errors import DecisionError
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.review import Comment
out, reader, name, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
log = DecisionLog(out, "A", reader)
for number in range(count):
    try:
        done = log.append(Comment(text=f"{name} {number} " + "x" * 60))
    except DecisionError as error:
        print("REFUSED", error, flush=True)
        break
    print(done.id, flush=True)
"""
FULL_AT = 20_000


def write_subject(out: Path, key: str = "k") -> Path:
    return store.write_subject(
        out,
        "A",
        frames={"failures": empty("failures")},
        label_maps={},
        registrations=[],
        views=[],
        provenance={"key": key},
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_subject(tmp_path)
    return tmp_path


def remarks(count: int) -> list[review.Act]:
    return [review.Comment(text=f"remark {number}") for number in range(count)]


def start(out: Path, reader: str, name: str, count: int, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(out), reader, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]


def acknowledged(writer: subprocess.Popen[str]) -> list[str]:
    said, _ = writer.communicate()
    return [line for line in said.splitlines() if len(line) == 64]


# --- one writer -------------------------------------------------------------------------------------------------------


def test_decisions_come_back_as_they_were_made(out: Path) -> None:
    log = DecisionLog(out, "A", "anna")
    made = tuple(log.append(act) for act in remarks(5))
    assert log.read() == made == DecisionLog(out, "A", "anna").read()
    assert [later.previous for later in made[1:]] == [earlier.id for earlier in made[:-1]]
    assert [decision.act for decision in made] == remarks(5)


def test_readers_of_any_name_have_files_of_their_own(out: Path) -> None:
    """Names that differ in case alone, hold a path or are in another script stay apart and inside the folder."""
    names = ["anna", "Anna", "ANNA", "../../etc", "Ömer Çelik", "a/b", "a\\b", ".", "x" * 300]
    for name in names:
        DecisionLog(out, "A", name).append(review.Comment(text=name))
    assert set(readers(out, "A")) == set(names)
    assert {reader: found[0].act.text for reader, found in read_decisions(out, "A").items()} == {  # type: ignore[union-attr]
        name: name for name in names
    }
    folder = store.subject_folder(out, "A")
    assert len(list(folder.glob("decisions-*.jsonl"))) == len({path.name.lower() for path in folder.glob("*.jsonl")})
    assert len(list(out.rglob("*.jsonl"))) == len(list(folder.glob("*.jsonl")))


@pytest.mark.parametrize("name", ["", "  ", "machine", "Machine", " machine", "majority\n", "a\nb"])
def test_names_that_no_person_has_are_refused(out: Path, name: str) -> None:
    with pytest.raises(DecisionError, match="no name of a reader"):
        DecisionLog(out, "A", name).append(review.ConfirmCase())
    assert readers(out, "A") == ()


def test_a_decision_without_its_reason_is_refused_and_leaves_nothing(out: Path) -> None:
    log = DecisionLog(out, "A", "anna")
    visit = review.VisitRef(date=dt.date(2024, 1, 1), series_uid="1")
    with pytest.raises(DecisionError, match="Unlock needs a reason"):
        log.append(review.Unlock(visit=visit))
    assert not log.path.exists()
    with pytest.raises(DecisionError, match="nothing to decide on"):
        DecisionLog(out, "NOBODY", "anna")


def test_one_name_is_one_reader_however_it_is_typed(out: Path) -> None:
    """Spaces around, and letters with accents put together of two characters, as some systems type them."""
    DecisionLog(out, "A", "Nu\u00f1ez").append(review.ConfirmCase())
    DecisionLog(out, "A", " Nun\u0303ez ").append(review.ConfirmCase())
    assert {reader: len(found) for reader, found in read_decisions(out, "A").items()} == {"Nu\u00f1ez": 2}


def test_numbers_of_any_kind_are_stored_as_they_will_be_read(out: Path) -> None:
    """Whole numbers and NumPy's: the digest is of what the log holds, not of what was handed in."""
    log = DecisionLog(out, "A", "anna")
    place = tuple(np.array([1.5, 2.0, 3.0], dtype=np.float32))
    lesion = review.LesionRef(date=dt.date(2024, 1, 1), series_uid="1", place_lps_mm=place, volume_mm3=500)
    ends: Any = ((0, 0, 0), tuple(np.array([30, 0, 0])))
    number: Any = np.int64(3)
    made = log.append(review.CorrectDiameter(lesion=lesion, ends_lps_mm=ends, slice_index=number))
    assert DecisionLog(out, "A", "anna").read() == (made,)


def test_what_could_not_be_read_again_is_refused_and_leaves_the_log_whole(out: Path) -> None:
    log = DecisionLog(out, "A", "anna")
    log.append(review.Comment(text="before"))
    text: Any = object()
    place = (math.nan, 0.0, 0.0)
    astray = review.LesionRef(date=dt.date(2024, 1, 1), series_uid="1", place_lps_mm=place, volume_mm3=5.0)
    strange: Any = review.VisitRef(date=text, series_uid="1")
    for act in (review.ConfirmLesion(lesion=astray), review.ConfirmVisit(visit=strange)):
        with pytest.raises(DecisionError, match="cannot be stored"):
            log.append(act)
    log.append(review.Comment(text="after"))
    assert len(DecisionLog(out, "A", "anna").read()) == 2


# --- damage -----------------------------------------------------------------------------------------------------------


@given(cut=st.integers(0, 10_000))
@settings(max_examples=60)
def test_any_prefix_of_a_log_is_a_log(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Cut at any byte: what was whole is there, what was torn is put aside and named, and the log goes on."""
    out = tmp_path_factory.mktemp("log")
    write_subject(out)
    log = DecisionLog(out, "A", "anna")
    made = [log.append(act) for act in remarks(6)]
    whole = log.path.read_bytes()
    size = cut % (len(whole) + 1)
    log.path.write_bytes(whole[:size])
    lines = whole[:size].count(b"\n")
    torn = whole[:size].rpartition(b"\n")[2]
    assert list(DecisionLog(out, "A", "anna").read()) == made[:lines]
    # The program that had read it all before sees the shorter log too.
    assert list(log.read()) == made[:lines]
    further = log.append(review.ConfirmCase())
    assert list(DecisionLog(out, "A", "anna").read()) == [*made[:lines], further]
    aside = [path.read_bytes() for path in log.path.parent.glob("*.torn-*")]
    assert aside == ([torn] if torn else [])


@pytest.mark.parametrize("damage", ["change", "drop", "swap", "insert", "reader", "space", "garbage"])
def test_a_log_that_was_tampered_with_is_refused_by_line(out: Path, damage: str) -> None:
    log = DecisionLog(out, "A", "anna")
    for act in remarks(5):
        log.append(act)
    lines = log.path.read_text().splitlines(keepends=True)
    other = json.loads(lines[2])
    changed = {
        "change": [*lines[:2], lines[2].replace("remark 2", "remark 9"), *lines[3:]],
        "drop": [*lines[:2], *lines[3:]],
        "swap": [*lines[:2], lines[3], lines[2], lines[4]],
        "insert": [*lines[:2], lines[1], *lines[2:]],
        "reader": [*lines[:2], json.dumps({**other, "reader": "bert"}) + "\n", *lines[3:]],
        "space": [*lines[:2], lines[2].replace(":", ": ", 1), *lines[3:]],
        "garbage": [*lines[:2], "\x00\x01\n", *lines[3:]],
    }[damage]
    log.path.write_text("".join(changed))
    for again in (DecisionLog(out, "A", "anna").read, lambda: DecisionLog(out, "A", "anna").append(remarks(1)[0])):
        with pytest.raises(DecisionError, match=r"subject A, file .*decisions-anna.*, line 3") as caught:
            again()
        assert caught.value.subject_id == "A"
    assert log.path.read_text() == "".join(changed)


def test_a_log_of_another_subject_or_reader_is_refused(out: Path) -> None:
    store.write_subject(out, "B", frames={}, label_maps={}, registrations=[], views=[], provenance={"key": "k"})
    log = DecisionLog(out, "A", "anna")
    log.append(review.ConfirmCase())
    alien = store.subject_folder(out, "B") / log.path.name
    alien.write_bytes(log.path.read_bytes())
    with pytest.raises(DecisionError, match="chain is broken"):
        read_decisions(out, "B")
    bert = DecisionLog(out, "A", "bert")
    bert.path.write_bytes(log.path.read_bytes())
    with pytest.raises(DecisionError, match="not its reader's"):
        read_decisions(out, "A")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_cannot_keep_it_acknowledges_nothing(out: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """The disk fails when the line is to be made lasting: the caller is told, and the line is gone."""
    log = DecisionLog(out, "A", "anna")
    made = log.append(review.Comment(text="kept"))
    before, sync, calls = log.path.read_bytes(), os.fsync, []

    def failing(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DecisionError, match=os.strerror(code)):
        log.append(review.Comment(text="lost"))
    monkeypatch.undo()
    assert log.path.read_bytes() == before
    further = log.append(review.Comment(text="again"))
    assert log.read() == (made, further)


# --- several programs, sudden ends ------------------------------------------------------------------------------------


def test_a_full_disk_in_mid_line_loses_nothing_and_leaves_nothing_half(out: Path) -> None:
    """A limit on the file's size stops a write in the middle of a line, as a full disk does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT, FULL_AT))

    writer = start(out, "anna", "full", 1000, preexec_fn=limit)
    said = writer.communicate()[0].splitlines()
    told = [line for line in said if len(line) == 64]
    assert said[-1].startswith("REFUSED") and "could not be stored" in said[-1]
    log = DecisionLog(out, "A", "anna")
    assert 10 < len(told) < 1000
    assert [decision.id for decision in log.read()] == told
    assert log.path.read_bytes().endswith(b"\n") and log.path.stat().st_size <= FULL_AT
    assert log.append(review.ConfirmCase()).previous == told[-1]


def test_two_programs_at_once_lose_nothing(out: Path) -> None:
    writers = [start(out, "anna", name, 60) for name in ("one", "two")]
    told = [acknowledged(writer) for writer in writers]
    assert [len(found) for found in told] == [60, 60]
    stored = [decision.id for decision in DecisionLog(out, "A", "anna").read()]
    assert sorted(stored) == sorted([*told[0], *told[1]])
    for own in told:
        assert [name for name in stored if name in set(own)] == own


def test_a_rerun_in_the_middle_of_reading_loses_nothing(out: Path) -> None:
    """The subject's folder is replaced again and again while a reader decides."""
    writer = start(out, "anna", "reader", 60)
    number = 0
    while writer.poll() is None:
        number += 1
        write_subject(out, key=f"k{number}")
    told = acknowledged(writer)
    assert len(told) == 60 and number > 2
    assert [decision.id for decision in DecisionLog(out, "A", "anna").read()] == told


def test_killed_in_the_middle_of_a_thousand_writes(out: Path) -> None:
    """`kill -9`, again and again: every decision that was acknowledged is there, in order, and none is half there."""
    rounds = 25 if os.environ.get("LESIONTRACK_SOAK") else 4
    source = random.Random(20090228)
    known: list[str] = []
    for number in range(rounds):
        writer = start(out, "anna", f"round {number}", 1000)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(source.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        told = [line for line in (first + writer.communicate()[0]).splitlines() if len(line) == 64]
        stored = [decision.id for decision in DecisionLog(out, "A", "anna").read()]
        assert len(told) < 1000
        # What was on disk before it could be said may be there as well: one decision at the most.
        assert stored[: len(known)] == known
        assert stored[len(known) :][: len(told)] == told and len(stored) - len(known) - len(told) <= 1
        known = stored
    assert DecisionLog(out, "A", "anna").append(review.ConfirmCase()).previous == known[-1]
