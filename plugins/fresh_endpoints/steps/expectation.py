"""How long a job is likely to take; how often it is looked at follows from it. An estimate, which fails nothing."""

from __future__ import annotations

import itertools
import logging
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.kinds import Answer
from fresh_endpoints.aws.lists import newest, seconds_of

if TYPE_CHECKING:
    from fresh_endpoints.aws.kinds import Kind
    from fresh_endpoints.aws.own_names import OwnNames

log = logging.getLogger(__name__)

# How many of the last jobs predict the next one's duration.
PREDICTING_JOBS = 5
# How far back they are looked for, and on how many pages of the account's jobs: it is not worth a second one.
# What it does not find is looked at as what trains for the first time.
PREDICTING_PERIOD = timedelta(days=30)
PREDICTING_PAGES = 1


def expected_seconds(client: Any, kind: Kind, names: OwnNames) -> float | None:
    """Return how long a pipeline's last jobs took, in the median, from creation to end.

    Args:
        client: A boto3 SageMaker client.
        kind: The kind of job.
        names: The names under which the pipeline's jobs were made.

    Returns:
        Seconds; None where AWS does not tell it, for whatever reason.
    """
    past = newest(
        client,
        kind,
        created_after=datetime.now(timezone.utc) - PREDICTING_PERIOD,
        most_pages=PREDICTING_PAGES,
        # Another pipeline's name may begin with this one's; what follows the name is the data date.
        name_prefix=tuple(f"{prefix}2" for prefix in names.prefixes),
        statuses=[status for status, answer in kind.statuses.items() if answer is Answer.DONE],
    )
    try:
        known = (took for job in past if (took := seconds_of(kind, job)) is not None)
        seconds = list(itertools.islice(known, PREDICTING_JOBS))
    except Exception as error:
        log.info("No past %s to predict this one's end by: %s", kind.noun, error)
        return None
    return median(seconds) if seconds else None
