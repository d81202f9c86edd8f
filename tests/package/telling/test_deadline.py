"""What the message about a missed deadline says of the run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fresh_endpoints.telling import deadline
from fresh_endpoints.telling.sending import PipelineNotifier

PIPELINES = Path(__file__).parents[3] / "include" / "pipelines"


@pytest.fixture
def told(monkeypatch):
    """The sentences that Slack is told of a run in a state."""
    sentences = []
    monkeypatch.setenv("PIPELINES_DIR", str(PIPELINES))
    monkeypatch.setattr(PipelineNotifier, "tell", lambda self, run, message: sentences.append(message.sentence))

    def tell(**dag_run):
        run = {
            "dag_id": "train_and_deploy_multiclass",
            "dag_run_id": "scheduled__2019-03-04T15:00:00+00:00",
            "logical_date": "2019-03-04T15:00:00Z",
            "run_after": "2019-03-04T15:00:00Z",
            "run_type": "scheduled",
            **dag_run,
        }
        asyncio.run(deadline.tell_missed(pipeline="multiclass", context={"dag_run": run}))
        return sentences

    return tell


@pytest.mark.parametrize(
    ("state", "says"),
    [("running", "it is still going on."), ("queued", "it is still going on."), ("failed", "it has failed.")],
)
def test_it_says_how_the_run_stands(told, state, says):
    [sentence] = told(state=state)
    assert sentence.startswith("No new model is live ")
    assert sentence.endswith(says)


def test_a_backfills_days_are_no_news(told):
    assert told(state="running", run_type="backfill") == []
