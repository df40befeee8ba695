"""Track ids and tracking UIDs that are the same on every rerun over the same data."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from lesiontrack.link.draft import Draft
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.treatments import Names

__all__ = ["name"]

# Any fixed namespace will do; this one belongs to tracking UIDs of this program alone.
_NAMESPACE = uuid.UUID("8a2f6e0c-6f0b-5d38-9f6e-1d1f4b7c2a90")


def name(drafts: Sequence[Draft], evidence: Evidence) -> Names:
    """Name drafts in their order: ``L01``, ``L02``, ... and a UID under 2.25 (DICOM PS3.5, annex B.2).

    The UID is the segmentations' own tracking UID where they carry one that all lesions of the draft share and no
    other draft has; otherwise it is made from the subject, the first lesion's series and its centroid to 0.1 mm.
    """
    width = max(2, len(str(len(drafts))))
    carried = [{uid for m in draft.members if (uid := evidence.lesions[m].tracking_uid)} for draft in drafts]
    names: list[str] = []
    for number, draft in enumerate(drafts):
        shared = carried[number]
        own = len(shared) == 1 and not any(shared & other for n, other in enumerate(carried) if n != number)
        names.append(next(iter(shared)) if own else made_uid(draft.members[0], evidence))
    return Names(
        track_ids=tuple(f"L{number + 1:0{width}d}" for number in range(len(drafts))),
        tracking_uids=tuple(names),
        begun_uids=tuple(frozenset(made_uid(m, evidence) for m in draft.members) for draft in drafts),
    )


def made_uid(index: int, evidence: Evidence) -> str:
    """Return the UID of a track that begins with a lesion, where the segmentations give it none."""
    first = evidence.lesions[index]
    place = ",".join(f"{round(x, 1) + 0.0:.1f}" for x in first.centroid_lps_mm)
    text = f"{evidence.subject.subject_id}|{first.series_uid}|{place}"
    return f"2.25.{uuid.uuid5(_NAMESPACE, text).int}"
