"""What is live, remembered for a minute, so that people who look at the page cost AWS next to nothing.

An endpoint's description is asked for again when the list of endpoints says that it has changed; the list costs one
call for a hundred endpoints. Whether a model has been proven since, and a hold, no list tells: these are asked for
again when a run of the pipeline's, or of its redeploy, has changed, and every ten minutes.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.kinds import ENDPOINT
from fresh_endpoints.aws.lists import newest
from fresh_endpoints.live import LiveModel, hook_of, what_is_live

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
DETAILS_SECONDS = 600.0
# How long a request waits for what nobody has asked AWS for yet.
WAIT_SECONDS = 2.0
# Each endpoint takes four calls: ten a second in all.
SECONDS_AN_ENDPOINT = 0.4
# Of the account's endpoints, the newest 10,000.
MOST_PAGES = 100

# When an endpoint was last modified and its status, by name.
Listed = Mapping[str, tuple[Any, str]]
Changes = Mapping[str, dt.datetime]


@dataclass(frozen=True)
class Known:
    """What was live when AWS was asked.

    Attributes:
        live: What was live.
        as_of: When it was last known to be so.
        asked: When AWS was asked for all of it.
        listed: What the list of endpoints said then.
    """

    live: LiveModel
    as_of: dt.datetime
    asked: dt.datetime
    listed: tuple[Any, str] | None = None


class AwsFacts:
    """Remembers what is live, and asks for it again in a thread of its own while somebody looks.

    Attributes:
        is_asking: Whether AWS is being asked.
    """

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._refreshed = float("-inf")
        self.is_asking = False
        self._changed = threading.Condition()

    def forget_refresh(self) -> None:
        """Have AWS asked again with the next look."""
        self._refreshed = float("-inf")

    def of(self, pipelines: Sequence[Pipeline], changed: Changes) -> dict[str, Known]:
        """Return what is known, by pipeline; has it asked for where that is more than a minute ago.

        Args:
            pipelines: The pipelines that deploy.
            changed: When something has last happened in Airflow that may have changed what is live, by pipeline.
        """
        names = {pipeline.name for pipeline in pipelines}
        with self._changed:
            is_old = time.monotonic() - self._refreshed > FRESH_SECONDS or not names <= self._known.keys()
            if is_old and not self.is_asking:
                self.is_asking = True
                threading.Thread(target=self._ask, args=(list(pipelines), changed), daemon=True).start()
            self._changed.wait_for(lambda: names <= self._known.keys(), WAIT_SECONDS)
            return {name: known for name, known in self._known.items() if name in names}

    def _ask(self, pipelines: Sequence[Pipeline], changed: Changes) -> None:
        try:
            for account in {(pipeline.aws_conn_id, pipeline.region) for pipeline in pipelines}:
                self._ask_account([p for p in pipelines if (p.aws_conn_id, p.region) == account], changed)
            self._refreshed = time.monotonic()
        except Exception:  # Of a thread nobody else would hear of it; the page says that it is still asking.
            log.exception("Could not ask AWS for what is live")
        finally:
            with self._changed:
                self.is_asking = False
                self._changed.notify_all()

    def _ask_account(self, pipelines: Sequence[Pipeline], changed: Changes) -> None:
        hook = hook_of(pipelines[0])
        listed = _listed(hook)
        # Who was never asked about comes first.
        for pipeline in sorted(pipelines, key=lambda pipeline: pipeline.name in self._known):
            now, said = dt.datetime.now(dt.timezone.utc), listed.get(str(pipeline.endpoint["EndpointName"]))
            known = self._known.get(pipeline.name)
            if known and said and not _must_be_asked(known, said, changed.get(pipeline.name)):
                self._remember(pipeline.name, Known(known.live, now, known.asked, said))
                continue
            began = time.monotonic()
            self._remember(pipeline.name, Known(what_is_live(pipeline, hook), now, now, said))
            time.sleep(max(began + SECONDS_AN_ENDPOINT - time.monotonic(), 0))

    def _remember(self, name: str, known: Known) -> None:
        with self._changed:
            self._known[name] = known
            self._changed.notify_all()


def _must_be_asked(known: Known, listed: tuple[Any, str], changed: dt.datetime | None) -> bool:
    """Tell whether more may have changed than a list of endpoints tells."""
    if known.listed != listed or (changed is not None and changed > known.asked):
        return True
    return (dt.datetime.now(dt.timezone.utc) - known.asked).total_seconds() > DETAILS_SECONDS


def _listed(hook: Any) -> Listed:
    try:
        return {
            ENDPOINT.name_of(summary): (summary["LastModifiedTime"], ENDPOINT.status_of(summary))
            for summary in newest(hook.conn, ENDPOINT, most_pages=MOST_PAGES)
        }
    except (AirflowException, BotoCoreError, ClientError) as error:
        log.info("Could not list endpoints: %s", error)
        return {}
