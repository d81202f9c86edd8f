"""Plans, and what is sent then."""

from __future__ import annotations

from planned_and_sent import planned, sent

__all__ = ["planned", "sent"]
