"""Named cases of linking: one small constellation and the identity map, one thing changed at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.simulated_subjects import START, make_lesion, make_subject
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import Fate, Lesion, LinkKind, MissingState, Track, TreatedZone
from lesiontrack.domain.study import ClinicalFacts, LocalTreatment, Scan, Subject, Visit
from lesiontrack.link import LinkSettings, Tracking, chain

SETTINGS = LinkSettings()
# Eight lesions, 30 mm and more apart, radii all different so that their order by diameter is this order reversed.
CENTRES = np.array(
    [[0, 0, 0], [40, 0, 5], [0, 38, -6], [-36, 4, 8], [5, -35, 20], [30, 30, 40], [-30, 30, -38], [20, -40, -35]],
    dtype=float,
)
RADII = [4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0]


def day(visit: float) -> dt.date:
    """Date of a visit, or between two of them."""
    return START + dt.timedelta(days=round(56 * visit))


def row(visit: int, *, skip: Iterable[int] = (), extra: Sequence[Lesion] = ()) -> list[Lesion]:
    """Lesions of a visit: the constellation without some, and some more."""
    left_out = set(skip)
    kept = [make_lesion(visit, n + 1, CENTRES[n], RADII[n]) for n in range(len(CENTRES)) if n not in left_out]
    return [*kept, *extra]


def identity(visits: int, *, trusted: bool = True) -> list[Registration]:
    """Registrations previous to this and baseline to this, all the identity."""
    pairs = sorted({(a, b) for b in range(1, visits) for a in (b - 1, 0)})
    return [
        Registration(
            timepoint_from=a,
            timepoint_to=b,
            series_from=f"S{a}",
            series_to=f"S{b}",
            method="test",
            forward=Transform.identity(),
            backward=Transform.identity(),
            residual_mm=1.0,
            trusted=trusted,
            reason="" if trusted else "test",
        )
        for a, b in pairs
    ]


def link(
    *visits: list[Lesion],
    treatments: Sequence[LocalTreatment] = (),
    zones: Sequence[TreatedZone] = (),
    subject: Subject | None = None,
) -> Tracking:
    """Chain visits under the identity map."""
    clinical = ClinicalFacts(local_treatments=tuple(treatments))
    person = subject or make_subject(len(visits), clinical=clinical)
    return chain(person, [x for v in visits for x in v], zones, identity(len(visits)), SETTINGS)


def track_of(tracking: Tracking, visit: int, lesion_id: int) -> Track:
    """Track that holds a lesion."""
    return next(t for t in tracking.tracks if (visit, lesion_id) in t.lesions)


def zone(visit: int, centre: NDArray[np.float64], radius: float) -> TreatedZone:
    """Spherical treated zone."""
    x, y, z = (float(v) for v in centre)
    return TreatedZone(
        timepoint=visit,
        zone_id=1,
        series_uid=f"S{visit}",
        centroid_lps_mm=(x, y, z),
        volume_mm3=4 / 3 * np.pi * radius**3,
        longest_diameter_mm=Decimal(str(round(2 * radius, 1))),
    )


# --- the same, new, gone ----------------------------------------------------------------------------------------------


def test_a_visit_against_itself_links_each_lesion_to_itself() -> None:
    tracking = link(row(0), row(1))
    assert {(x.lesion_from, x.lesion_to) for x in tracking.links} == {(n, n) for n in range(1, 9)}
    assert all(x.kind is LinkKind.SAME and x.distance_mm < 0.01 and x.confidence > 0.95 for x in tracking.links)
    assert not tracking.missing
    assert all(t.fate is Fate.PERSISTS and not t.needs_review for t in tracking.tracks)


def test_tracks_are_named_by_first_visit_then_falling_diameter() -> None:
    tracking = link(row(0), row(1, extra=[make_lesion(1, 20, np.array([60.0, 60.0, 0.0]), 12.0)]))
    assert [t.track_id for t in tracking.tracks] == [f"L{n:02d}" for n in range(1, 10)]
    assert [t.lesions[0] for t in tracking.tracks] == [(0, n) for n in range(8, 0, -1)] + [(1, 20)]


def test_a_vanished_lesion_keeps_its_identity_and_place_on_every_later_visit() -> None:
    tracking = link(row(0), row(1, skip=[2]), row(2, skip=[2]))
    gone = track_of(tracking, 0, 3)
    entries = [m for m in tracking.missing if m.track_id == gone.track_id]
    assert gone.fate is Fate.DISAPPEARED
    assert [(m.timepoint, m.state, m.since_timepoint, m.series_uid) for m in entries] == [
        (1, MissingState.NOT_SEEN, 1, "S1"),
        (2, MissingState.NOT_SEEN, 1, "S2"),
    ]
    for entry in entries:
        np.testing.assert_allclose(entry.place_lps_mm, CENTRES[2], atol=0.5)
        assert entry.trusted


def test_a_lesion_back_after_a_visit_keeps_its_track_and_is_flagged() -> None:
    tracking = link(row(0), row(1, skip=[4]), row(2))
    track = track_of(tracking, 0, 5)
    assert track.lesions == ((0, 5), (2, 5))
    assert track.fate is Fate.PERSISTS
    assert track.needs_review
    assert any(reason.startswith("MISSED_BETWEEN") for reason in track.reasons)
    assert [(x.timepoint_from, x.timepoint_to) for x in tracking.links if x.lesion_from == 5] == [(0, 2)]
    assert [(m.timepoint, m.since_timepoint) for m in tracking.missing] == [(1, 1)]


def late(radius: float, centre: tuple[float, float, float] = (60.0, 60.0, 0.0), visit: int = 1) -> Lesion:
    """Lesion 20, which no earlier visit marks."""
    return make_lesion(visit, 20, np.array(centre), radius)


def test_a_lesion_too_large_to_be_new_is_suggested_as_missed_and_nothing_else_changes() -> None:
    """24 mm after 56 days: 15.6 mm before, even if the volume doubled every 30 days (24 / 2^(56/90))."""
    tracking = link(row(0), row(1, extra=[late(12.0)]))
    track = track_of(tracking, 1, 20)
    (reason,) = track.reasons
    assert reason.startswith("MAYBE_MISSED: 24 mm at first sight, so 16 mm or more at visit 0,")
    assert reason.endswith("look there at 60, 60, 0 mm")
    assert track.needs_review and track.lesions == ((1, 20),) and not tracking.missing
    assert not any(link.lesion_to == 20 for link in tracking.links)


def test_a_small_new_lesion_is_not_suggested_as_missed() -> None:
    """7 mm after 56 days could have been 4.5 mm before, too small to be marked."""
    track = track_of(link(row(0), row(1, extra=[late(3.5)])), 1, 20)
    assert not track.reasons and not track.needs_review


def test_the_last_visit_that_showed_the_place_is_where_to_look() -> None:
    """30 mm at the third visit: 19.5 mm at the second, whose scan ends before it; 12.7 mm at the first."""
    subject = make_subject(3)
    scan = subject.visits[1].scans[0]
    assert scan.grid is not None
    cut = replace(scan, grid=scan.grid.crop((0, 0, 0), (33, 60, 60)))
    short = replace(subject, visits=(subject.visits[0], Visit(timepoint=1, scans=(cut,)), subject.visits[2]))
    high = late(15.0, (60.0, 60.0, 80.0), visit=2)
    visits = row(0), row(1, skip=[5]), row(2, extra=[high])
    assert "or more at visit 1," in track_of(link(*visits), 2, 20).reasons[0]
    assert "so 13 mm or more at visit 0," in track_of(link(*visits, subject=short), 2, 20).reasons[0]


def test_a_place_outside_the_scan_is_out_of_view_and_the_lesion_not_gone() -> None:
    subject = make_subject(2)
    scan = subject.visits[1].scans[0]
    assert scan.grid is not None
    # The second scan ends below z = 30: the lesion at z = 40 is not imaged.
    cut = replace(scan, grid=scan.grid.crop((0, 0, 0), (33, 60, 60)))
    short = replace(subject, visits=(subject.visits[0], Visit(timepoint=1, scans=(cut,))))
    tracking = link(row(0), row(1, skip=[5]), subject=short)
    track = track_of(tracking, 0, 6)
    assert [m.state for m in tracking.missing] == [MissingState.OUT_OF_VIEW]
    assert track.fate is Fate.PERSISTS


def test_a_visit_without_lesions_leaves_all_missing_there() -> None:
    tracking = link(row(0), [], row(2))
    assert len(tracking.tracks) == 8
    assert sorted(m.timepoint for m in tracking.missing) == [1] * 8
    assert {(x.timepoint_from, x.timepoint_to) for x in tracking.links} == {(0, 2)}


def test_no_lesions_at_all_is_no_tracks() -> None:
    tracking = link([], [])
    assert tracking == Tracking(links=(), tracks=(), missing=())


def test_an_unusable_visit_has_no_ledger() -> None:
    subject = make_subject(3)
    broken = replace(subject.visits[1], usable=False, problem="no segmentation")
    tracking = link(row(0), [], row(2), subject=replace(subject, visits=(subject.visits[0], broken, subject.visits[2])))
    assert not tracking.missing


def test_an_untrusted_registration_makes_an_untrusted_flagged_disappearance() -> None:
    lesions = [*row(0), *row(1, skip=[0])]
    tracking = chain(make_subject(2), lesions, (), identity(2, trusted=False), SETTINGS)
    track = track_of(tracking, 0, 1)
    assert not tracking.missing[0].trusted
    assert track.needs_review
    assert any(reason.startswith("GONE_UNTRUSTED") for reason in track.reasons)


def test_without_any_registration_nothing_is_linked_and_no_place_is_trusted() -> None:
    tracking = chain(make_subject(2), [*row(0), *row(1)], (), [], SETTINGS)
    assert not tracking.links
    assert len(tracking.tracks) == 16
    assert tracking.missing
    assert not any(m.trusted for m in tracking.missing)


# --- sites ------------------------------------------------------------------------------------------------------------


def test_a_hepatic_lesion_is_never_linked_to_another_site() -> None:
    node = make_lesion(1, 30, CENTRES[0], 4.0, site="LYMPH_NODE")
    tracking = link(row(0), row(1, skip=[0], extra=[node]))
    assert track_of(tracking, 1, 30).lesions == ((1, 30),)
    assert track_of(tracking, 0, 1).fate is Fate.DISAPPEARED


def test_extrahepatic_lesions_are_linked_by_site_over_a_wider_way() -> None:
    before = [
        make_lesion(0, 30, np.array([0.0, 0.0, 150.0]), 5.0, site="LUNG"),
        make_lesion(0, 31, np.array([10.0, 0.0, 150.0]), 5.0, site="LYMPH_NODE"),
    ]
    after = [
        make_lesion(1, 30, np.array([9.0, 0.0, 158.0]), 5.0, site="LUNG"),
        make_lesion(1, 31, np.array([2.0, 0.0, 158.0]), 5.0, site="LYMPH_NODE"),
    ]
    tracking = link(row(0, extra=before), row(1, extra=after))
    assert track_of(tracking, 0, 30).lesions == ((0, 30), (1, 30))
    assert track_of(tracking, 0, 31).lesions == ((0, 31), (1, 31))


# --- splits and merges ------------------------------------------------------------------------------------------------


def _halves(visit: int, first_id: int) -> list[Lesion]:
    """Two halves of the last lesion of the constellation (radius 8 mm), 9 mm apart."""
    offset = np.array([4.5, 0.0, 0.0])
    return [
        make_lesion(visit, first_id, CENTRES[7] - offset, 4.2),
        make_lesion(visit, first_id + 1, CENTRES[7] + offset, 4.4),
    ]


def test_fragments_stay_in_the_track_that_they_split_from() -> None:
    tracking = link(row(0), row(1, skip=[7], extra=_halves(1, 20)), row(2, skip=[7], extra=_halves(2, 20)))
    track = track_of(tracking, 0, 8)
    assert track.lesions == ((0, 8), (1, 20), (1, 21), (2, 20), (2, 21))
    splits = [x for x in tracking.links if x.kind is LinkKind.SPLIT]
    assert {(x.lesion_from, x.lesion_to) for x in splits} == {(8, 20), (8, 21)}
    assert {(x.lesion_from, x.lesion_to) for x in tracking.links if x.timepoint_from == 1 and x.lesion_from >= 20} == {
        (20, 20),
        (21, 21),
    }
    assert track.needs_review
    assert len(tracking.tracks) == 8


def test_lesions_that_flow_together_merge_and_keep_their_identity() -> None:
    tracking = link(row(0, skip=[7], extra=_halves(0, 20)), row(1), row(2))
    merged = [t for t in tracking.tracks if t.fate is Fate.MERGED]
    assert len(merged) == 1
    other = next(t for t in tracking.tracks if (1, 8) in t.lesions)
    assert merged[0].merged_into == other.track_id
    assert {merged[0].lesions[0], other.lesions[0]} == {(0, 20), (0, 21)}
    assert [x.kind for x in tracking.links if x.lesion_to == 8 and x.timepoint_to == 1].count(LinkKind.MERGE) >= 1
    assert not [m for m in tracking.missing if m.track_id == merged[0].track_id]


def test_a_new_neighbour_outside_a_lesion_is_no_fragment() -> None:
    beside = make_lesion(1, 20, CENTRES[7] + np.array([14.0, 0.0, 0.0]), 4.0)
    tracking = link(row(0), row(1, extra=[beside]))
    assert track_of(tracking, 1, 20).lesions == ((1, 20),)
    assert all(x.kind is LinkKind.SAME for x in tracking.links)


# --- local treatment --------------------------------------------------------------------------------------------------


def test_a_resection_by_name_is_a_fate_and_its_place_is_treated() -> None:
    named = next(t for t in link(row(0), row(1)).tracks if (0, 3) in t.lesions)
    surgery = LocalTreatment(
        date=day(0.5), method="RESECTION", track_id=named.track_id, tracking_uid=named.tracking_uid
    )
    tracking = link(row(0), row(1, skip=[2]), treatments=[surgery])
    track = track_of(tracking, 0, 3)
    assert track.fate is Fate.RESECTED
    assert track.treatments == (surgery,)
    assert [m.state for m in tracking.missing] == [MissingState.TREATED]
    assert not track.needs_review


def test_the_tracking_uid_wins_over_a_track_id_that_has_moved() -> None:
    named = next(t for t in link(row(0), row(1)).tracks if (0, 3) in t.lesions)
    surgery = LocalTreatment(date=day(0.5), method="RESECTION", track_id="L77", tracking_uid=named.tracking_uid)
    tracking = link(row(0), row(1, skip=[2]), treatments=[surgery])
    assert track_of(tracking, 0, 3).fate is Fate.RESECTED
    assert any(reason.startswith("TREATMENT_NAME") for reason in track_of(tracking, 0, 3).reasons)


def test_a_row_that_names_an_unknown_track_is_a_problem_not_a_guess() -> None:
    surgery = LocalTreatment(date=day(0.5), method="RESECTION", track_id="L77")
    tracking = link(row(0), row(1, skip=[2]), treatments=[surgery])
    assert not any(t.treatments for t in tracking.tracks)
    assert len(tracking.problems) == 1
    assert "L77" in tracking.problems[0]


def test_a_place_names_the_nearest_lesion_of_that_visit() -> None:
    x, y, z = (float(v) for v in CENTRES[5] + np.array([3.0, -2.0, 1.0]))
    ablation = LocalTreatment(date=day(0.5), method="ABLATION", place_lps_mm=(x, y, z), place_date=day(0))
    tracking = link(row(0), row(1, skip=[5]), treatments=[ablation])
    assert [t.lesions[0] for t in tracking.tracks if t.treatments] == [(0, 6)]
    assert track_of(tracking, 0, 6).fate is Fate.ABLATED


def test_a_place_far_from_every_lesion_is_a_problem() -> None:
    ablation = LocalTreatment(date=day(0.5), method="ABLATION", place_lps_mm=(150.0, 150.0, 150.0), place_date=day(0))
    tracking = link(row(0), row(1), treatments=[ablation])
    assert not any(t.treatments for t in tracking.tracks)
    assert tracking.problems


def test_all_means_every_hepatic_lesion_of_the_last_visit_before() -> None:
    lung = make_lesion(0, 40, np.array([0.0, 0.0, 180.0]), 5.0, site="LUNG")
    late = make_lesion(1, 41, np.array([70.0, 0.0, 0.0]), 5.0)
    everything = LocalTreatment(date=day(0), method="SBRT", all_lesions=True)
    tracking = link(row(0, extra=[lung]), row(1, extra=[late]), treatments=[everything])
    treated = {t.lesions[0] for t in tracking.tracks if t.treatments}
    assert treated == {(0, n) for n in range(1, 9)}
    # Still seen after irradiation: the same track, with the treatment on it.
    assert all(t.fate is Fate.IRRADIATED and len(t.lesions) == 2 for t in tracking.tracks if t.treatments)


def test_an_unnamed_resection_is_placed_by_absence_and_flagged() -> None:
    tracking = link(row(0), row(1, skip=[1, 3]), treatments=[LocalTreatment(date=day(0.5), method="RESECTION")])
    resected = [t for t in tracking.tracks if t.fate is Fate.RESECTED]
    assert {t.lesions[0] for t in resected} == {(0, 2), (0, 4)}
    assert all(t.needs_review for t in resected)


def test_an_unnamed_ablation_is_placed_by_the_zone_it_left() -> None:
    tracking = link(
        row(0),
        row(1, skip=[1, 3]),
        treatments=[LocalTreatment(date=day(0.5), method="ABLATION")],
        zones=[zone(1, CENTRES[3] + 3.0, 14.0)],
    )
    assert track_of(tracking, 0, 4).fate is Fate.ABLATED
    assert track_of(tracking, 0, 2).fate is Fate.DISAPPEARED
    assert track_of(tracking, 0, 4).needs_review


def test_a_zone_that_no_row_names_still_means_treated() -> None:
    tracking = link(row(0), row(1, skip=[3]), zones=[zone(1, CENTRES[3], 14.0)])
    track = track_of(tracking, 0, 4)
    assert track.fate is Fate.ABLATED
    assert [m.state for m in tracking.missing] == [MissingState.TREATED]
    assert any(reason.startswith("ZONE_WITHOUT_TREATMENT") for reason in track.reasons)


def test_a_nodule_at_the_zone_after_a_clean_control_is_a_track_of_its_own() -> None:
    ablation = LocalTreatment(date=day(0.5), method="ABLATION", place_lps_mm=(-36.0, 4.0, 8.0), place_date=day(0))
    nodule = make_lesion(2, 50, CENTRES[3] + np.array([-8.0, 0.0, 0.0]), 4.0)
    tracking = link(
        row(0),
        row(1, skip=[3]),
        row(2, skip=[3], extra=[nodule]),
        treatments=[ablation],
        zones=[zone(1, CENTRES[3], 14.0), zone(2, CENTRES[3], 13.0)],
    )
    treated, new = track_of(tracking, 0, 4), track_of(tracking, 2, 50)
    assert treated.lesions == ((0, 4),)
    assert treated.fate is Fate.ABLATED
    assert new.recurrence_of == treated.track_id
    assert new.lesions == ((2, 50),)


def test_a_new_lesion_far_from_the_treated_site_is_no_recurrence() -> None:
    ablation = LocalTreatment(date=day(0.5), method="ABLATION", place_lps_mm=(-36.0, 4.0, 8.0), place_date=day(0))
    far = make_lesion(2, 50, np.array([-80.0, 4.0, 8.0]), 4.0)
    tracking = link(
        row(0),
        row(1, skip=[3]),
        row(2, skip=[3], extra=[far]),
        treatments=[ablation],
        zones=[zone(1, CENTRES[3], 14.0)],
    )
    assert track_of(tracking, 2, 50).recurrence_of is None


def test_a_treatment_after_the_last_scan_is_kept_and_changes_no_fate() -> None:
    tracking = link(row(0), row(1), treatments=[LocalTreatment(date=day(1.5), method="SBRT", all_lesions=True)])
    assert all(t.treatments and t.fate is Fate.PERSISTS for t in tracking.tracks)
    assert not tracking.missing


def test_a_resected_lesion_that_is_still_seen_is_a_contradiction_for_a_reader() -> None:
    named = next(t for t in link(row(0), row(1)).tracks if (0, 3) in t.lesions)
    surgery = LocalTreatment(date=day(0.5), method="RESECTION", tracking_uid=named.tracking_uid)
    track = track_of(link(row(0), row(1), treatments=[surgery]), 0, 3)
    assert track.fate is Fate.PERSISTS
    assert any(reason.startswith("RESECTED_YET_SEEN") for reason in track.reasons)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_tracking_uids_are_unique_and_of_dicom_form() -> None:
    uids = [t.tracking_uid for t in link(row(0), row(1)).tracks]
    assert len(set(uids)) == 8
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)


def test_a_segmentations_own_tracking_uid_is_kept_where_it_is_consistent() -> None:
    lesions = [replace(x, tracking_uid=f"1.2.840.{x.lesion_id}") for x in [*row(0), *row(1)]]
    tracking = chain(make_subject(2), lesions, (), identity(2), SETTINGS)
    assert {t.tracking_uid for t in tracking.tracks} == {f"1.2.840.{n}" for n in range(1, 9)}


def test_a_tracking_uid_that_differs_between_visits_is_not_kept() -> None:
    lesions = [replace(x, tracking_uid=f"1.2.840.{x.timepoint}.{x.lesion_id}") for x in [*row(0), *row(1)]]
    tracking = chain(make_subject(2), lesions, (), identity(2), SETTINGS)
    assert all(t.tracking_uid.startswith("2.25.") for t in tracking.tracks)


def test_a_close_call_is_decided_by_the_others_and_flagged() -> None:
    """A lesion half-way between two earlier ones: linked to the nearer or to none, never surely."""
    pair = [make_lesion(0, 20, np.array([60.0, 0.0, 60.0]), 4.0), make_lesion(0, 21, np.array([70.0, 0.0, 60.0]), 4.0)]
    middle = make_lesion(1, 20, np.array([65.0, 0.0, 60.0]), 4.0)
    tracking = link(row(0, extra=pair), row(1, extra=[middle]))
    found = [x for x in tracking.links if x.lesion_to == 20]
    assert all(x.confidence < SETTINGS.review_below for x in found)
    assert track_of(tracking, 1, 20).needs_review


@pytest.mark.parametrize("scans", [1, 2])
def test_several_scans_in_a_visit_use_their_own_registrations(scans: int) -> None:
    """The lung is on a chest scan of the same visit, which has its own coordinates and its own registration."""
    shift = np.eye(4)
    shift[:3, 3] = (100.0, 0.0, 0.0)
    subject = make_subject(2)
    visits, lesions, registrations = [], [*row(0), *row(1)], identity(2)
    for visit in subject.visits:
        chest = Scan(series_uid=f"C{visit.timepoint}", date=visit.date, modality="CT", measured=True)
        visits.append(replace(visit, scans=(*visit.scans, chest)[:scans] if scans == 2 else visit.scans))
    if scans == 2:
        place = np.array([0.0, 0.0, 200.0])
        lesions.append(make_lesion(0, 30, place, 5.0, site="LUNG", series="C0"))
        lesions.append(make_lesion(1, 30, place + shift[:3, 3], 5.0, site="LUNG", series="C1"))
        registrations.append(
            replace(
                registrations[0],
                series_from="C0",
                series_to="C1",
                forward=Transform(affine=shift),
                backward=Transform(affine=np.asarray(np.linalg.inv(shift), dtype=np.float64)),
            )
        )
    tracking = chain(replace(subject, visits=tuple(visits)), lesions, (), registrations, SETTINGS)
    assert len(tracking.tracks) == 7 + scans
    assert all(len(t.lesions) == 2 for t in tracking.tracks)
    assert not tracking.missing


# --- what an earlier run has made out ---------------------------------------------------------------------------------


def told(lesion: Lesion, name: int | str) -> Lesion:
    """The lesion as this program's own export names it."""
    return replace(lesion, tracking_uid=f"2.25.{name}", tracked=True)


def test_a_told_identity_outweighs_every_place() -> None:
    """A reader's correction: the lesions 1 and 2 are each other's at the second visit, 40 mm away."""
    swapped = {1: 2, 2: 1}
    first = [told(x, x.lesion_id) for x in row(0)]
    second = [told(x, swapped.get(x.lesion_id, x.lesion_id)) for x in row(1)]
    tracking = link(first, second)
    assert track_of(tracking, 0, 1).lesions == ((0, 1), (1, 2))
    assert track_of(tracking, 0, 2).lesions == ((0, 2), (1, 1))
    assert {t.tracking_uid for t in tracking.tracks} == {f"2.25.{n}" for n in range(1, 9)}
    # What contradicts the places is shown to a reader again.
    assert {t.track_id for t in tracking.tracks if t.needs_review} == {
        track_of(tracking, 0, 1).track_id,
        track_of(tracking, 0, 2).track_id,
    }


def test_a_told_cut_holds_at_one_and_the_same_place() -> None:
    tracking = link(
        [told(x, x.lesion_id) for x in row(0)], [told(x, 99 if x.lesion_id == 3 else x.lesion_id) for x in row(1)]
    )
    assert track_of(tracking, 0, 3).lesions == ((0, 3),)
    assert track_of(tracking, 1, 3).lesions == ((1, 3),)
    assert track_of(tracking, 1, 3).tracking_uid == "2.25.99"


def test_told_fragments_are_one_track_and_a_fragment_told_apart_is_none() -> None:
    """Two halves of lesion 8 at the second visit, told to be one lesion or two."""
    halves = [make_lesion(1, n, CENTRES[7] + [shift, 0, 0], 4.5) for n, shift in ((8, 3.0), (9, -3.0))]
    first = [told(x, x.lesion_id) for x in row(0)]
    others = [told(x, x.lesion_id) for x in row(1, skip=[7])]
    for name, expected in ((8, ((0, 8), (1, 8), (1, 9))), (77, ((0, 8), (1, 8)))):
        tracking = link(first, [*others, told(halves[0], 8), told(halves[1], name)])
        assert track_of(tracking, 0, 8).lesions == expected


def test_what_is_not_told_goes_on_by_its_place() -> None:
    """A third visit of another segmenter, without UIDs, goes on with the tracks that are told."""
    tracking = link([told(x, x.lesion_id) for x in row(0)], [told(x, x.lesion_id) for x in row(1)], row(2))
    assert [t.lesions for t in tracking.tracks] == [((0, n), (1, n), (2, n)) for n in range(8, 0, -1)]
    assert {t.tracking_uid for t in tracking.tracks} == {f"2.25.{n}" for n in range(1, 9)}


def test_a_foreign_tracking_uid_alone_does_not_outweigh_the_places() -> None:
    swapped = {1: 2, 2: 1}
    lesions = [
        [replace(x, tracking_uid=f"1.2.{x.lesion_id}") for x in row(0)],
        [replace(x, tracking_uid=f"1.2.{swapped.get(x.lesion_id, x.lesion_id)}") for x in row(1)],
    ]
    assert track_of(link(*lesions), 0, 1).lesions == ((0, 1), (1, 1))
