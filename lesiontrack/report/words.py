"""Numbers and codes as a reader wants them; no number is rounded onto a threshold that it does not reach."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

__all__ = [
    "DAYS_PER_MONTH",
    "change",
    "count_range",
    "days_and_months",
    "exact",
    "mm",
    "p_value",
    "percent_change",
    "phrase",
    "share",
    "signed_mm",
    "signed_percent",
    "trigger",
]

# Response rules, section 11: months = days / 30.4375.
DAYS_PER_MONTH = Decimal("30.4375")
_TENTH = Decimal("0.1")
_MINUS = "\N{MINUS SIGN}"
# Codes whose plain form is not the code in lower case.
_PHRASES = {
    "NON_TARGET": "non-target",
    "LTP": "local tumour progression",
    "BOTH": "hepatic and extrahepatic",
    "TSTM": "too small to measure",
    "PROBABLE": "probably one lesion",
    "SBRT": "SBRT",
    "recist11-local": "RECIST 1.1 with the rule for locally treated lesions",
    "recist11": "RECIST 1.1 as written (a treated lesion is NE)",
    "recist11-as-measured": "RECIST 1.1 as measured (a resected lesion is 0, a zone a lesion)",
}
# What made a visit a progression (`domain.outcome.TriggerKind`).
_TRIGGERS = {
    "NEW": "new lesion",
    "TARGET": "growth of the target lesions",
    "NON-TARGET": "unequivocal progression of non-target lesions",
    "REAPPEARANCE": "disease seen again after a complete response",
}


def phrase(code: str | None) -> str:
    """Return a code in plain words: ``LYMPH_NODE`` becomes "lymph node"; a missing one becomes nothing."""
    if not code:
        return ""
    return _PHRASES.get(code, code.replace("_", " ").lower())


def trigger(kind: str) -> str:
    """Return a cause of progression in plain words."""
    return _TRIGGERS.get(kind, phrase(kind))


def exact(value: float | Decimal) -> Decimal:
    """Return the decimal that a stored number stands for: its shortest form."""
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def mm(value: float | Decimal | None) -> str:
    """Return a length, mm, with one decimal, or with as many as it was read with."""
    if value is None:
        return ""
    number = exact(value)
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -1:
        return format(number.normalize(), "f")
    return format(number.quantize(_TENTH), "f")


def percent_change(now: float | None, before: float | None) -> Decimal | None:
    """Return the change in percent, exactly; None where there is nothing to compare with."""
    if now is None or before is None or before == 0:
        return None
    return 100 * (exact(now) - exact(before)) / exact(before)


def change(now: float | None, before: float | None) -> Decimal | None:
    """Return the difference, mm, exactly."""
    return None if now is None or before is None else exact(now) - exact(before)


def signed_percent(value: Decimal | None) -> str:
    """Return a change in percent with its sign and one decimal, or more where one would land on a round ten.

    A change of 19.96 % is not shown as 20.0 %, the threshold that it misses.
    """
    if value is None:
        return ""
    digits = _TENTH
    rounded = value.quantize(digits, rounding=ROUND_HALF_EVEN)
    while rounded != value and rounded % 10 == 0 and rounded != 0 and digits > Decimal("1e-6"):
        digits /= 10
        rounded = value.quantize(digits, rounding=ROUND_HALF_EVEN)
    return _signed(rounded)


def signed_mm(value: Decimal | None) -> str:
    """Return a difference of lengths, mm, with its sign."""
    return "" if value is None else ("+" if value > 0 else _MINUS if value < 0 else "") + mm(abs(value))


def _signed(value: Decimal) -> str:
    sign = "+" if value > 0 else _MINUS if value < 0 else ""
    return sign + format(abs(value), "f")


def share(part: int, whole: int) -> str:
    """Return how many percent, one decimal; nothing of nothing is a dash."""
    return (
        "\N{EN DASH}"
        if whole == 0
        else format((100 * Decimal(part) / whole).quantize(_TENTH), "f") + "\N{NO-BREAK SPACE}%"
    )


def p_value(p: float | None) -> str:
    """Return a p value to three decimals, to more where these would read exactly 0.050."""
    if p is None:
        return ""
    if p < 0.001:
        return "<0.001"
    if p > 0.999:
        return ">0.999"
    number, digits = exact(p), Decimal("0.001")
    rounded = number.quantize(digits)
    while rounded == Decimal("0.05") and rounded != number and digits > Decimal("1e-9"):
        digits /= 10
        rounded = number.quantize(digits)
    return format(rounded, "f")


def days_and_months(days: float | None) -> tuple[str, str]:
    """Return a time in days, and in months of 30.4375 days with one decimal."""
    if days is None:
        return "", ""
    number = exact(days)
    whole = number == number.to_integral_value()
    return (
        f"{number.to_integral_value() if whole else number.normalize():f}",
        format((number / DAYS_PER_MONTH).quantize(_TENTH), "f"),
    )


def count_range(count: int | None, low: int | None, high: int | None) -> str:
    """Return a count with its range, ``12 (11-14)``; the range only where it is one."""
    if count is None:
        return ""
    if low is None or high is None or low == high == count:
        return str(count)
    return f"{count} ({low}\N{EN DASH}{high})"
