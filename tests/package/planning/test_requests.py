"""A plan is what the run then sends: both are compared, request by request."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import yaml

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.plan_command import moment_of
from pipeline_files import BASE, changed
from planned_and_sent import DAY, compare, of


def test_the_sample_sends_what_the_plan_says(pipeline, planned, sent):
    pipeline.write(lambda content: content.update(aws_tags={"team": "ours"}))
    pipeline.upload(DAY)
    compare(pipeline, planned(pipeline.name), sent)


def test_other_sections_send_what_the_plan_says(pipeline, planned, sent):
    """What is taken over from the training, given in other ways, or not known before a run."""
    pipeline.use_tiny_image(model="m", note="{{ data_date }} {{ run_id }} {{ params.deploy }}")

    def change(content):
        content["training"]["VpcConfig"] = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        content["training"]["OutputDataConfig"]["CompressionType"] = "NONE"
        content["model"] = {"PrimaryContainer": {"Environment": {"DAY": "{{ date }}", "BUCKET": "{{ bucket }}"}}}
        content["endpoint"] = {"EndpointName": "{{ pipeline }}"}
        del content["transform"]  # It takes no folder as a model.

    pipeline.write(change)
    plan = planned(pipeline.name)
    assert "<run id>" in of(plan, "CreateTrainingJob")[0]["HyperParameters"]["note"]
    pipeline.write(lambda content: content["training"]["HyperParameters"].pop("note"))
    pipeline.upload(DAY)
    compare(pipeline, planned(pipeline.name), sent)


def test_what_is_added_is_marked_and_yaml_says_the_same_as_json(planned, tmp_path, capsys):
    model = 'model: {PrimaryContainer: {Environment: {SCRIPT: "a: 1\\n\\n# b\\n"}}}\n'
    (tmp_path / "iris.yaml").write_text(BASE + model)
    plan = planned("iris")
    assert commands.main(["plan", "iris", "--date", "2019-03-05"]) == 0
    text = capsys.readouterr().out
    read = yaml.safe_load(text)
    for item in plan["requests"]:
        item.pop("added")
    assert read == plan
    marked = [line.partition(":")[0].strip(" -") for line in text.splitlines() if line.endswith("  # added")]
    assert marked == [
        *("TrainingJobName", "InputDataConfig", "Tags"),
        *("ModelName", "ExecutionRoleArn", "Image", "ModelDataUrl", "Tags"),
        *("EndpointConfigName", "ModelName", "Tags"),
        *("EndpointName", "EndpointConfigName", "Tags"),
        *("EndpointName", "EndpointConfigName"),
    ]


def test_the_paths_of_what_is_added_are_listed_in_json(planned, tmp_path):
    (tmp_path / "iris.yaml").write_text(BASE + "endpoint: {EndpointName: ours}\n")
    plan = planned("iris")
    added = {item["operation"]: item["added"] for item in plan["requests"]}
    assert added["CreateEndpointConfig"] == ["EndpointConfigName", "ProductionVariants[0].ModelName", "Tags"]
    assert added["UpdateEndpoint"] == ["EndpointConfigName"]


HYPERPARAMETERS = {
    "key": "{{ var.value.iris_api_key }}",
    "id": "{{ run_id }}",
    "try": "{{ ti.try_number }}",
    "mode": "{{ params.deploy }}",
    "map": "{{ ti.task_id }}",
}
VARIABLES = changed(
    ("bucket: sample-bucket", "bucket: \"{{ var.value.get('iris_bucket', 'default-bucket') }}\""),
    ("repo:latest", "{{ var.value.iris_image }}"),
    ("  RoleArn: arn:aws:iam::123456789012:role/dev-sagemaker", "  RoleArn: '{{ var.json.iris_facts.role }}'"),
    ("StoppingCondition:", f"HyperParameters: {json.dumps(HYPERPARAMETERS)}\n  StoppingCondition:"),
)


def test_variables_come_from_the_environment_and_the_unknown_are_named(planned, tmp_path, monkeypatch):
    (tmp_path / "iris.yaml").write_text(VARIABLES)
    plan = planned("iris")
    assert plan["unknown_variables"] == {
        "iris_bucket": "the template's default stands",
        "iris_image": "<var.value.iris_image> stands for it, as the template has no default",
        "iris_facts": "<var.json.iris_facts> stands for it, as the template has no default",
        "iris_api_key": "<var.value.iris_api_key> stands for it, as the template has no default",
    }
    [training] = of(plan, "CreateTrainingJob")
    assert training["AlgorithmSpecification"]["TrainingImage"] == "<var.value.iris_image>"
    assert training["RoleArn"] == "<var.json.iris_facts.role>"
    assert training["OutputDataConfig"]["S3OutputPath"].startswith("s3://default-bucket/")

    for name, value in {
        "IRIS_BUCKET": "ours", "IRIS_IMAGE": "image:1", "IRIS_FACTS": '{"role": "arn:aws:iam::1:role/r"}',
        "IRIS_API_KEY": "hush",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)
    plan = planned("iris")
    [training] = of(plan, "CreateTrainingJob")
    assert "unknown_variables" not in plan
    assert training["RoleArn"] == "arn:aws:iam::1:role/r"
    assert training["OutputDataConfig"]["S3OutputPath"].startswith("s3://ours/")
    # Airflow hides what its name says is secret; so does the plan.
    assert training["HyperParameters"] == {
        "key": "***", "id": "<run id>", "try": "1", "mode": "auto", "map": "<task_id>",
    }  # fmt: skip
    assert "hush" not in json.dumps(plan)


def test_a_template_that_cannot_be_rendered_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
    (tmp_path / "iris.yaml").write_text(changed(("repo:latest", "{{ dag_run.conf.image }}")))
    assert commands.main(["plan", "iris"]) == 1
    assert "The plan of iris cannot be told: " in capsys.readouterr().err


def test_what_only_trains_and_what_only_predicts(planned, tmp_path):
    (tmp_path / "iris.yaml").write_text(BASE + "deploy: never\n")
    assert [item["operation"] for item in planned("iris")["requests"]] == ["HeadObject"] * 2 + ["CreateTrainingJob"]
    transform = "transform:\n  TransformResources: {InstanceType: ml.m4.xlarge, InstanceCount: 2}\n"
    prediction = ("data:\n", "data:\n  prediction: prediction/{{ data_date }}/iris.csv\n")
    (tmp_path / "iris.yaml").write_text(changed(prediction) + transform + "deploy: never\n")
    plan = planned("iris")
    assert [(item["step"], item["operation"]) for item in plan["requests"][3:]] == [
        ("batch_predict.wait_for_data", "HeadObject"),
        ("batch_predict.predict", "CreateModel"),
        ("batch_predict.predict", "CreateTransformJob"),
    ]
    assert plan["quotas"][-1] == {"quota": "ml.m4.xlarge for transform job usage", "instances": 2}


def test_quotas_and_hours_of_spot_groups_and_serverless(planned, tmp_path):
    def group(name, kind, count):
        return f"{{InstanceGroupName: {name}, InstanceType: {kind}, InstanceCount: {count}}}"

    groups = f"InstanceGroups: [{group('a', 'ml.c5.xlarge', 2)}, {group('b', 'ml.g5.xlarge', 1)}], "
    spot = "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 3600}\n  EnableManagedSpotTraining: true"
    serverless = "ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 5}"
    (tmp_path / "iris.yaml").write_text(
        changed(
            ("InstanceType: ml.m4.xlarge, InstanceCount: 1, ", groups),
            ("MaxRuntimeInSeconds: 1800}", spot),
            ("InstanceType: ml.m4.xlarge, InitialInstanceCount: 1", serverless),
        )
    )
    plan = planned("iris")
    assert plan["quotas"] == [
        {"quota": "ml.c5.xlarge for spot training job usage", "instances": 2},
        {"quota": "ml.g5.xlarge for spot training job usage", "instances": 1},
    ]
    assert [(item["instance_type"], item["hours"]) for item in plan["instance_hours"]] == [
        ("ml.c5.xlarge", 1.0),
        ("ml.g5.xlarge", 0.5),
    ]
    assert plan["paid_by_request"] == ["AllTraffic"]


def moment(folder, more, date):
    (folder / "iris.yaml").write_text(BASE + more)
    now = dt.datetime(2019, 3, 6, 3, tzinfo=dt.timezone.utc)
    return moment_of(load_pipeline(folder / "iris.yaml"), date, now).isoformat()


def test_the_run_that_is_planned_is_the_newest_that_was_due_or_that_of_the_date(tmp_path):
    tokyo = "timezone: Asia/Tokyo\nschedule: '30 5 * * *'\n"
    assert moment(tmp_path, tokyo, None) == "2019-03-06T05:30:00+09:00"
    assert moment(tmp_path, tokyo, dt.date(2019, 3, 5)) == "2019-03-05T05:30:00+09:00"
    assert moment(tmp_path, "schedule: null\n", None) == "2019-03-06T03:00:00+00:00"
    assert moment(tmp_path, "schedule: '@weekly'\n", dt.date(2019, 3, 5)) == "2019-03-05T00:00:00+00:00"


@pytest.mark.parametrize("date", ["today", "2019-3", "2019-02-30"])
def test_a_date_that_is_no_day_is_refused(date, capsys):
    with pytest.raises(SystemExit):
        commands.main(["plan", "multiclass", "--date", date])
    assert f"found '{date}'; allowed is a day, such as 2019-03-05" in capsys.readouterr().err
