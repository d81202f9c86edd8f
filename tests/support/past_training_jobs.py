"""An account with a past: training jobs that ended before local AWS was started, as its lists would tell of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks.fake_sagemaker import FakeSageMaker, past_jobs
from botocore.client import BaseClient

_TOKEN = "past "
_SUMMARIES = "TrainingJobSummaries"


class _Past(FakeSageMaker):
    """Jobs of the past. Local AWS has counted the request already, so none is throttled."""

    def _throttle_lists(self, operation: str, now: float) -> None:
        pass


class PastTrainingJobs:
    """Has ListTrainingJobs go on, after a pipeline's jobs, with jobs of the past: ten minutes apart, all Completed.

    What other tests have trained is left out: it would make the pages full. One in a thousand is the pipeline's own, of
    an earlier data date: a scan that looks for its own reads far.

    Attributes:
        count: How many there are.
        pages: How many pages told of them.
        requests: How many requests were made that local AWS has not seen.
    """

    def __init__(self, pipeline: str, count: int) -> None:
        self.count = count
        self.pages = self.requests = 0
        times = past_jobs(count, time.time()).values()
        self._pipeline = pipeline
        owners = ["another"] * 999 + [pipeline]
        self._past = _Past({f"{owners[n % 1000]}-2018-01-01-{n:08x}": moments for n, moments in enumerate(times)})

    def join(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the clients of this process meet them.

        Args:
            monkeypatch: Takes it back.
        """
        call = BaseClient._make_api_call

        def answer(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            if operation != "ListTrainingJobs":
                return call(client, operation, parameters)
            if str(parameters.get("NextToken", "")).startswith(_TOKEN):
                self.requests += 1
                return self._filled({_SUMMARIES: []}, parameters)
            newest = call(client, operation, parameters)[_SUMMARIES]
            own = [job for job in newest if job["TrainingJobName"].startswith(f"{self._pipeline}-")]
            return self._filled({_SUMMARIES: own}, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", answer)

    def _filled(self, answered: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Fill a page up with what is older than all that is on it."""
        assert request.get("SortOrder") == "Descending"
        self.pages += 1
        room = request["MaxResults"] - len(answered[_SUMMARIES])
        token = str(request.get("NextToken", "")).removeprefix(_TOKEN)
        asked = {**request, "MaxResults": room, **({"NextToken": token} if token else {})}
        more = self._past.call("list_training_jobs", **asked)
        rest = {"NextToken": _TOKEN + more["NextToken"]} if "NextToken" in more else {}
        return {**answered, _SUMMARIES: [*answered[_SUMMARIES], *more[_SUMMARIES]], **rest}
