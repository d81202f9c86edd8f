"""The command ``fresh-endpoints remove``: what a pipeline has left goes, and nothing else does."""

from __future__ import annotations

import io
import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints.removal import deleting
from pipeline_files import changed
from sagemaker_requests import training_job

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
PAGE = (Path(__file__).parents[2] / "docs" / "aws.md").read_text(encoding="utf-8")


@pytest.fixture
def remove(pipeline, capsys, monkeypatch):
    """Run the command as a person, who answers with a text; its status, stdout and stderr."""
    monkeypatch.setattr(deleting, "LOOK_SECONDS", 0.2)
    connection = {**json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"]), "login": "a person"}

    def remove(*arguments, answer=""):
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
            patched.setattr("sys.stdin", io.StringIO(answer))
            status = commands.main(["remove", *arguments])
        said = capsys.readouterr()
        # What Airflow logs here, where its logging was set up before the command, is left out.
        lines = [line for line in said.err.splitlines(keepends=True) if "[info " not in line]
        return status, said.out, "".join(lines)

    return remove


@pytest.fixture
def deployed(pipeline):
    pipeline.deploy_first(2, (DAY_1, DAY_2))
    return pipeline


def left(pipeline):
    """The names of the endpoints, configs and models whose name has the pipeline's in it."""
    kinds = {
        "list_endpoints": "EndpointName",
        "list_endpoint_configs": "EndpointConfigName",
        "list_models": "ModelName",
    }
    return {
        operation: sorted(each[key] for each in pipeline.listed(operation) if f"{pipeline.name}-" in f"{each[key]}-")
        for operation, key in kinds.items()
    }


def nothing_left(pipeline):
    return not any(left(pipeline).values())


def add_config(pipeline, name, model, tags=()):
    variant = {"VariantName": "v", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    given = [{"Key": key, "Value": value} for key, value in tags]
    pipeline.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=given)


def wait_for(pipeline, name):
    looks = {"Delay": 1, "MaxAttempts": 120}
    pipeline.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=looks)


def test_it_lists_asks_and_deletes_endpoint_configs_and_models_but_never_files(deployed, remove):
    name, jobs, there = deployed.name, [job["TrainingJobName"] for job in deployed.jobs()], left(deployed)
    artifacts = deployed.s3.list_objects_v2(Bucket="sample-bucket", Prefix="output-model/")["KeyCount"]
    said = [
        f"To be deleted of pipeline {name} in ap-northeast-1:",
        f"  endpoint {name} (InService, with {jobs[1]})",
        *(f"  {kind} {job}" for kind in ("endpoint config", "model") for job in reversed(jobs)),
        "Staying:",
        "  S3 (data files, artifacts, predictions), training jobs and logs stay; so do the DAGs' runs in Airflow.",
        f"{name}.yaml is still there: its next run makes all of it anew. Pause its DAGs, or remove the file.",
    ]
    status, out, err = remove(name, "--dry-run", "--yes")
    assert (status, out.splitlines(), err) == (0, said, "")
    for answer, why in (("", "Where nobody can answer, give --yes."), ("y\n", f"The answer was not {name}.")):
        status, out, err = remove(name, answer=answer)
        assert (status, err) == (1, f"{why}\nNothing was deleted.\n")
    assert left(deployed) == there

    number = deployed.aws.calls()[-1]["number"]
    status, out, err = remove(name, answer=f"{name}\n")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("Deleted")] == [
        f"Deleted endpoint {name}",
        *(f"Deleted {kind} {job}" for kind in ("endpoint config", "model") for job in reversed(jobs)),
    ]
    assert nothing_left(deployed)
    assert deployed.s3.list_objects_v2(Bucket="sample-bucket", Prefix="output-model/")["KeyCount"] == artifacts
    made = [call["operation"] for call in deployed.aws.calls() if call["number"] > number and is_persons(call)]
    rights = re.findall(r"`sagemaker:(\w+)`", PAGE.partition("## To remove a pipeline")[2])
    assert set(made) - set(rights) == set(), "docs/aws.md names what it needs"

    assert remove(name, "--yes")[:2] == (0, "\n".join([NOTHING.format(name), *said[-3:]]) + "\n")


NOTHING = "There is nothing to delete of pipeline {} in ap-northeast-1."


def is_persons(call):
    return call["access_key_id"] == "a person"


def test_after_the_file_is_gone_and_a_call_that_broke_off_the_next_one_goes_on(deployed, remove):
    (deployed.folder / f"{deployed.name}.yaml").unlink()
    [fault] = deployed.aws.add_faults({"operation": "DeleteModel", "kind": "denied"})
    status, out, err = remove(deployed.name, "--yes")
    deployed.aws.remove_fault(fault)
    assert status == 1
    assert f"Deleted endpoint {deployed.name}\n" in out
    assert err.endswith("What is not said to be deleted is there; the same command goes on with it.\n")
    assert [len(names) for names in left(deployed).values()] == [0, 0, 2]
    status, out, err = remove(deployed.name, "--yes")
    assert (status, err) == (0, "")
    assert nothing_left(deployed)
    mistyped = f"{deployed.name}x"
    (deployed.folder / "iris-rose.yaml").write_text(changed(("name: iris", "name: iris-rose")))
    status, out, err = remove(mistyped, "--dry-run")
    assert (status, err) == (0, "")
    assert out.startswith(f"{NOTHING.format(mistyped)}\nThere is no file of this name either; ")


def test_an_endpoint_that_is_being_deleted_already_is_waited_for(deployed, remove):
    deployed.sagemaker.delete_endpoint(EndpointName=deployed.name)
    status, _, err = remove(deployed.name, "--yes")
    assert (status, err) == (0, "")
    assert nothing_left(deployed)


def test_what_others_made_stays_with_all_that_it_uses(deployed, remove):
    """Names that begin alike, another pipeline's tags, a person's endpoint with the pipeline's model on it."""
    name, live = deployed.name, deployed.live()
    [first] = [job["TrainingJobName"] for job in deployed.jobs() if job["TrainingJobName"] != live]
    another = f"{name}-two"
    add_config(deployed, f"{name}-by-hand", live)
    add_config(deployed, f"{another}-2019-03-04-1a2b3c4d", live, [("fresh-endpoints:pipeline", another)])
    persons = f"{name}-persons"
    deployed.sagemaker.create_endpoint(EndpointName=persons, EndpointConfigName=first)
    try:
        wait_for(deployed, persons)
        status, out, err = remove(name, "--yes")
        assert (status, err) == (0, "")
        assert f"  Endpoint {persons}: it serves a model of this pipeline, but no pipeline has made it.\n" in out
        assert f"  Endpoint config {first}: an endpoint that stays serves it.\n" in out
        assert f"  Model {first}: it is in use.\n" in out
        configs = sorted([first, f"{name}-by-hand", f"{another}-2019-03-04-1a2b3c4d"])
        assert left(deployed) == {
            "list_endpoints": [persons],
            "list_endpoint_configs": configs,
            "list_models": [first],
        }
    finally:
        deployed.sagemaker.delete_endpoint(EndpointName=persons)


def test_the_pipelines_endpoint_stays_where_a_person_or_another_pipeline_has_put_its_own_model_on_it(deployed, remove):
    persons = f"persons-{deployed.name}"
    add_config(deployed, persons, deployed.live())
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=persons)
    wait_for(deployed, deployed.name)
    kept = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=persons)["ProductionVariants"][0]["ModelName"]
    status, out, err = remove(deployed.name, "--yes")
    assert (status, err) == (0, "")
    assert f"  Endpoint {deployed.name}: it serves {persons}, which is not this pipeline's.\n" in out
    assert deployed.live() == persons
    assert left(deployed)["list_models"] == [kept]


@pytest.mark.parametrize("what", ["job", "endpoint"])
def test_while_something_goes_on_nothing_is_deleted(deployed, remove, what):
    there = left(deployed)
    if what == "job":
        name = f"{deployed.name}-2019-03-06-1a2b3c4d"
        tags = [{"Key": "fresh-endpoints:pipeline", "Value": deployed.name}]
        request = training_job("sample-bucket", {"wait": "yes"}, TrainingJobName=name, Tags=tags)
        deployed.sagemaker.create_training_job(**request)
        said = (
            f"The training job {name} goes on. Wait for its end, or stop it: aws sagemaker stop-training-job "
            f"--training-job-name {name} --region ap-northeast-1\n"
        )
    else:
        deployed.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status", "times": 1})
        [first, _] = [job["TrainingJobName"] for job in deployed.jobs()]
        deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=first)
        said = f"Endpoint {deployed.name} is Updating. Wait until that has ended.\n"
    try:
        for more in ("--yes", "--dry-run"):
            status, out, err = remove(deployed.name, more)
            assert (status, err) == (1, f"{said}Nothing was deleted.\n")
            assert f"  endpoint {deployed.name} (" in out
        assert left(deployed) == there
    finally:
        deployed.aws.clear_faults()
        if what == "job":
            deployed.sagemaker.stop_training_job(TrainingJobName=name)
        else:
            wait_for(deployed, deployed.name)


def test_what_has_changed_while_a_person_thought_is_not_deleted(deployed, remove, monkeypatch):
    class Thinking(io.StringIO):
        def readline(self, *_):
            add_config(deployed, f"{deployed.name}-2019-03-06-1a2b3c4d", deployed.live(), tags)
            return f"{deployed.name}\n"

    tags = [("fresh-endpoints:pipeline", deployed.name)]
    monkeypatch.setattr(io, "StringIO", Thinking)
    status, _, err = remove(deployed.name)
    assert (status, err) == (1, "What there is has changed since it was listed. Look again.\nNothing was deleted.\n")
    assert len(left(deployed)["list_endpoint_configs"]) == 3


def test_a_renamed_pipelines_leavings_go_by_its_name_of_today_only(deployed, remove):
    former = deployed.rename()
    there = left(deployed)
    status, _, err = remove(former, "--yes")
    assert status == 1
    assert f"{former} is what {deployed.name} was called before (renamed_from in {deployed.name}.yaml)" in err
    (deployed.folder / f"{deployed.name}.yaml").unlink()
    assert remove(deployed.name, "--yes")[:1] == (0,)
    assert left(deployed) == there, "nothing tells any more that it was called otherwise"
    status, out, err = remove(deployed.name, "--renamed-from", former, "--yes")
    assert (status, err) == (0, "")
    assert f"Deleted endpoint {former}\n" in out
    assert deployed.listed("list_models", NameContains=f"{former}-") == []


def test_an_endpoint_that_another_file_deploys_to_is_left_alone(deployed, remove):
    there, other = left(deployed), deployed.folder / "iris-rose.yaml"
    (deployed.folder / f"{deployed.name}.yaml").unlink()
    text = changed(("name: iris", "name: iris-rose"))
    other.write_text(f"{text}endpoint: {{EndpointName: {deployed.name}}}\n")
    status, _, err = remove(deployed.name, "--yes")
    assert status == 1
    assert f"iris-rose.yaml deploys to endpoint {deployed.name}, too." in err
    other.write_text(text + "endpint: {}\n")
    status, out, err = remove(deployed.name, "--yes")
    assert (status, out) == (1, "")
    assert "What these files deploy to is not known, so correct them first" in err
    assert left(deployed) == there


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("../iris",), "'../iris' is no pipeline's name: allowed are 32 letters, digits and hyphens."),
        (("x" * 33,), "is no pipeline's name"),
        (("iris", "--renamed-from", "a b"), "'a b' is no pipeline's name"),
        (("iris", "--renamed-from", "{name}"), "{name} has a file, so it is no former name."),
    ],
)
def test_a_name_that_is_none_is_refused_before_aws_is_asked(pipeline, remove, arguments, said):
    number = pipeline.aws.calls()[-1]["number"]
    status, out, err = remove(*(argument.format(name=pipeline.name) for argument in arguments))
    assert (status, out) == (1, "")
    assert said.format(name=pipeline.name) in err
    assert [call for call in pipeline.aws.calls() if call["number"] > number and is_persons(call)] == []


def test_what_aws_refuses_to_tell_is_said_and_nothing_is_deleted(deployed, remove):
    there = left(deployed)
    [fault] = deployed.aws.add_faults({"operation": "ListEndpoints", "kind": "denied"})
    status, out, err = remove(deployed.name, "--yes")
    deployed.aws.remove_fault(fault)
    assert (status, out) == (1, "")
    assert "AccessDeniedException" in err
    assert left(deployed) == there
