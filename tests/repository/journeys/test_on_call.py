"""The journey of a person on call. Commands trigger and clear runs; who then runs them is the test, not a scheduler."""

from __future__ import annotations

from datetime import date

import pytest

from journeys import walk

DAYS = [date(2019, 3, day) for day in (4, 5, 6)]
BROKEN = b"setosa,5.1,3.5,1.4,0.2\n"


@pytest.fixture
def failed(pipeline):
    """The sample, of which two days were deployed, and the third one's data is broken."""
    (pipeline.folder / f"{pipeline.name}.yaml").unlink()
    pipeline.name = "multiclass"
    pipeline.write(lambda content: content.update(name="multiclass"))
    for day in DAYS:
        pipeline.upload(day)
    key = f"input-data-training/{DAYS[-1]}/multiclass/iris.csv"
    pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=BROKEN)
    assert [pipeline.run(day).state for day in DAYS] == ["success", "success", "failed"]
    return pipeline


@pytest.mark.timeout(600)  # programs by the dozen, on a machine that may be busy
def test_a_failed_training_is_mended_and_a_bad_model_is_taken_back_held_and_released(failed, open_terminal):
    told = 0

    def runs_and_slack() -> str:
        nonlocal told
        failed.run_queued()
        before, told = told, len(failed.slack())
        return "".join(f"Slack: {text}\n" for text in failed.slack()[before:])

    walk("A person on call", open_terminal(**failed.aws.environment()), elsewhere=runs_and_slack)
    assert failed.live().startswith("multiclass-2019-03-05-")
