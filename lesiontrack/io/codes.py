"""Coded words of DICOM that are both written and read here: sites, treated zones, RECIST roles and responses.

SNOMED CT and DICOM codes (PS3.16) where there are any; for what has none, codes of our own under the private
designator ``99LESIONTRACK`` (PS3.16, section 8.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydicom.sr.coding import Code

__all__ = [
    "ABNORMAL",
    "ALGORITHM",
    "ANATOMICAL",
    "LIVER",
    "MALIGNANT",
    "NON_TARGET_RESPONSES",
    "OWN_SCHEME",
    "REGIONS",
    "ROLES",
    "TARGET_RESPONSES",
    "TREATED_ZONE",
    "algorithm_name",
    "own_code",
    "own_components",
]

OWN_SCHEME = "99LESIONTRACK"
# Name of the algorithm in segments that this program wrote: each is one lesion, measured and separated already.
ALGORITHM = "lesiontrack"
_OWN_SEGMENT = re.compile(rf"{ALGORITHM}(?: up to (\d+))?")


def algorithm_name(max_components: int) -> str:
    """Return the name of the algorithm of a segment that may be up to so many lesions, flowed together."""
    return ALGORITHM if max_components == 1 else f"{ALGORITHM} up to {max_components}"


def own_components(algorithm: str) -> int | None:
    """Return how many lesions a segment of this program may be at most; None for a segment of anybody else's."""
    found = _OWN_SEGMENT.fullmatch(algorithm)
    return None if found is None else int(found[1] or 1)


def own_code(value: str, meaning: str) -> Code:
    """Return a code of our own; ``value`` has at most 16 characters (VR SH)."""
    return Code(value, OWN_SCHEME, meaning)


ANATOMICAL = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LIVER = Code("10200004", "SCT", "Liver")
MALIGNANT = Code("14799000", "SCT", "Neoplasm, Secondary")
# No code of the standard says "treated here": a reader that does not know this one goes by the segment's label.
TREATED_ZONE = own_code("TREATED_ZONE", "Treated zone")

# Where a lesion of a site sits. The entire body stands for OTHER: no region at all would mean "by overlap".
REGIONS: Mapping[str, Code] = {
    "LIVER": LIVER,
    "LUNG": Code("39607008", "SCT", "Lung"),
    "LYMPH_NODE": Code("59441001", "SCT", "Lymph Node"),
    "PERITONEUM": Code("15425007", "SCT", "Peritoneum"),
    "BONE": Code("272673000", "SCT", "Bone"),
    "ADRENAL": Code("23451007", "SCT", "Adrenal gland"),
    "BRAIN": Code("12738006", "SCT", "Brain"),
    "OTHER": Code("38266002", "SCT", "Entire body"),
}

# CID 6145.
ROLES: Mapping[str, Code] = {
    "TARGET": Code("112074", "DCM", "Target Lesion at Baseline"),
    "NON_TARGET": Code("112075", "DCM", "Non-Target Lesion at Baseline"),
    "NEW": own_code("NEW_LESION", "New lesion, not there at baseline"),
}

# CID 6144, as far as it goes.
TARGET_RESPONSES: Mapping[str, Code] = {
    "CR": Code("112041", "DCM", "Target Lesion Complete Response"),
    "PR": Code("112042", "DCM", "Target Lesion Partial Response"),
    "PD": Code("112043", "DCM", "Target Lesion Progressive Disease"),
    "SD": Code("112044", "DCM", "Target Lesion Stable Disease"),
}
NON_TARGET_RESPONSES: Mapping[str, Code] = {
    "CR": Code("112045", "DCM", "Non-Target Lesion Complete Response"),
    "NON-CR/NON-PD": Code("112046", "DCM", "Non-Target Lesion Incomplete Response or Stable Disease"),
    "PD": Code("112047", "DCM", "Non-Target Lesion Progressive Disease"),
}
