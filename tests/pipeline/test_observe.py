"""One subject's road with volumes made in memory: rival scans, unusable visits, and what is kept of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.study import ClinicalFacts, LocalTreatment, Scan, Subject, Visit
from lesiontrack.errors import ImageError, LesiontrackError
from lesiontrack.pipeline import Observed, observe
from lesiontrack.settings import Settings

GRID = Grid.from_axes(
    shape=(24, 70, 70), origin_lps_mm=np.array([-70.0, -70.0, 0.0]), steps_lps_mm=np.diag([4.0, 2.0, 2.0])[:, ::-1]
)
CENTRES = ((-20.0, 0.0, 40.0), (15.0, 10.0, 50.0), (0.0, -25.0, 60.0), (10.0, 30.0, 35.0))
Made = tuple[Volume, Segmentation | None]


def _ball(centre: tuple[float, float, float], radius_mm: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    points = GRID.to_lps_mm(np.moveaxis(np.indices(GRID.shape), 0, -1).astype(float))
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.linalg.norm(points - centre, axis=-1) <= radius_mm
    return inside


def _made(series_uid: str, centres: tuple[tuple[float, float, float], ...], *, modality: str = "CT") -> Made:
    liver = _ball((0.0, 0.0, 48.0), 46.0)
    lesions = np.zeros(GRID.shape, dtype=np.uint16)
    for centre in centres:
        lesions[_ball(centre, 8.0)] = 1
    voxels = np.where(lesions > 0, 40, np.where(liver, 110, -100)).astype(np.int16)
    segment = Segment(label=1, name="lesions", kind=SegmentKind.LESION, site="LIVER")
    volume = Volume(grid=GRID, voxels=voxels, modality=modality, series_uid=series_uid, slice_thickness_mm=4.0)
    return volume, Segmentation(grid=GRID, liver=liver, lesions=lesions, segments=(segment,))


def _scan(series_uid: str, day: dt.date, **changes: object) -> Scan:
    scan = Scan(series_uid=series_uid, date=day, modality="CT", slice_thickness_mm=4.0, grid=GRID, measured=True)
    return replace(scan, **changes)  # type: ignore[arg-type]


def _observe(
    visits: Sequence[tuple[Scan, ...]],
    made: Mapping[str, Made | LesiontrackError],
    *,
    settings: Settings | None = None,
    **facts: object,
) -> Observed:
    def read(scan: Scan) -> Made:
        found = made[scan.series_uid]
        if isinstance(found, LesiontrackError):
            raise found
        return found

    subject = Subject(
        subject_id="A",
        visits=tuple(Visit(timepoint=n, scans=scans) for n, scans in enumerate(visits)),
        clinical=ClinicalFacts(**facts),  # type: ignore[arg-type]
    )
    return observe(subject, read, settings or Settings())


DAYS = [dt.date(2024, 1, 8) + dt.timedelta(days=56 * n) for n in range(3)]


def test_a_lesion_on_two_scans_of_a_visit_counts_once() -> None:
    """Of an arterial and a portal venous scan of one visit, the liver is measured on the portal venous one."""
    arterial = _scan("1", DAYS[0], phase_of_contrast="arterial")
    portal = _scan("2", DAYS[0], phase_of_contrast="portal venous")
    seen = _observe([(arterial, portal)], {"1": _made("1", CENTRES[:3]), "2": _made("2", CENTRES)})
    assert {x.series_uid for x in seen.history.lesions} == {"2"}
    assert len(seen.history.lesions) == len(seen.history.tracks) == 4
    assert any("left out" in note for note in seen.notes)
    assert sum(int(labels.max() > 0) for _, labels in seen.label_maps.values()) == 1


def test_the_settings_choose_among_rival_scans() -> None:
    """Against the default order: the arterial scan, because the settings name it."""
    scans = (_scan("1", DAYS[0], phase_of_contrast="ARTERIAL"), _scan("2", DAYS[0], phase_of_contrast="PORTAL_VENOUS"))
    settings = Settings.model_validate({"archive": {"series_preference": ["CT ARTERIAL"]}})
    seen = _observe([scans], {"1": _made("1", CENTRES), "2": _made("2", CENTRES)}, settings=settings)
    assert {x.series_uid for x in seen.history.lesions} == {"1"}


def test_a_scan_that_shows_the_liver_without_lesions_does_not_hide_those_of_another() -> None:
    """A thin chest CT whose segmentation marks the liver alone is no reason to drop the MR's lesions."""
    chest = _scan("1", DAYS[0], slice_thickness_mm=1.0)
    liver = _scan("2", DAYS[0], modality="MR")
    seen = _observe([(chest, liver)], {"1": _made("1", ()), "2": _made("2", CENTRES, modality="MR")})
    assert len(seen.history.lesions) == 4


def test_the_modality_of_the_baseline_is_preferred_later() -> None:
    """Lengths are compared within one modality where the visit has a choice."""
    visits = [(_scan("1", DAYS[0], modality="MR"),), (_scan("2", DAYS[1]), _scan("3", DAYS[1], modality="MR"))]
    made: dict[str, Made | LesiontrackError] = {
        "1": _made("1", CENTRES, modality="MR"),
        "2": _made("2", CENTRES),
        "3": _made("3", CENTRES, modality="MR"),
    }
    seen = _observe(visits, made)
    assert {x.series_uid for x in seen.history.lesions_at(1)} == {"3"}


def test_an_unreadable_visit_is_noted_and_the_road_goes_on() -> None:
    """The visit stays with its problem, later visits are linked over it, and the problem names stage and visit."""
    made: dict[str, Made | LesiontrackError] = {
        "1": _made("1", CENTRES),
        "2": ImageError("torn"),
        "3": _made("3", CENTRES),
    }
    seen = _observe([(_scan(str(n + 1), DAYS[n]),) for n in range(3)], made)
    assert [visit.usable for visit in seen.history.subject.visits] == [True, False, True]
    (problem,) = seen.problems
    assert (problem.stage, problem.timepoint, problem.subject_id) == ("read", 1, "A")
    assert len(seen.history.tracks) == 4
    assert all(track.at(0) and track.at(2) for track in seen.history.tracks)


def test_no_usable_visit_is_an_error_of_the_subject() -> None:
    """Nothing is judged from nothing, and the visits stay known as unusable."""
    seen = _observe([(_scan("1", DAYS[0]),)], {"1": ImageError("torn")})
    assert [visit.usable for visit in seen.history.subject.visits] == [False]
    assert not seen.history.tracks
    assert any("no visit can be used" in problem.message for problem in seen.problems)


def test_a_treatment_that_fits_no_lesion_is_a_warning() -> None:
    """A row of local_treatments that names a place where nothing is does not vanish."""
    nowhere = LocalTreatment(
        date=dt.date(2024, 1, 20), method="ABLATION", place_lps_mm=(60.0, -60.0, 5.0), place_date=DAYS[0]
    )
    visits = [(_scan("1", DAYS[0]),), (_scan("2", DAYS[1]),)]
    seen = _observe(visits, {"1": _made("1", CENTRES), "2": _made("2", CENTRES)}, local_treatments=(nowhere,))
    (problem,) = seen.problems
    assert (problem.stage, problem.severity) == ("link", "WARNING")


def test_a_treatment_before_the_first_scan_or_after_the_last_is_no_fault() -> None:
    """History, and what is not imaged yet: neither can be placed, and neither is wrong."""
    rows = tuple(
        LocalTreatment(date=DAYS[n] + dt.timedelta(days=days), method="RESECTION", all_lesions=n == 0)
        for n, days in ((0, -200), (-1, 200))
    )
    assert not _observe([(_scan("1", DAYS[0]),)], {"1": _made("1", CENTRES)}, local_treatments=rows).problems


def test_a_recurrence_is_found_by_the_uid_that_an_earlier_run_gave_it() -> None:
    """Back after a clean control: a track of its own, and a treatment of it is not lost when all is done again."""
    ablated = LocalTreatment(
        date=DAYS[0] + dt.timedelta(days=7), method="ABLATION", place_lps_mm=CENTRES[3], place_date=DAYS[0]
    )
    visits = [(_scan(str(n), day),) for n, day in enumerate(DAYS)]
    made = {"0": _made("0", CENTRES), "1": _made("1", CENTRES[:3]), "2": _made("2", CENTRES)}
    first = _observe(visits, made, local_treatments=(ablated,))
    (again,) = [track for track in first.history.tracks if track.recurrence_of is not None]
    late = LocalTreatment(
        date=DAYS[2] + dt.timedelta(days=7), method="SBRT", track_id=again.track_id, tracking_uid=again.tracking_uid
    )
    second = _observe(visits, made, local_treatments=(ablated, late))
    assert not second.problems
    assert late in {treatment for track in second.history.tracks for treatment in track.treatments}


def test_what_was_mended_while_reading_a_segmentation_is_noted() -> None:
    """A mask brought onto another grid measures a little differently: the provenance says so."""
    volume, segmentation = _made("1", CENTRES)
    assert segmentation is not None
    resampled = replace(segmentation, notes=("resampled onto the image",))
    seen = _observe([(_scan("1", DAYS[0]),)], {"1": (volume, resampled)})
    assert seen.notes == ("visit 0: resampled onto the image",)


def test_the_place_of_a_vanished_lesion_is_shown() -> None:
    """A view of the projected place, so that a reader can look whether it is really gone."""
    visits = [(_scan("1", DAYS[0]),), (_scan("2", DAYS[1]),)]
    seen = _observe(visits, {"1": _made("1", CENTRES), "2": _made("2", CENTRES[:3])})
    places = [view for view in seen.views if view.kind == "PLACE"]
    assert len(places) == 1
    np.testing.assert_allclose(places[0].centre_lps_mm, CENTRES[3], atol=4.0)
    (missing,) = seen.history.missing
    np.testing.assert_allclose(missing.place_lps_mm, CENTRES[3], atol=4.0)


def test_a_visit_whose_liver_is_not_marked_is_linked_to_those_before_and_after() -> None:
    """Its lesions are in the liver by name: the visits on both sides show the same region."""
    visits = [(_scan(str(n), DAYS[n]),) for n in range(3)]
    volume, segmentation = _made("1", CENTRES)
    assert segmentation is not None
    made = {"0": _made("0", CENTRES), "1": (volume, replace(segmentation, liver=None)), "2": _made("2", CENTRES)}
    history = _observe(visits, made).history
    assert {(r.timepoint_from, r.timepoint_to) for r in history.registrations} == {(0, 1), (0, 2), (1, 2)}
    tracks = sorted(track.lesions for track in history.tracks)
    assert tracks == [tuple((t, n) for t in range(3)) for n in range(1, 5)]
    for registration in history.registrations:
        if 1 in (registration.timepoint_from, registration.timepoint_to):
            assert not registration.trusted
            assert "no liver mask" in registration.reason
