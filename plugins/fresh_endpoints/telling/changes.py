"""What a run has changed, in words: what was live before, how the metrics differ from its, and how long it took."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fresh_endpoints.model_facts import shown

if TYPE_CHECKING:
    from fresh_endpoints.live import LiveModel
    from fresh_endpoints.pipeline_file.quality import Metrics
    from fresh_endpoints.run import Run

# As exact as the tags that metrics are read back from.
_DIGITS = 6


@dataclass(frozen=True)
class Change:
    """What a run has changed.

    Attributes:
        before: What was live; None where nothing was.
        took: How long the run has taken; None where Airflow tells not when it started.
    """

    before: LiveModel | None
    took: dt.timedelta | None

    def facts(self, config: str, data_date: dt.date, metrics: Metrics) -> dict[str, str]:
        """Return the facts of a deployment by label.

        Args:
            config: The endpoint config that is live now.
            data_date: Its model's data date.
            metrics: Its model's metrics.
        """
        compared = differences(metrics, self.before.metrics if self.before else {})
        return {
            "Live": f"{config}, data date {data_date}",
            "Live before": _what_was_live(self.before),
            **({"Metrics": compared} if compared else {}),
            **in_time(self.took),
        }


def took(run: Run) -> dt.timedelta | None:
    """Tell how long a run has taken so far, since it was started or cleared.

    Args:
        run: The run.
    """
    return dt.datetime.now(dt.timezone.utc) - run.started if run.started else None


def in_time(time: dt.timedelta | None) -> dict[str, str]:
    """Return the fact of how long a run has taken, by its label.

    Args:
        time: How long; None where that is not known.
    """
    return {"Duration": duration(time)} if time is not None else {}


def duration(time: dt.timedelta) -> str:
    """Write how long something has taken: hours and minutes, or minutes and seconds, or seconds.

    Args:
        time: How long.
    """
    minutes, seconds = divmod(max(round(time.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def differences(metrics: Metrics, before: Metrics) -> str:
    """Write metrics, each with its difference to what it was before.

    Args:
        metrics: The metrics by name.
        before: Those of the model that was live.
    """
    return ", ".join(
        f"{name} {shown(value, 4)}{_difference(value, before.get(name))}" for name, value in metrics.items()
    )


def _difference(value: float | str, before: float | str | None) -> str:
    if isinstance(value, str) or isinstance(before, str) or before is None:
        return ""
    difference = float(shown(value, _DIGITS)) - float(shown(before, _DIGITS))
    return f" ({difference:+.4g})" if difference else " (as before)"


def _what_was_live(before: LiveModel | None) -> str:
    if before is None:
        return "nothing"
    if before.data_date is None:
        return f"{before.config} ({before.problem})" if before.config else str(before.problem)
    return f"{before.config}, data date {before.data_date}, {before.proof}"
