"""How far a redeploy has come, as a tag of its endpoint tells every later try of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fresh_endpoints.aws import tags

_FAILED = "yes"


@dataclass(frozen=True)
class Progress:
    """What a redeploy has done.

    Attributes:
        asked_over: The version of the endpoint over which it has asked for the config; None where it has not.
        previous: The endpoint config that was live then; None where it is not known.
        has_failed: Whether the config has failed the smoke test since.
    """

    asked_over: str | None = None
    previous: str | None = None
    has_failed: bool = False

    @classmethod
    def of(cls, found: Mapping[str, str], config_name: str) -> Progress:
        """Read it from an endpoint's tags; nothing has been done where they tell of another config.

        Args:
            found: Tag values by tag key.
            config_name: The endpoint config that is to be live.
        """
        parts = dict(part.partition("=")[::2] for part in found.get(tags.REDEPLOY, "").split())
        if parts.get("to") != config_name:
            return cls()
        return cls(parts.get("asked-over"), parts.get("over"), has_failed=parts.get("failed") == _FAILED)

    def as_tag(self, config_name: str) -> dict[str, str]:
        """Write it as the endpoint's tag: 63 + 63 + 32 letters of names and version at most, which fits.

        Args:
            config_name: The endpoint config that is to be live.
        """
        parts = {
            "to": config_name,
            "over": self.previous,
            "asked-over": self.asked_over,
            "failed": _FAILED if self.has_failed else None,
        }
        return {tags.REDEPLOY: " ".join(f"{name}={value}" for name, value in parts.items() if value)}
