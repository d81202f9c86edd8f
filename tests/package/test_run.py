"""The names and tags of a run."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timezone
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.run import Run

RUN = Run(
    pipeline="iris",
    dag_id="train_and_deploy_iris",
    run_id="scheduled__2019-03-04T15:00:00+00:00",
    date=date(2019, 3, 5),
    data_date=date(2019, 3, 4),
    scheduled_for=datetime(2019, 3, 4, 15, tzinfo=timezone.utc),
)


def run_of(logical_date, run_after=None, zone="Asia/Tokyo", environment="", **params):
    pipeline = SimpleNamespace(name="iris", timezone=zone, environment=environment, renamed_from=())
    dag_run = SimpleNamespace(logical_date=logical_date, run_after=run_after, dag_id="d", run_id="r")
    return Run.of(pipeline, {"dag_run": dag_run, "params": params})


def test_the_date_is_read_in_the_pipelines_time_zone():
    run = run_of(datetime(2019, 3, 4, 15, tzinfo=timezone.utc))
    assert (run.date, run.data_date) == (date(2019, 3, 5), date(2019, 3, 4))
    assert run_of(datetime(2019, 3, 4, 15, tzinfo=timezone.utc), zone="UTC").data_date == date(2019, 3, 3)


def test_without_a_logical_date_run_after_takes_its_place():
    assert run_of(None, datetime(2019, 3, 4, 15, tzinfo=timezone.utc)).date == date(2019, 3, 5)


def test_the_forms_data_date_wins_and_date_follows_it():
    moment = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
    run = run_of(moment, data_date="2019-01-31")
    assert (run.date, run.data_date) == (date(2019, 2, 1), date(2019, 1, 31))
    assert run.template_names == {"date": "2019-02-01", "data_date": "2019-01-31", "pipeline": "iris", "env": ""}
    assert run.scheduled_for == moment  # how long is waited for the data follows the run, not its data


@pytest.mark.parametrize("text", ["2019-02-30", "yesterday", "2019/03/04", "9999-12-31"])
def test_a_data_date_that_is_no_day_fails_for_good(text):
    with pytest.raises(AirflowFailException, match=f"data_date: found '{text}'.*YYYY-MM-DD"):
        run_of(datetime(2019, 3, 4, tzinfo=timezone.utc), data_date=text)


def test_the_training_jobs_name_is_a_function_of_pipeline_data_date_and_run():
    assert RUN.training_job_name() == replace(RUN).training_job_name()
    assert re.fullmatch(r"iris-2019-03-04-[0-9a-f]{8}", RUN.training_job_name())
    others = [
        replace(RUN, pipeline="iris2"),
        replace(RUN, data_date=date(2019, 3, 3)),
        replace(RUN, run_id="manual__1"),
        replace(RUN, dag_id="other"),
        replace(RUN, generation=1),
    ]
    assert len({run.training_job_name() for run in [RUN, *others]}) == 6


def test_a_clear_and_a_new_attempt_change_the_name():
    first = RUN.training_job_name()
    assert RUN.training_job_name(2) == f"{first}-a2"
    assert replace(RUN, generation=1).training_job_name() == f"{first}-c1"
    assert replace(RUN, generation=1).training_job_name(2) == f"{first}-c1a2"


def test_the_longest_name_is_one_that_sagemaker_takes():
    name = replace(RUN, pipeline="p" * 32, generation=9).training_job_name(9)
    assert len(replace(RUN, generation=99).deployment_name(name)) <= 63


def test_a_deployment_is_named_after_its_training_until_it_is_cleared():
    assert RUN.deployment_name("job") == "job"
    assert replace(RUN, generation=2).deployment_name("job") == "job-d2"


def test_a_job_is_the_runs_own_only_if_it_started_at_the_runs_moment():
    run = replace(RUN, started=datetime(2026, 11, 20, 15, 0, 3, 250_001, tzinfo=timezone.utc))
    assert run.has_started({**run.job_tags({}), "more": "tags"})
    another_airflows = replace(run, started=run.started.replace(microsecond=250_002))
    for other in (another_airflows, replace(run, run_id="x"), replace(run, dag_id="x")):
        assert not run.has_started(other.job_tags({}))
    assert not run.has_started(run.tags({}))


@pytest.mark.parametrize(
    ("max_tries", "retries", "try_number", "generation"),
    [
        (3, 3, 1, 0),
        (3, 3, 4, 0),  # the last retry
        (4, 3, 2, 1),  # cleared after its first try
        (4, 3, 5, 1),  # and retried since then
        (7, 3, 5, 4),  # cleared after its fourth
        (0, 0, 1, 0),
        (1, 0, 2, 1),  # cleared, without retries
        (3, 5, 2, 0),  # the file's retries were raised during the run
        (5, 3, 2, 0),  # lowered
        (0, 3, 0, 0),  # a callback of the run's, which knows no task's tries
    ],
)
def test_the_generation_counts_the_tasks_own_clears_and_no_retries(max_tries, retries, try_number, generation):
    pipeline = SimpleNamespace(name="iris", timezone="UTC", environment="", renamed_from=())
    moment = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
    context = {
        "dag_run": SimpleNamespace(logical_date=moment, run_after=moment, dag_id="d", run_id="r", clear_number=7),
        "ti": SimpleNamespace(max_tries=max_tries, try_number=try_number),
        "task": SimpleNamespace(retries=retries),
    }
    assert Run.of(pipeline, context).generation == generation


def test_the_tags_hold_only_what_aws_allows_and_win_over_the_pipelines_own():
    run = replace(RUN, run_id="manual__<é>{x}" + "y" * 300)
    tags = run.tags({"cost-center": "ml", "fresh-endpoints:pipeline": "forged"})
    assert tags["cost-center"] == "ml"
    assert tags["fresh-endpoints:pipeline"] == "iris"
    assert tags["fresh-endpoints:run-id"].startswith("manual___é__x_y")
    assert len(tags["fresh-endpoints:run-id"]) == 256


def test_in_an_environment_all_that_aws_is_told_begins_with_it_and_what_people_and_templates_are_told_says_it():
    moment = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
    run, plain = run_of(moment, environment="dev"), run_of(moment)
    assert run.training_job_name() == f"dev-{plain.training_job_name()}"
    job = run.training_job_name()
    assert run.deployment_name(job) == job
    assert run.transform_job_name(job, by_hand=True).startswith("dev-iris-2019-03-04-")
    assert run.tags({}) == {
        **plain.tags({}),
        "fresh-endpoints:pipeline": "dev-iris",
        "fresh-endpoints:environment": "dev",
    }
    assert (run.title, plain.title) == ("iris (dev)", "iris")
    assert (run.template_names["pipeline"], run.template_names["env"]) == ("iris", "dev")
