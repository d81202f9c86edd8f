"""The command ``fresh-endpoints iam``: what it reads from pipeline files, and how it writes policies."""

from __future__ import annotations

import json
import re

import pytest

from fresh_endpoints import __main__ as commands
from iam import Decision, as_list, evaluate
from pipeline_files import BASE, changed

ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
# A key with a sign that IAM and Terraform would both replace.
WILD = changed(("name: iris", "name: wild"), ("training/{{", "tr${a}ing/{{"))
SAGEMAKER = "arn:aws:sagemaker:ap-northeast-1:123456789012"


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Run the command on a folder of files; its status, stdout and stderr."""
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))

    def ask(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        status = commands.main(["iam", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ask


def allows(policy, action, resource, **context):
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    return evaluate([policy], action, resource, keys) is Decision.ALLOWED


def test_a_worker_is_allowed_the_pipelines_own_names_and_files_and_no_neighbours(ask):
    status, out, err = ask("worker", iris=BASE)
    assert (status, err) == (0, "")
    policy = json.loads(out)
    assert allows(policy, "s3:GetObject", "arn:aws:s3:::sample-bucket/training/2019-03-04/iris.csv")
    assert not allows(policy, "s3:GetObject", "arn:aws:s3:::sample-bucket/training/2019-03-04/other.csv")
    assert not allows(policy, "s3:GetObject", "arn:aws:s3:::sample-bucket/output/2019-03-04/iris.csv")
    for name, is_own in (
        ("iris-2019", True),
        ("iris2-2019", False),
        ("irisfraud-2019", False),
        ("my-iris-2019", False),
    ):
        assert allows(policy, "sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/{name}") is is_own
        assert allows(policy, "sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint-config/{name}") is is_own
    # The endpoint is the file's, to the letter.
    assert allows(policy, "sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint/iris")
    assert not allows(policy, "sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint/iris-eu")
    assert allows(policy, "iam:PassRole", ROLE, iam__PassedToService="sagemaker.amazonaws.com")
    assert not allows(policy, "iam:PassRole", ROLE)


def test_what_a_file_does_not_do_is_not_allowed(ask):
    """Neither predictions nor clean-up nor smoke test."""
    policy = json.loads(ask("worker", iris=BASE)[1])
    actions = {action for statement in policy["Statement"] for action in as_list(statement["Action"])}
    assert not actions & {
        *("sagemaker:CreateTransformJob", "sagemaker:DeleteModel", "sagemaker:DeleteEndpointConfig"),
        *("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"),
    }
    more = 'retention: {keep: 2}\nsmoke_test: {body: "1", content_type: text/csv}\n'
    policy = json.loads(ask("worker", iris=BASE + more)[1])
    actions = {action for statement in policy["Statement"] for action in as_list(statement["Action"])}
    assert actions >= {"sagemaker:DeleteModel", "sagemaker:DeleteEndpointConfig", "sagemaker:InvokeEndpoint"}


def test_each_pipeline_sets_its_own_tags_only(ask):
    other = changed(("name: iris", "name: fraud"), ("training/{{", "fraud/{{")) + "aws_tags: {team: a}\n"
    policy = json.loads(ask("worker", iris=BASE + "aws_tags: {project: b}\n", fraud=other)[1])

    def may_tag(model, *keys):
        return allows(policy, "sagemaker:AddTags", f"{SAGEMAKER}:model/{model}-1", aws__TagKeys=list(keys))

    assert may_tag("iris", "project", "fresh-endpoints:told")
    assert may_tag("fraud", "team", "fresh-endpoints:pipeline")
    assert not may_tag("iris", "team")
    assert not may_tag("fraud", "project")
    assert not may_tag("iris", "owner")
    assert not may_tag("iris")


def test_containers_read_the_folders_of_the_data_and_write_where_the_file_says(ask):
    image = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/team/iris:7"
    checkpoints = '  CheckpointConfig: {S3Uri: "s3://checks/{{ data_date[:7] }}/{{ data_date }}"}\n'
    text = changed(("repo:latest", image), ("  StoppingCondition", f"{checkpoints}  StoppingCondition"))
    status, out, err = ask("execution", iris=text)
    assert status == 0, err
    policy = json.loads(out)
    read, write = "s3:GetObject", "s3:PutObject"
    for action, key, is_allowed in (
        (read, "sample-bucket/training/2019-03-04/iris.csv", True),
        (read, "sample-bucket/training/2019-03-04/beside.csv", True),
        (read, "sample-bucket/secrets/x", False),
        (write, "sample-bucket/training/2019-03-04/iris.csv", False),
        (write, "sample-bucket/output/2019-03-04/iris-1/output/model.tar.gz", True),
        (write, "sample-bucket/output2/2019-03-04/x", False),
        (write, "checks/2019-03/2019-03-04/c", True),
        (read, "checks/2019-03/2019-03-04/c", True),
        (write, "other/2019-03/2019-03-04/c", False),
    ):
        assert allows(policy, action, f"arn:aws:s3:::{key}") is is_allowed, (action, key)
    repository = "arn:aws:ecr:ap-northeast-1:123456789012:repository/team"
    assert allows(policy, "ecr:BatchGetImage", f"{repository}/iris")
    assert not allows(policy, "ecr:BatchGetImage", f"{repository}/iris2")
    assert allows(policy, "s3:ListBucket", "arn:aws:s3:::sample-bucket", s3__prefix="training/2019-03-04/")
    assert not allows(policy, "s3:ListBucket", "arn:aws:s3:::sample-bucket", s3__prefix="")


def test_variables_come_from_the_environment_and_the_command_line_and_a_default_is_said(ask, monkeypatch):
    text = changed(
        ("bucket: sample-bucket", "bucket: \"{{ var.value.get('my_bucket', 'default-bucket') }}\""),
        (f"RoleArn: {ROLE}", 'RoleArn: "{{ var.value.my_role }}"'),
    )
    status, out, err = ask("worker", iris=text)
    assert (status, out) == (1, "")
    assert "iris.yaml: training.RoleArn: only a run knows '{{ var.value.my_role }}'" in err
    assert "--variable NAME=VALUE" in err
    monkeypatch.setenv("AIRFLOW_VAR_MY_ROLE", ROLE)
    status, out, err = ask("worker")
    assert status == 0
    assert "the files' defaults were taken: the Airflow Variables my_bucket" in err
    assert "arn:aws:s3:::default-bucket/training/*/iris.csv" in out
    status, out, err = ask("worker", "--variable", "my_bucket=team-data")
    assert (status, err) == (0, "")
    assert "arn:aws:s3:::team-data/training/*/iris.csv" in out


def test_a_sign_of_policies_stands_for_itself_and_what_only_a_run_knows_is_a_star(ask):
    text = changed(
        ("s3://{{ bucket }}/output/{{ data_date }}/", "s3://{{ bucket }}/out*put?/{{ params.get('x', 'y') }}/${a}/")
    )
    status, out, err = ask("execution", iris=text)
    assert status == 0, err
    assert "sample-bucket/out${*}put${?}/*/${$}{a}/*" in out
    wide = changed(("s3://{{ bucket }}/output/{{ data_date }}/", "s3://{{ bucket }}/{{ run_id }}"))
    status, out, err = ask("execution", iris=wide)
    assert status == 0
    assert (
        "iris.yaml: training.OutputDataConfig.S3OutputPath: all of the key differs by day, or only a run knows" in err
    )
    nowhere = changed(("s3://{{ bucket }}/output/{{ data_date }}/", "s3://{{ run_id }}/output/"))
    status, out, err = ask("execution", iris=nowhere)
    assert (status, out) == (1, "")
    assert "only a run knows the bucket of 's3://{{ run_id }}/output/'" in err


def test_what_is_not_in_the_policy_is_said(ask):
    text = changed(("  RoleArn", "  VpcConfig: {SecurityGroupIds: [sg-1], Subnets: [subnet-1]}\n  RoleArn"))
    status, _, err = ask("execution", iris=text)
    assert status == 0
    assert "with VpcConfig, the execution role needs the actions of EC2" in err


def test_terraform_gets_the_same_statements(ask):
    policy = json.loads(ask("worker", iris=BASE + "aws_tags: {project: c}\n", wild=WILD)[1])
    status, text, _ = ask("worker", "--format", "terraform")
    assert status == 0
    assert text.startswith('data "aws_iam_policy_document" "fresh_endpoints_worker" {\n')
    assert "$${" in text
    found = [_statement(block) for block in re.findall(r"  statement \{\n(.*?)\n  \}\n", text, re.DOTALL)]
    assert found == [
        {**statement, "Condition": _listed(statement.get("Condition", {}))} for statement in policy["Statement"]
    ]


def _listed(condition):
    return {test: {key: as_list(values) for key, values in keys.items()} for test, keys in condition.items()}


def _statement(block):
    block = block.replace("$${", "${")
    values = {key: json.loads(value) for key, value in re.findall(r"^    (\w+) += (.+)$", block, re.MULTILINE)}
    condition: dict = {}
    for lines in re.findall(r"condition \{\n(.*?)\n    \}", block, re.DOTALL):
        one = {key: json.loads(value) for key, value in re.findall(r"^ +(\w+) += (.+)$", lines, re.MULTILINE)}
        condition.setdefault(one["test"], {})[one["variable"]] = one["values"]
    names = {"sid": "Sid", "effect": "Effect", "actions": "Action", "resources": "Resource"}
    return {**{names[key]: value for key, value in values.items()}, "Condition": condition}


def test_a_pipeline_that_cannot_be_used_is_said(ask):
    status, out, err = ask("worker", "iris", "irsi", iris=BASE, broken="name: broken\n")
    assert (status, out) == (1, "")
    assert "there is no pipeline 'irsi'; there are: iris" in err
    status, out, err = ask("worker", "broken")
    assert (status, out) == (1, "")
    assert "broken.yaml:" in err
    status, out, err = ask("worker")
    assert status == 0
    assert err.startswith("Left out: ")
    assert "training-job/iris-*" in out


def test_a_policy_that_iam_does_not_take_is_said(ask):
    files = {
        f"iris{number}": changed(("name: iris", f"name: iris{number}"), ("training/{{", f"t{number}/{{{{"))
        for number in range(12)
    }
    status, _, err = ask("worker", **files)
    assert status == 0
    assert re.search(r"This has [\d,]+ characters; IAM takes 6,144 in a managed policy\. Name some pipelines", err)


def test_what_was_made_under_a_former_name_is_within_reach_but_no_job_of_it_is_started(ask):
    renamed = changed(("name: iris", "name: flowers"), ("output/{{", "output/{{ pipeline }}/{{"))
    renamed += "renamed_from: iris\nretention: {keep: 2}\nendpoint: {EndpointName: iris}\n"
    policy = json.loads(ask("worker", flowers=renamed)[1])
    kinds = {"training-job": ("Describe", "TrainingJob"), "model": ("Delete", "Model")}
    for kind, (verb, noun) in {**kinds, "endpoint-config": ("Delete", "EndpointConfig")}.items():
        for name in ("iris", "flowers"):
            resource = f"{SAGEMAKER}:{kind}/{name}-2019"
            assert allows(policy, f"sagemaker:{verb}{noun}", resource)
            assert allows(policy, "sagemaker:ListTags", resource)
            assert allows(policy, "sagemaker:AddTags", resource, aws__TagKeys=["fresh-endpoints:told"])
        assert not allows(policy, f"sagemaker:{verb}{noun}", f"{SAGEMAKER}:{kind}/iris2-2019")
    assert allows(policy, "sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint-config/iris-2019")
    assert not allows(policy, "sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/iris-2019")
    containers = json.loads(ask("execution", flowers=renamed)[1])
    for name, may_write in (("iris", False), ("flowers", True)):
        artifact = f"arn:aws:s3:::sample-bucket/output/{name}/2019-03-04/job/output/model.tar.gz"
        assert allows(containers, "s3:GetObject", artifact)
        assert allows(containers, "s3:PutObject", artifact) is may_write
