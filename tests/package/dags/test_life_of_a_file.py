"""What becomes of a pipeline whose file is changed, moved or renamed: one that says so goes on where it was."""

from __future__ import annotations

import threading
import time
from datetime import date, datetime, timezone

import pytest
from airflow.models.dagrun import DagRun

from fresh_endpoints import __main__ as commands
from fresh_endpoints.run import Run
from sagemaker_requests import training_job

DAY_1, DAY_2, DAY_3, DAY_4 = (date(2019, 3, day) for day in (4, 5, 6, 7))
# Airflow tests runs by hand only, which may have any other id than a schedule gives.
SCHEDULED = "of-a-schedule-2019-03-04T15"


@pytest.fixture
def renamed(pipeline):
    """A pipeline with two days deployed, and then another name: the names of both trainings, and the former name."""
    pipeline.deploy_first(2, (DAY_1, DAY_2))
    jobs = [job["TrainingJobName"] for job in pipeline.jobs()]
    former = pipeline.rename()
    for day in (DAY_1, DAY_3, DAY_4):
        pipeline.upload(day)
    return pipeline, jobs, former


def config_names(pipeline, former):
    found = pipeline.listed("list_endpoint_configs", SortBy="CreationTime", SortOrder="Ascending")
    return [
        each["EndpointConfigName"] for each in found if each["EndpointConfigName"].startswith((former, pipeline.name))
    ]


def test_the_same_endpoint_is_updated_in_date_order_and_goes_back_to_what_it_served_before(renamed, capsys):
    pipeline, jobs, _ = renamed
    arn = pipeline.endpoint()["EndpointArn"]
    assert pipeline.run(DAY_1).tasks["deploy"] == "skipped"
    assert pipeline.titles()[-1] == "Deployment skipped"
    assert pipeline.live() == jobs[1]

    assert pipeline.run(DAY_3).tasks["deploy"] == "success"
    live = pipeline.live()
    assert live.startswith(f"{pipeline.name}-{DAY_3}-")
    assert pipeline.endpoint()["EndpointArn"] == arn

    capsys.readouterr()
    assert commands.main(["history", pipeline.name, "--json"]) == 0
    told = capsys.readouterr().out
    assert [name for name in (*jobs, live) if name not in told] == []

    assert pipeline.redeploy(hold_days=0).tasks["redeploy"] == "success"
    assert pipeline.live() == jobs[1]
    assert commands.main(["status", pipeline.name, "--json"]) == 0
    assert f'"training_job": "{jobs[1]}"' in capsys.readouterr().out
    assert pipeline.redeploy(model=jobs[0], hold_days=0).tasks["redeploy"] == "success"
    assert pipeline.live() == jobs[0]


def test_retention_counts_what_has_either_name(renamed):
    pipeline, jobs, former = renamed
    pipeline.write(lambda content: content.update(retention={"keep": 2}))
    assert pipeline.run(DAY_3).tasks["deploy"] == "success"
    first = pipeline.live()
    assert config_names(pipeline, former) == [jobs[1], first]
    assert pipeline.run(DAY_4).tasks["deploy"] == "success"
    assert config_names(pipeline, former) == [first, pipeline.live()]


def test_a_prediction_by_hand_takes_the_model_of_a_day_that_was_trained_under_the_former_name(renamed):
    pipeline, jobs, _ = renamed
    found = pipeline.predict(data_date=str(DAY_2)).returned["find_models"]
    assert [model["training_job"] for model in found] == [jobs[1]]


def scheduled(pipeline, monkeypatch):
    """Run the first day as a schedule does: its run has one id, whatever the pipeline is called."""
    with monkeypatch.context() as patched:
        patched.setattr(DagRun, "generate_run_id", staticmethod(lambda **_: SCHEDULED))
        return pipeline.run(DAY_1)


def test_a_scheduled_run_trains_nothing_that_it_has_trained_under_the_former_name(pipeline, monkeypatch):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    assert scheduled(pipeline, monkeypatch).tasks["deploy"] == "success"
    trained, live = [job["TrainingJobName"] for job in pipeline.jobs()], pipeline.live()
    former = pipeline.rename()
    pipeline.upload(DAY_1)
    again = scheduled(pipeline, monkeypatch)
    assert (again.state, again.run_id) == ("success", SCHEDULED)
    assert again.returned["train"]["training_job"] == trained[0]
    assert pipeline.jobs() == []
    assert pipeline.live() == live
    assert config_names(pipeline, former) == [live]
    assert pipeline.titles() == [], "all of it has been told under the former name"
    assert [facts["training_job"] for facts in pipeline.published()] == trained

    # A person who triggers a run wants it trained.
    assert pipeline.run(DAY_1).tasks["deploy"] == "success"
    assert pipeline.live() == pipeline.jobs()[0]["TrainingJobName"]


def test_what_has_failed_under_the_former_name_is_trained_anew(pipeline, monkeypatch):
    pipeline.use_tiny_image(fail="no")
    pipeline.write(lambda content: content.update(retries=0))
    pipeline.upload(DAY_1)
    assert scheduled(pipeline, monkeypatch).tasks["train"] == "failed"
    pipeline.rename()
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    assert scheduled(pipeline, monkeypatch).tasks["deploy"] == "success"
    assert pipeline.live() == pipeline.jobs()[0]["TrainingJobName"]


def test_a_training_that_goes_on_under_the_former_name_is_waited_for(pipeline, monkeypatch, local_aws):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    moment = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
    run = Run(pipeline.name, f"train_and_deploy_{pipeline.name}", SCHEDULED, DAY_2, DAY_1, moment)
    name, tags = run.training_job_name(), [{"Key": key, "Value": value} for key, value in run.tags({}).items()]
    local_aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    began = local_aws.calls()[-1]["number"]
    request = training_job("sample-bucket", {"model": "m"}, TrainingJobName=name, Tags=tags)
    pipeline.sagemaker.create_training_job(**request)
    pipeline.rename()
    pipeline.upload(DAY_1)
    seen = threading.Event()

    def let_go_on_once_it_is_waited_for():
        ends_at = time.monotonic() + 60
        while time.monotonic() < ends_at and not seen.is_set():
            looks = [
                call
                for call in local_aws.calls()
                if call["number"] > began and call["parameters"] == {"TrainingJobName": name}
            ]
            if len(looks) > 3:
                seen.set()
            time.sleep(0.1)
        local_aws.clear_faults()

    thread = threading.Thread(target=let_go_on_once_it_is_waited_for)
    thread.start()
    outcome = scheduled(pipeline, monkeypatch)
    thread.join()
    assert seen.is_set()
    assert outcome.returned["train"]["training_job"] == name
    assert pipeline.jobs() == []
    assert pipeline.live() == name


def test_a_pipeline_of_another_name_that_claims_nothing_is_another_pipeline(renamed):
    pipeline, jobs, former = renamed
    pipeline.write(lambda content: content.pop("renamed_from"))
    assert pipeline.run(DAY_3).tasks["deploy"] == "failed"
    assert f'a model of pipeline "{former}"' in pipeline.slack()[-1]
    assert pipeline.live() == jobs[1]


def test_a_rule_against_live_compares_with_what_the_former_name_has_made(pipeline):
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).tasks["deploy"] == "success"
    pipeline.rename()
    pipeline.write(lambda content: content.update(quality={"rules": ["validation:accuracy >= live + 0.1"]}))
    pipeline.upload(DAY_2)
    assert pipeline.run(DAY_2).tasks["deploy"] == "skipped", "the same data makes no better model"
    assert pipeline.titles()[-1] == "Quality gate failed"


def test_a_changed_file_holds_for_the_next_run(pipeline):
    pipeline.deploy_first(1, (DAY_1, DAY_2))
    pipeline.use_tiny_image(model="changed")
    assert pipeline.invoke(b"?") == b"m:?"
    assert pipeline.run(DAY_2).tasks["deploy"] == "success"
    assert pipeline.invoke(b"?") == b"changed:?"


def test_a_file_that_is_moved_with_its_folder_is_the_same_pipeline(pipeline, tmp_path_factory, monkeypatch):
    def move():
        moved = tmp_path_factory.mktemp("elsewhere") / "pipelines"
        pipeline.folder.rename(moved)
        pipeline.folder = moved
        monkeypatch.setenv("PIPELINES_DIR", str(moved))

    goes_on_where_it_was(pipeline, move)


def test_a_file_that_is_moved_into_a_folder_below_is_the_same_pipeline(pipeline):
    def move():
        below = pipeline.folder / "ranking" / "team"
        below.mkdir(parents=True)
        (pipeline.folder / f"{pipeline.name}.yaml").rename(below / f"{pipeline.name}.yaml")

    goes_on_where_it_was(pipeline, move)


def goes_on_where_it_was(pipeline, move):
    """Deploy a day, move the file, and deploy the next one: to the same endpoint, from which the way back leads on."""
    pipeline.deploy_first(1, (DAY_1, DAY_2))
    first, arn = pipeline.live(), pipeline.endpoint()["EndpointArn"]
    move()
    assert pipeline.run(DAY_2).tasks["deploy"] == "success"
    assert pipeline.endpoint()["EndpointArn"] == arn
    assert pipeline.live().startswith(f"{pipeline.name}-{DAY_2}-")
    assert pipeline.redeploy(hold_days=0).tasks["redeploy"] == "success"
    assert pipeline.live() == first
