"""What a target is, and how a figure is held against it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One target.

    Attributes:
        what: What was measured.
        found: The figures.
        target: What is allowed.
        value: The figure that is held against the limit.
        limit: The largest allowed value.
        note: Why a target is missed, or what the figure leaves out.
    """

    what: str
    found: str
    target: str
    value: float
    limit: float
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the limit."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.is_met else "**missed**"
        return f"| {self.what} | {self.found} | {self.target} | {verdict} | {self.note} |"


def ratio(what: str, ours: float, other: float, limit: float, note: str = "") -> Row:
    """Hold a time of ours against another one.

    Args:
        what: What was measured.
        ours: Our seconds.
        other: The other's seconds.
        limit: The largest allowed ratio.
        note: As in Row.
    """
    found = ours / other
    return Row(what, f"{ours:.1f} s : {other:.1f} s = {found:.2f}", f"≤ {limit}", found, limit, note)


def ratio_alone(what: str, found: float, limit: float) -> Row:
    """Hold a ratio against its limit.

    Args:
        what: What was measured.
        found: The ratio.
        limit: The largest allowed one.
    """
    return Row(what, f"{found:.2f}", f"≤ {limit}", found, limit)
