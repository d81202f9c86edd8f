"""The command ``fresh-endpoints redeploy``, against what the daily DAG has left on local AWS, and a real Airflow."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints import live
from fresh_endpoints.aws.hold import Hold

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)


@pytest.fixture
def run(capsys):
    """Run the command; its status, stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()  # What the DAGs have logged.
        status = commands.main(["redeploy", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def deployed(pipeline):
    """A pipeline of which two days were deployed."""
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retries=0))
    for day in (DAY_1, DAY_2):
        pipeline.upload(day)
        assert pipeline.run(day).tasks["deploy"] == "success"
    return pipeline


def jobs(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def told(out):
    """What was printed, by label."""
    return dict(re.findall(r"^(\S[^:]*): +(.*)$", out, re.MULTILINE))


def runs_of(pipeline):
    """Airflow's runs of the redeploy DAG, with what they were triggered with."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == f"redeploy_{pipeline.name}"))
        return [(each.run_id, each.conf, each.state, each.triggering_user_name) for each in runs]


def changes(pipeline):
    return [pipeline.aws.calls(name) for name in ("UpdateEndpoint", "CreateModel", "CreateEndpointConfig", "AddTags")]


def test_a_dry_run_tells_what_the_dag_then_does(deployed, run):
    good, bad = jobs(deployed)
    before = changes(deployed)
    status, out, _ = run(deployed.name, "--reason", "it is slow", "--dry-run")
    said = told(out)
    until = datetime.strptime(said.pop("Hold"), "until %Y-%m-%d %H:%M UTC").replace(tzinfo=timezone.utc)
    assert status == 0
    assert said == {
        "Endpoint": f"{deployed.name} (InService)",
        "Live now": f"{bad} (proven)",
        "Held now": "no",
        "Goes to": f"{good} (proven)",
        "Training job": good,
        "Data date": "2019-03-04",
        "How": "One UpdateEndpoint, all traffic at once: it was seen to work. Then it is verified.",
        "Trigger form": '{"model": "previous", "hold_days": 7, "reason": "it is slow"}',
    }
    assert timedelta(days=6.9) < until - datetime.now(timezone.utc) <= timedelta(days=7)
    assert changes(deployed) == before
    assert deployed.live() == bad

    assert deployed.redeploy(**json.loads(said["Trigger form"])).state == "success"
    assert deployed.live() == good
    held = Hold.of(deployed.tags(deployed.endpoint()["EndpointArn"]))
    assert abs(held.until - until) < timedelta(minutes=2)

    said = told(run(deployed.name, "--to", "live", "--hold-days", "0", "--dry-run")[1])
    assert said["Held now"] == f"until {held.end}, by dag_test (it is slow)"
    assert (said["Goes to"], said["How"]) == (f"{good} (proven)", "Nothing changes but the hold.")
    assert said["Hold"] == "none; the next run may deploy over it"


def test_what_was_deleted_is_told_to_be_made_again(deployed, run):
    first = jobs(deployed)[0]
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    deployed.sagemaker.delete_model(ModelName=first)
    status, out, _ = run(deployed.name, "--to", "2019-03-04", "--dry-run")
    assert status == 0
    assert told(out)["How"] == (
        f"First model {first} is made again from its training job. First endpoint config {first} is made. "
        "One UpdateEndpoint, as the pipeline file has it. Then it is verified."
    )


def test_an_endpoint_that_was_deleted_is_told_to_be_created(deployed, run):
    deployed.sagemaker.delete_endpoint(EndpointName=deployed.name)
    gone = deployed.sagemaker.get_waiter("endpoint_deleted")
    gone.wait(EndpointName=deployed.name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150})
    status, out, _ = run(deployed.name, "--dry-run")
    said = told(out)
    assert (status, said["Live now"], said["Goes to"]) == (0, "nothing", f"{jobs(deployed)[1]} (proven)")
    assert said["How"] == "One CreateEndpoint. Then it is verified."


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_what_does_not_exist_is_said_with_what_there_is_and_is_not_triggered(deployed, run, more):
    first, second = jobs(deployed)
    status, out, err = run(deployed.name, "--to", "2018-01-01", *more)
    assert status == 1
    assert told(out)["Live now"] == f"{second} (proven)"
    assert "There is no completed training job of data date 2018-01-01. Nothing was changed." in err
    assert f"• 2019-03-05: {second} (proven, live)\n• 2019-03-04: {first} (proven)" in err
    assert runs_of(deployed) == []


def test_an_endpoint_of_another_pipeline_is_said(deployed, run):
    config = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=deployed.live())
    tag = {"Key": "fresh-endpoints:pipeline", "Value": "another"}
    deployed.sagemaker.add_tags(ResourceArn=config["EndpointConfigArn"], Tags=[tag])
    status, _, err = run(deployed.name, "--to", jobs(deployed)[0])
    assert (status, runs_of(deployed)) == (1, [])
    assert 'a model of pipeline "another"' in err


def test_it_triggers_the_dag_with_the_form_filled_in(deployed, run, monkeypatch):
    deployed.redeploy(model="live", hold_days=0)  # So that Airflow's database has the DAG.
    [(before, *_)] = runs_of(deployed)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/at")
    status, out, _ = run(deployed.name, "--to", "2019-03-04", "--hold-days", "2", "--reason", 'the "fair" & more')
    assert status == 0
    [(run_id, conf, state, who)] = [each for each in runs_of(deployed) if each[0] != before]
    assert conf == {"model": "2019-03-04", "hold_days": 2, "reason": 'the "fair" & more'}
    assert (state, bool(who)) == ("queued", True)
    said = told(out)
    assert said["Triggered"].startswith(f"redeploy_{deployed.name}, run {run_id};")
    address = f"https://airflow.example/at/dags/redeploy_{deployed.name}/runs/"
    assert said["Follow it"].replace("%3A", ":").replace("%2B", "+") == address + run_id
    assert f"airflow tasks states-for-dag-run redeploy_{deployed.name} {run_id}" in out


@pytest.fixture
def no_aws(monkeypatch):
    """Have AWS not answer, at once."""
    url = "aws://local:local@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A9"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", url)
    monkeypatch.setitem(live._ASKING, "retries", {"total_max_attempts": 1})


def test_where_aws_does_not_tell_a_dry_run_fails(pipeline, run, no_aws):
    status, _, err = run(pipeline.name, "--dry-run")
    assert status == 1
    assert "What would be done cannot be told: Could not describe endpoint" in err
    assert "Airflow has not taken it." not in err


@pytest.mark.parametrize(
    ("database", "why"),
    [
        (None, r"DagNotFound: Dag id redeploy_\S+ not found"),
        ("empty.db", r"`airflow db migrate`"),
        ("no/such/folder.db", r"unable to open database file"),
    ],
)
def test_what_airflow_refuses_is_said_with_the_form_for_the_ui(
    pipeline, run, no_aws, monkeypatch, tmp_path, database, why
):
    """Airflow is asked although AWS does not tell: the workers may have another login."""
    if database:
        monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/{database}")
    status, _, err = run(pipeline.name)
    assert status == 1
    assert "What would be done cannot be told: Could not describe endpoint" in err
    assert re.search(f"^Airflow has not taken it. `airflow dags trigger` says: .*{why}", err, re.MULTILINE)
    assert f"trigger redeploy_{pipeline.name} in the UI with\n" + '  {"model": "previous", "hold_days": 7,' in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--hold-days", "366"], "hold_days: found 366. 366 is greater than the maximum of 365"),
        (["--to", " "], "model: found ''. '' "),
        (["--reason", "x" * 501], "reason: found "),
    ],
)
def test_what_the_form_would_not_take_is_said(pipeline, run, arguments, why):
    status, out, err = run(pipeline.name, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(why)


def test_a_pipeline_that_deploys_nothing_and_one_that_is_not_there(pipeline, run):
    assert "There is no pipeline 'irsi' in " in run("irsi")[2]
    pipeline.write(lambda content: content.update(deploy="never"))
    status, out, err = run(pipeline.name)
    assert (status, out) == (1, "")
    assert "deploys nothing (deploy: never)" in err
