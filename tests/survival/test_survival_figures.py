"""Figures: byte-stable, with the numbers behind them, and no text over text."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lesiontrack.survival import figure_layout
from lesiontrack.survival.analyse import Request, analyse
from lesiontrack.survival.figure_layout import time_axis
from lesiontrack.survival.figures import steps
from lesiontrack.survival.settings import SurvivalSettings

LONG = "Resection with or without ablation and stereotactic body radiotherapy after at least six cycles of chemotherapy"


def cohort(n: int, arms: list[str], *, competing: bool) -> pd.DataFrame:
    place = np.arange(1, n + 1)
    u, v = np.modf(place * 0.618034)[0], np.modf(place * 0.754878)[0]
    event, censoring = np.ceil(-800 * np.log1p(-u)), np.ceil(200 + 2000 * v)
    status = np.where(event > censoring, 0, 1 + (competing & (place % 3 == 0)))
    return pd.DataFrame(
        {
            "subject_id": [f"S{i}" for i in place],
            "arm": [arms[i % len(arms)] for i in place],
            "time_days": np.minimum(event, censoring),
            "status": status,
            "endpoint": "HEPATIC_PD" if competing else "PFS",
        }
    )


def drawn(frame: pd.DataFrame, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Analyse and return the figures that were saved."""
    figures: list[Figure] = []
    original = Figure.savefig

    def keep(self: Figure, *args: object, **options: object) -> None:
        if self not in figures:
            figures.append(self)
        original(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    analyse(frame, out, Request(by="arm", times=[365], tau=365))
    return figures


@pytest.mark.parametrize("competing", [False, True])
@pytest.mark.parametrize(
    ("n", "arms"), [(12, ["LOCAL", "CHEMO"]), (400, ["LOCAL", "CHEMO", "EMPTY?"]), (60, [LONG, LONG + " B", "C"])]
)
def test_no_text_lies_on_text_or_leaves_the_page(
    n: int, arms: list[str], competing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = cohort(n, arms, competing=competing)
    frame.loc[frame["arm"] == "EMPTY?", "time_days"] = np.nan
    for figure in drawn(frame, tmp_path, monkeypatch):
        with matplotlib.rc_context(figure_layout._RC):
            renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            page = figure.bbox
            texts = [
                t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_visible() and t.get_text().strip()
            ]
            boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
        assert len(boxes) > 15
        for text, box in boxes:
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text
        for (text, box), (other, second) in itertools.combinations(boxes, 2):
            width = min(box.x1, second.x1) - max(box.x0, second.x0)
            height = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert width <= 0.5 or height <= 3.0, f"{text!r} lies on {other!r}"


def test_a_second_run_gives_the_same_bytes_and_no_global_setting_moves(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    frames = pd.concat([cohort(40, ["A", "B"], competing=True), cohort(40, ["A", "B"], competing=False)])
    for run in ("one", "two"):
        analyse(frames, tmp_path / run, Request(by="arm", times=[365], tau=365))
    first, second = sorted((tmp_path / "one").iterdir()), sorted((tmp_path / "two").iterdir())
    assert [p.name for p in first] == [p.name for p in second] and len(first) == 12
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    assert dict(matplotlib.rcParams) == before
    svg = (tmp_path / "one" / "PFS_km.svg").read_text(encoding="utf-8")
    assert "<dc:date>" not in svg and "Matplotlib v" not in svg
    assert b"Software" not in (tmp_path / "one" / "PFS_km.png").read_bytes()


def test_the_numbers_below_the_axis_add_up_and_the_curve_is_in_its_table(tmp_path: Path) -> None:
    frame = cohort(60, ["A", "B"], competing=True)
    analyse(frame, tmp_path, Request(by="arm"))
    numbers = pd.read_csv(tmp_path / "HEPATIC_PD_cif_numbers.csv")
    assert (numbers[["at_risk", "censored", "events", "competing"]].sum(axis=1) == 30).all()
    shares = pd.read_csv(tmp_path / "HEPATIC_PD_cif_stacked.csv")
    np.testing.assert_allclose(shares[["event", "competing", "neither"]].sum(axis=1), 1.0)
    curve = pd.read_csv(tmp_path / "HEPATIC_PD_cif.csv")
    assert list(curve.columns) == [
        "group",
        "time",
        "at_risk",
        "events",
        "competing",
        "censored",
        "estimate",
        "ci_lower",
        "ci_upper",
    ]
    assert (
        curve.groupby("group")["events"].sum().to_dict() == frame[frame["status"] == 1].groupby("arm").size().to_dict()
    )


def test_a_band_holds_to_the_time_at_which_it_becomes_undefined() -> None:
    time, height = steps(np.array([0.0, 2, 5]), np.array([1.0, 0.4, np.nan]))
    assert time.tolist() == [0, 2, 2, 5, 5]
    assert height[:4].tolist() == [1, 1, 0.4, 0.4] and np.isnan(height[4])


@pytest.mark.parametrize(
    ("longest", "unit", "label", "last"),
    [
        (40, "days", "Time (days)", 40),
        (300, "days", "Time (months)", 9),
        (1000, "days", "Time (months)", 30),
        (2200, "days", "Time (years)", 6),
        (420, "months", "Time (months)", 420),
        (3, "years", "Time (years)", 3),
        (50000, "weeks", "Time (weeks)", 50000),
        (0.01, "years", "Time (years)", 0.01),
    ],
)
def test_the_time_axis_is_round_and_short(longest: float, unit: str, label: str, last: float) -> None:
    axis = time_axis(longest, SurvivalSettings.model_validate({"time_unit": unit}))
    assert axis.label == label
    assert 2 <= len(axis.ticks) <= 9
    assert axis.ticks[0] == 0 and axis.ticks[-1] == pytest.approx(last, rel=0.35) and axis.ticks[-1] <= axis.end
