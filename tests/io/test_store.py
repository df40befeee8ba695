"""The result folder: safe names, whole or not at all, tables that survive a spreadsheet."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.view import View, ViewKind
from lesiontrack.io import store
from lesiontrack.tables import empty, frame

HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "a\\b",
    ".hidden",
    "=HYPERLINK(1)",
    "",
    " ",
    "x" * 300,
    "CON",
    "é",
    "a%2Fb",
    "A~b",
]


def test_hostile_ids_become_plain_and_different_names() -> None:
    """No separator, no leading dot, no collision, also where the file system ignores case."""
    ids = [*HOSTILE, "abc", "ABC", "aBc", "x" * 301]
    names = [store.safe_name(subject_id) for subject_id in ids]
    assert len({name.lower() for name in names}) == len(ids)
    for name in names:
        assert 0 < len(name) <= 110
        assert not set(name) & set('/\\:*?"<>|')
        assert not name.startswith(".")


@given(st.text(max_size=60), st.text(max_size=60))
def test_names_are_injective(first: str, second: str) -> None:
    """Two ids never share a folder."""
    same = store.safe_name(first).lower() == store.safe_name(second).lower()
    assert same == (first == second)


def test_a_spreadsheet_runs_nothing_and_the_reader_strips_it(tmp_path: Path) -> None:
    """A cell that begins like a formula is quoted in CSV, exact in Parquet, and the same after reading either."""
    row = {"subject_id": "=1+1", "stage": "read", "severity": "ERROR", "error": "@x", "message": "-1, 'quoted'"}
    table = frame("failures", [row, {**row, "message": "'=kept"}])
    store.write_table(tmp_path, "failures", table)
    text = (tmp_path / "failures.csv").read_text(encoding="utf-8")
    assert "'=1+1" in text
    assert "'@x" in text
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "failures"), table)
    (tmp_path / "failures.parquet").unlink()
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "failures"), table)


def test_no_table_is_an_empty_one_with_types(tmp_path: Path) -> None:
    """What a run did not fill reads as declared."""
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "links"), empty("links"))


def _registration() -> Registration:
    grid = Grid(shape=(2, 2, 2), affine=np.eye(4))
    there = Transform(affine=np.eye(4), displacement_mm=np.ones((2, 2, 2, 3), dtype=np.float32), grid=grid)
    return Registration(
        timepoint_from=0,
        timepoint_to=1,
        series_from="1",
        series_to="2",
        method="test",
        forward=there,
        backward=Transform.identity(),
    )


def _view() -> View:
    return View(
        timepoint=1,
        series_uid="2",
        kind=ViewKind.LESION,
        lesion_id=3,
        centre_lps_mm=(1.0, 2.0, 3.0),
        pixels=np.arange(12, dtype=np.uint8).reshape(3, 4),
        pixel_mm=0.5,
        contours=((3, np.array([[0.0, 1.0], [1.5, 2.0]])),),
        diameter_px=np.array([[0.0, 0.0], [1.0, 1.0]]),
    )


def _write(out: Path, key: str = "k") -> Path:
    labels = np.zeros((2, 3, 4), dtype=np.uint16)
    labels[1, 2, 3] = 7
    grid = Grid(shape=(2, 3, 4), affine=np.diag([5.0, 2.0, 2.0, 1.0])[[2, 1, 0, 3]])
    return store.write_subject(
        out,
        "A/1",
        frames={"links": empty("links"), "failures": empty("failures")},
        label_maps={"lesions_t01": (grid, labels)},
        registrations=[_registration()],
        views=[_view()],
        provenance={"key": key},
    )


def test_a_subject_is_written_whole(tmp_path: Path) -> None:
    """Everything is there under the final name, and nothing is left beside it."""
    folder = _write(tmp_path)
    assert folder == store.subject_folder(tmp_path, "A/1")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert store.stored_key(tmp_path, "A/1") == "k"
    assert store.stored_key(tmp_path, "A/2") is None
    (view,) = store.load_views(folder)
    assert view.describe() == _view().describe()
    np.testing.assert_array_equal(view.pixels, _view().pixels)


def test_rewriting_keeps_the_readers_decisions(tmp_path: Path) -> None:
    """What a radiologist decided survives a rerun; nothing else of the old folder does."""
    folder = _write(tmp_path)
    (folder / "decisions-ab.jsonl").write_text("{}\n")
    (folder / "stale.csv").write_text("x")
    _write(tmp_path, key="k2")
    assert (folder / "decisions-ab.jsonl").read_text() == "{}\n"
    assert not (folder / "stale.csv").exists()
    assert store.stored_key(tmp_path, "A/1") == "k2"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_failed_write_leaves_the_old_folder(tmp_path: Path) -> None:
    """A table that breaks its schema half way changes nothing."""
    folder = _write(tmp_path)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(Exception, match="links"):
        store.write_subject(
            tmp_path,
            "A/1",
            frames={"failures": empty("failures"), "links": pd.DataFrame({"x": [dt.date(2024, 1, 1)]})},
            label_maps={},
            registrations=[],
            views=[],
            provenance={"key": "other"},
        )
    assert sorted(path.name for path in folder.iterdir()) == before
    assert store.stored_key(tmp_path, "A/1") == "k"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_json_never_holds_a_number_that_json_has_not(tmp_path: Path) -> None:
    """NaN is refused and leaves no file behind."""
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_table_in_pieces_equals_the_table_at_once(tmp_path: Path) -> None:
    """More rows than memory holds are written piece by piece, and only put in place when all is written."""
    rows = [
        {"subject_id": str(n), "stage": "read", "severity": "ERROR", "error": "e", "message": "m"} for n in range(5)
    ]
    with store.TableWriter(tmp_path, "failures") as writer:
        writer.write(frame("failures", rows[:2]))
        writer.write(frame("failures", rows[2:]))
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "failures"), frame("failures", rows))
    at_once = tmp_path / "at_once"
    store.write_table(at_once, "failures", frame("failures", rows))
    assert (at_once / "failures.csv").read_bytes() == (tmp_path / "failures.csv").read_bytes()
    with pytest.raises(KeyError), store.TableWriter(tmp_path / "broken", "failures") as writer:
        writer.write(frame("failures", rows))
        raise KeyError
    assert list((tmp_path / "broken").iterdir()) == []


def test_an_empty_table_in_pieces_has_its_header(tmp_path: Path) -> None:
    """Nothing written is still the declared table."""
    with store.TableWriter(tmp_path, "links"):
        pass
    pd.testing.assert_frame_equal(store.read_table(tmp_path, "links"), empty("links"))
    assert (tmp_path / "links.csv").read_text().startswith("subject_id,timepoint_from")


def test_a_killed_run_leaves_nothing_half_done_and_loses_nothing_whole(tmp_path: Path) -> None:
    """Killed between moving the old folder aside and the new one in: the old one is back, decisions and all."""
    folder = _write(tmp_path)
    (folder / "decisions-DR.jsonl").write_text("{}\n")
    aside = folder.parent / ".old-abc"
    folder.rename(aside)
    (folder.parent / ".writing-xyz").mkdir()
    (folder.parent / ".writing-xyz" / "lesions.csv").write_text("half")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / ".lesions.parquet.writing").write_text("half")
    (tmp_path / ".writing-json").write_text("half")
    store.sweep(tmp_path)
    assert (folder / "decisions-DR.jsonl").is_file()
    assert store.stored_key(tmp_path, "A/1") == "k"
    assert not list(tmp_path.rglob(".*"))
    shutil.copytree(folder, aside)
    store.sweep(tmp_path)
    assert not aside.exists() and (folder / "provenance.json").is_file()
