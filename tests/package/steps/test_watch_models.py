"""What the daily watch finds and tells, of endpoints on local AWS and runs in Airflow's database."""

from __future__ import annotations

import io
import json
import os
import tarfile
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from pipeline_under_test import ROOT
from sagemaker_requests import ROLE, TINY, wait_for_endpoint
from sns_topic import Topic

TOKYO = ZoneInfo("Asia/Tokyo")
VARIABLE = "fresh_endpoints_watch_models"


def today():
    return datetime.now(TOKYO).date()


class Watched:
    """A pipeline with an endpoint that was not made by a run, for the sake of time, but looks so."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.file = pipeline.folder / f"{pipeline.name}.yaml"

    def watch(self):
        """Run the watch as Airflow does each day; the task's state and what it returned."""
        try:
            from airflow.dag_processing.dagbag import DagBag
        except ImportError:  # Airflow 3.1
            from airflow.models.dagbag import DagBag

        os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)
        bag = DagBag(str(ROOT / "dags" / "watch_models.py"))
        assert not bag.import_errors
        dag = bag.dags["watch_models"]
        dag.get_task("watch_models").retries = 0  # Or dag.test() waits for them.
        [ti] = dag.test(run_after=datetime.now(timezone.utc)).get_task_instances()
        return ti.state, [key for key in ti.xcom_pull(task_ids=ti.task_id) or [] if self.pipeline.name in key]

    def make_live(self, data_date, *, instances=1, **tags):
        """Have the endpoint serve a model of a data date, and wait for it."""
        sagemaker, name = self.pipeline.sagemaker, self.pipeline.name
        config = f"{name}-{data_date}-0000abcd"
        given = {"pipeline": name, "data-date": str(data_date), "smoke-test": "passed", **tags}
        container = {"Image": TINY, "ModelDataUrl": self._artifact()}
        sagemaker.create_model(ModelName=config, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "v", "ModelName": config, "InstanceType": "ml.m4.xlarge"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=config,
            ProductionVariants=[{**variant, "InitialInstanceCount": instances}],
            Tags=[{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in given.items()],
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert wait_for_endpoint(self.pipeline.aws, name)["EndpointStatus"] == "InService"

    def _artifact(self):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("model.txt"))
        key = f"{self.pipeline.name}/model.tar.gz"
        self.pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=packed.getvalue())
        return f"s3://sample-bucket/{key}"

    def write(self, **facts):
        self.pipeline.write(lambda content: content.update(facts))

    def spoil(self):
        self.file.write_text(self.file.read_text().replace("bucket:", "buckett:"))

    def known_since(self, moment):
        """Have the watch remember the pipeline, as it is, since then."""
        from airflow.models import Variable

        self.watch()
        memory = json.loads(Variable.get(VARIABLE))
        memory["pipelines"][self.pipeline.name]["since"] = moment.isoformat()
        Variable.set(VARIABLE, json.dumps(memory))


@pytest.fixture
def watched(pipeline):
    from airflow.models import Variable

    Variable.delete(VARIABLE)
    yield Watched(pipeline)
    Variable.delete(VARIABLE)


def test_a_model_older_than_allowed_is_told_once_and_anew_when_it_is_so_again(watched):
    watched.make_live(today() - timedelta(days=3))
    watched.write(max_age_days=3)
    assert watched.watch() == ("success", [])
    watched.write(max_age_days=2)
    name = watched.pipeline.name
    assert watched.watch() == ("success", [f"model-too-old {name}"])
    assert watched.watch() == ("success", [f"model-too-old {name}"])
    [told] = watched.pipeline.slack()
    assert told.startswith(f"Model too old: {name}, data date {today() - timedelta(days=3)}. ")
    assert "3 days ago, and max_age_days is 2." in told
    assert f"Live now: {name}-{today() - timedelta(days=3)}-0000abcd, data date" in told
    assert ", proven, InService" in told

    watched.write(max_age_days=30)
    watched.watch()
    watched.write(max_age_days=2)
    watched.watch()
    assert watched.pipeline.titles() == ["Model too old"] * 2


def test_a_hold_that_has_ended_is_told_once_by_the_watch_or_by_the_next_deployment(watched):
    watched.make_live(date(2019, 3, 4))
    sagemaker, name = watched.pipeline.sagemaker, watched.pipeline.name
    arn = sagemaker.describe_endpoint(EndpointName=name)["EndpointArn"]

    def hold(until, told=""):
        values = {"hold": f"until={until} by=ann why=the new one is slow", "told": told}
        found = [{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in values.items()]
        sagemaker.add_tags(ResourceArn=arn, Tags=found)

    hold("2999-01-01T00:00:00Z")
    assert watched.watch() == ("success", [])
    hold("2019-03-05T00:00:00Z", told="hold-ended")  # A deployment has told it.
    assert watched.watch() == ("success", [])
    hold("2019-03-06T00:00:00Z")
    assert watched.watch() == ("success", [f"hold-ended {name}"])
    assert watched.watch() == ("success", [])
    [told] = watched.pipeline.slack()
    assert told.startswith(f"Hold ended: {name}, data date 2019-03-04. The hold of ann on endpoint")
    assert watched.pipeline.tags(arn)["fresh-endpoints:told"] == "hold-ended"


def test_a_file_that_cannot_be_used_is_told_with_what_is_live_though_the_watch_has_never_seen_it_whole(watched):
    watched.make_live(date(2019, 3, 4), **{"smoke-test": "failed: no answer"})
    watched.spoil()
    name = watched.pipeline.name
    assert watched.watch() == ("success", [f"pipeline-file-unusable {name}"])
    watched.watch()
    [told] = watched.pipeline.slack()
    assert f"{name}.yaml cannot be used: " in told
    assert "bucket" in told
    assert "failed its smoke test, InService" in told


def test_a_file_that_is_no_yaml_any_more_is_told_by_what_was_known_of_it(watched):
    watched.make_live(date(2019, 3, 4))
    watched.watch()
    watched.file.write_text("name: [\n")
    watched.watch()
    assert watched.pipeline.titles() == ["Pipeline file unusable"]


def test_a_file_that_cannot_be_used_and_has_no_endpoint_is_left_to_the_import_errors(watched):
    watched.spoil()
    assert watched.watch() == ("success", [])
    assert watched.pipeline.slack() == []


def test_an_endpoint_whose_file_has_vanished_is_told_with_what_it_costs_a_day(watched):
    watched.make_live(date(2019, 3, 4), instances=2)
    watched.watch()
    watched.file.unlink()
    state, [key] = watched.watch()
    assert state == "success"
    assert key.startswith("endpoint-without-pipeline-file ap-northeast-1/")
    watched.watch()
    [told] = watched.pipeline.slack()
    assert "It costs 48 instance hours a day (2 of ml.m4.xlarge)." in told
    assert "or delete the endpoint" in told


def test_what_a_file_named_before_it_named_another_endpoint_is_told_and_no_endpoint_of_others_is(watched):
    watched.make_live(date(2019, 3, 4))
    watched.write(endpoint={"EndpointName": f"{watched.pipeline.name}-new"})
    watched.watch()
    assert watched.pipeline.titles() == ["Endpoint without pipeline file"]


@pytest.mark.parametrize("tags", [{"pipeline": "another"}, {"pipeline": ""}, {"environment": "dev"}])
def test_an_endpoint_without_a_runs_tags_or_of_another_environment_is_nobodys_business(watched, tags):
    watched.make_live(date(2019, 3, 4), **tags)
    watched.file.unlink()
    assert watched.watch() == ("success", [])


def test_what_aws_refuses_of_one_pipeline_fails_no_day_and_brings_nothing_twice(watched, local_aws):
    watched.make_live(date(2019, 3, 4))
    watched.write(max_age_days=2)
    watched.watch()
    [denied] = local_aws.add_faults({"operation": "DescribeEndpoint", "kind": "denied"})
    try:
        assert watched.watch()[0] == "success"
    finally:
        local_aws.remove_fault(denied)
    watched.watch()
    assert watched.pipeline.titles() == ["Model too old"]


def test_the_task_fails_where_nothing_could_be_looked_at(watched, local_aws):
    watched.write(max_age_days=2)
    faults = local_aws.add_faults(
        {"operation": "DescribeEndpoint", "kind": "denied"}, {"operation": "ListEndpoints", "kind": "denied"}
    )
    try:
        assert watched.watch()[0] == "failed"
    finally:
        for fault in faults:
            local_aws.remove_fault(fault)


def test_a_run_that_never_began_is_told_after_its_deadline_unless_its_model_is_live(watched):
    watched.write(schedule="@daily", deadline_minutes=1)
    assert watched.watch() == ("success", [])  # Airflow need not have begun what was due before the file was there.
    watched.known_since(datetime.now(timezone.utc) - timedelta(days=2))
    name = watched.pipeline.name
    assert watched.watch() == ("success", [f"run-never-began {name}"])
    watched.watch()
    [told] = watched.pipeline.slack()
    due = datetime.now(TOKYO) - timedelta(minutes=1)
    assert told.startswith(f"Run never began: {name}, data date {due.date() - timedelta(days=1)}. ")
    assert f"due at {due.date()} 00:00 JST has never begun" in told
    watched.make_live(due.date() - timedelta(days=1))
    assert watched.watch() == ("success", [])


def test_a_run_that_has_begun_is_left_to_its_own_deadline_alert(watched):
    watched.write(schedule="@daily")
    due = datetime.now(TOKYO) - timedelta(minutes=1)
    assert watched.pipeline.run(due.date() - timedelta(days=1)).tasks["wait_for_data"] == "skipped"
    watched.write(deadline_minutes=1)  # Only now: dag.test() ends no run of a DAG with a deadline.
    watched.known_since(datetime.now(timezone.utc) - timedelta(days=2))
    assert watched.watch() == ("success", [])


@pytest.mark.parametrize(
    "written", ["no JSON", "[]", '{"told": 1}', '{"pipelines": {"x": {}}}', '{"pipelines": {"x": 1}}']
)
def test_whatever_somebody_writes_into_the_variable_the_watch_goes_on(watched, written):
    from airflow.models import Variable

    Variable.set(VARIABLE, written)
    assert watched.watch() == ("success", [])
    assert watched.pipeline.name in json.loads(Variable.get(VARIABLE))["pipelines"]


def test_a_message_that_slack_has_not_taken_is_told_the_next_day(watched, local_aws):
    watched.make_live(date(2019, 3, 4))
    slack = watched.pipeline.content["slack"]
    watched.write(max_age_days=2, slack=None)
    watched.watch()
    watched.write(slack=slack)
    watched.watch()
    assert watched.pipeline.titles() == ["Model too old"]


def test_what_a_day_finds_is_one_thread_in_an_apps_channel(watched):
    name = watched.pipeline.name
    slack = {"connection": "slack_api_default", "channel": name}
    watched.write(slack=slack, max_age_days=2, schedule="@daily", deadline_minutes=1)
    watched.known_since(datetime.now(timezone.utc) - timedelta(days=2))
    watched.make_live(date(2019, 3, 4))
    watched.watch()
    first, second = [each for each in watched.pipeline.aws.slack_messages() if each.get("channel") == name]
    assert {each["text"].partition(":")[0] for each in (first, second)} == {"Model too old", "Run never began"}
    assert "thread_ts" not in first
    assert second["thread_ts"]
    assert second["reply_broadcast"] is True


def test_the_notifiers_of_a_file_that_has_vanished_are_remembered(watched, monkeypatch):
    topic = Topic(watched.pipeline.aws, watched.pipeline.name, monkeypatch)
    watched.write(slack=None, notify=[topic.notifier()])
    watched.make_live(date(2019, 3, 4))
    watched.watch()
    watched.file.unlink()
    for _ in range(2):
        watched.watch()
    [(subject, _)] = topic.got()
    assert subject == f"Endpoint without pipeline file: {watched.pipeline.name}"
