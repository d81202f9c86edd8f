"""A person's hold on an endpoint: automatic deployments leave what it serves alone, until a time or a release.

It is one tag of the endpoint, such as ``until=2026-12-02T15:00:00Z by=ann why=the new model is slow``, so that it holds
whoever deploys, from whichever Airflow, and can be read, written and emptied in the AWS console, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import explained, is_not_found

SOMEBODY = "somebody"
_LONGEST_NAME = 64
_WRITTEN = re.compile(r"until=(?P<until>\S+)(?:\s+by=(?P<who>.*?))?(?:\s+why=(?P<why>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Hold:
    """Until when what is live stays, who wants that, and why.

    Attributes:
        until: When it ends, in whole seconds; None where it stands until it is released.
        who: The person's name.
        why: The reason; maybe empty.
    """

    until: datetime | None
    who: str = SOMEBODY
    why: str = ""

    @classmethod
    def for_days(cls, days: int, *, who: str, why: str) -> Hold:
        """Make a hold that begins now.

        Args:
            days: How many days of 24 hours it lasts.
            who: The person's name.
            why: The reason, of any length.
        """
        until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)
        # No sign in a name that the tag is read by.
        return cls(until, " ".join(who.replace("=", "_").split())[:_LONGEST_NAME] or SOMEBODY, " ".join(why.split()))

    @classmethod
    def of(cls, found: Mapping[str, str]) -> Hold | None:
        """Read a hold from an endpoint's tags; one that a person has written otherwise stands until it is released.

        Args:
            found: Tag values by tag key.
        """
        value = found.get(tags.HOLD, "").strip()
        if not value:
            return None
        parts = _WRITTEN.fullmatch(value)
        until = _moment(parts["until"]) if parts else None
        if parts is None or until is None:
            return cls(None, SOMEBODY, value)
        return cls(until, parts["who"] or SOMEBODY, parts["why"] or "")

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> Hold | None:
        """Read what `as_json` has made, on its way from one task to the next; None of None.

        Args:
            found: Its members.
        """
        return cls(_moment(found["until"] or ""), found["who"], found["why"]) if found else None

    @property
    def as_json(self) -> dict[str, Any]:
        """The hold as JSON, with the whole of its reason."""
        return {"until": _written(self.until) if self.until else None, "who": self.who, "why": self.why}

    @property
    def tag_value(self) -> str:
        """The hold as a tag holds it; its reason is made to fit."""
        until = f"until={_written(self.until)} " if self.until else ""
        return tags.fitting(f"{until}by={self.who} why={self.why}".rstrip())

    @property
    def end(self) -> str:
        """When it ends, for people."""
        return f"{self.until:%Y-%m-%d %H:%M} UTC" if self.until else "it is released"

    def is_over(self) -> bool:
        """Tell whether its time has passed."""
        return self.until is not None and self.until <= datetime.now(timezone.utc)


def read(client: Any, arn: str | None) -> Hold | None:
    """Return an endpoint's hold, maybe one whose time has passed; None where there is none.

    Args:
        client: A boto3 SageMaker client.
        arn: The endpoint; None where there is none.

    Raises:
        AirflowException: AWS refused.
    """
    if arn is None:
        return None
    with explained("read the tags of the endpoint"):
        try:
            return Hold.of(tags.read(client, arn))
        except ClientError as error:
            if is_not_found(error):
                return None
            raise


def write(client: Any, arn: str, hold: Hold | None) -> None:
    """Hold an endpoint, or release it; what was told of the hold before, or done for it, no longer counts.

    A release leaves the tag empty: for that nobody needs the right to delete tags.

    Args:
        client: A boto3 SageMaker client.
        arn: The endpoint.
        hold: The hold; None releases.

    Raises:
        AirflowException: AWS refused.
    """
    with explained("tag the endpoint"):
        tags.write(client, arn, new_tags(hold))


def new_tags(hold: Hold | None) -> dict[str, str]:
    """Return the tags that hold an endpoint, or release it.

    Args:
        hold: The hold; None releases.
    """
    return {tags.HOLD: hold.tag_value if hold else "", tags.TOLD: "", tags.REDEPLOY: ""}


def _moment(text: str) -> datetime | None:
    """Read a moment as ISO 8601 has it, maybe a day only; without a time zone it is UTC's."""
    try:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))  # Python 3.10 reads no Z.
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _written(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
