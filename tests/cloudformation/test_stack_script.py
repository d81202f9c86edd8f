"""stack.sh with the real AWS CLI, against moto's server."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.moto_api._internal import moto_api_backend
from moto.server import ThreadedMotoServer

from pipelines_stack import REGION, STACK

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..S3..BucketPolicy")  # moto has no bucket policies

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OTHER_ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
SCRIPT = Path(__file__).parents[2] / "include" / "cloudformation" / "stack.sh"


class Stack:
    def __init__(self, endpoint_url: str, home: Path) -> None:
        self.endpoint_url = endpoint_url
        self.docker_log = home / "docker.log"
        docker = home / "docker"
        log = shlex.quote(str(self.docker_log))
        docker.write_text(f'#!/bin/sh\necho "$@" >> {log}\nif [ "$1" = login ]; then cat > /dev/null; fi\n')
        docker.chmod(0o755)
        self.environment = {
            "PATH": os.pathsep.join([str(home), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(home),
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str):
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, REGION, endpoint_url=self.endpoint_url, **keys)

    def run(self, *arguments: str, answer: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [SCRIPT, *arguments],
            cwd="/",
            env=self.environment,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def describe(self) -> dict:
        return self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Stack(f"http://{host}:{port}", tmp_path)
    finally:
        server.stop()
        moto_api_backend.reset()


def test_create_update_delete(stack):
    code, said = stack.run("create", "Bucket=my-data")
    assert code == 0, said
    assert "+ aws cloudformation create-stack --stack-name fresh-endpoints" in said
    role = next(o["OutputValue"] for o in stack.describe()["Outputs"] if o["OutputKey"] == "ExecutionRoleArn")
    assert f"AIRFLOW_VAR_SAGEMAKER_BUCKET=my-data\nAIRFLOW_VAR_SAGEMAKER_ROLE={role}\n" in said

    code, said = stack.run("create", "Bucket=my-data")
    assert (code, said) == (1, f"stack.sh: the stack {STACK} exists; use update, or set STACK to another name.\n")

    code, said = stack.run("update", "NumClass=4")
    assert code == 0, said
    assert "+ aws cloudformation deploy --stack-name fresh-endpoints" in said
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.describe()["Parameters"]}
    assert (parameters["Bucket"], parameters["NumClass"]) == ("my-data", "4")

    code, said = stack.run("delete", answer="yes\n")
    assert code == 1
    assert "The bucket my-data and its data stay." in said
    assert f"The execution role {role.split('/')[1]} stays, too." in said
    assert said.endswith("stack.sh: nothing was deleted.\n")
    assert stack.describe()["StackStatus"] == "UPDATE_COMPLETE"

    code, said = stack.run("delete", answer=f"{STACK}\n")
    assert code == 0, said
    assert "+ aws cloudformation delete-stack" in said
    assert said.endswith(f"aws iam delete-role --role-name {role.split('/')[1]}\n")
    with pytest.raises(ClientError, match="does not exist"):
        stack.describe()


def test_update_replaces_neither_the_repository_nor_the_bucket(stack):
    assert stack.run("create", "Bucket=my-data", "Target=iris")[0] == 0
    for parameter, has in (("Target=flowers", "iris"), ("Bucket=other-data", "my-data")):
        code, said = stack.run("update", "NumClass=4", parameter)
        name = parameter.split("=")[0]
        assert code == 1
        assert said == (
            f"stack.sh: found {parameter}; {name} of the stack {STACK} is {has} and cannot change. "
            "Create another stack with STACK=<name>.\n"
        )
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    code, said = stack.run("update", "Target=iris", "Bucket=my-data", "NumClass=4")
    assert code == 0, said


def policy_arn(stack: Stack, number: str = "") -> str | None:
    found = {output["OutputKey"]: output["OutputValue"] for output in stack.describe()["Outputs"]}
    return found.get(f"WorkerPolicy{number}Arn")


def test_targets_are_a_list_that_updates_change(stack):
    code, said = stack.run("create", "Bucket=my-data", "Target=iris", "MoreTargets=fraud,churn")
    assert code == 0, said
    assert said.endswith("".join(f"{policy_arn(stack, number)}\n" for number in ("", "2", "3")))

    attached = policy_arn(stack, "3")
    iam = stack.client("iam")
    iam.create_role(RoleName="airflow-workers", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="airflow-workers", PolicyArn=attached)
    code, said = stack.run("update", "MoreTargets=churn")
    assert code == 1
    assert said.startswith("stack.sh: the worker policy is attached to airflow-workers; detach it first")
    assert said.endswith("Nothing was changed.\n")
    iam.detach_role_policy(RoleName="airflow-workers", PolicyArn=attached)
    code, said = stack.run("update", "MoreTargets=churn")
    assert code == 0, said
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.describe()["Parameters"]}
    assert [parameters[f"Target{number}"] for number in (2, 3, 4)] == ["churn", "", ""]

    code, said = stack.run("update", "MoreTargets=a-b,c-d,e-f,g-h")
    assert code == 1
    assert said.startswith("stack.sh: found MoreTargets=a-b,c-d,e-f,g-h; a stack has room for three.")


def test_what_exists_is_neither_created_nor_deleted_with_the_stack(stack):
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="team-data", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="team-data", Key="x", Body=b"kept")
    code, said = stack.run("create", "Bucket=team-data", "CreateBucket=false", "CreateRepository=false")
    assert code == 0, said
    for parameter, has in (("CreateBucket=true", "false"), ("CreateRepository=true", "false")):
        code, said = stack.run("update", parameter)
        assert code == 1
        assert f"of the stack {STACK} is {has} and cannot change" in said
    code, said = stack.run("push-image")
    assert code == 1
    assert said.startswith(f"stack.sh: the stack {STACK} has no repository of its own")
    code, said = stack.run("delete", answer=f"{STACK}\n")
    assert code == 0, said
    assert "repository" not in said
    assert s3.get_object(Bucket="team-data", Key="x")["Body"].read() == b"kept"


def given(said: str) -> list[str]:
    """The parameters of each deploy that the script has said it runs."""
    return re.findall(r"^\+ aws cloudformation deploy .*?--no-fail-on-empty-changeset ?(.*)$", said, re.MULTILINE)


def created_role(stack: Stack) -> str:
    return next(o["OutputValue"] for o in stack.describe()["Outputs"] if o["OutputKey"] == "ExecutionRoleArn")


def test_another_execution_role_leaves_the_created_one_which_live_models_run_under(stack):
    assert stack.run("create", "Bucket=my-data")[0] == 0
    created = created_role(stack)
    name = created.split("/")[1]
    code, said = stack.run("update", "NumClass=4", f"ExecutionRole={OTHER_ROLE}")
    assert code == 0, said
    assert given(said) == [f"--parameter-overrides NumClass=4 ExecutionRole={OTHER_ROLE}"]
    assert f"The role {name} stays" in said
    assert said.endswith(f"aws iam delete-role --role-name {name}\n")
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.describe()["Parameters"]}
    assert parameters["ExecutionRole"] == OTHER_ROLE
    assert stack.client("iam").get_role(RoleName=name)["Role"]["Arn"] == created

    code, said = stack.run("update", f"ExecutionRole={OTHER_ROLE}-2")
    assert code == 0, said
    assert "stays" not in said


def test_a_stack_of_an_older_template_learns_to_leave_the_role_before_it_gets_another(stack):
    """Else CloudFormation would delete it: the DeletionPolicy counts that the stack has."""
    template = (SCRIPT.parent / "pipelines.yaml").read_text(encoding="utf-8")
    older = template.replace("    DeletionPolicy: RetainExceptOnCreate\n    UpdateReplacePolicy: Retain\n", "")
    bucket = [{"ParameterKey": "Bucket", "ParameterValue": "my-data"}]
    stack.client("cloudformation").create_stack(StackName=STACK, TemplateBody=older, Parameters=bucket)
    code, said = stack.run("update", f"ExecutionRole={OTHER_ROLE}", "NumClass=4")
    assert code == 0, said
    assert given(said) == [
        "--parameter-overrides NumClass=4",
        f"--parameter-overrides ExecutionRole={OTHER_ROLE} NumClass=4",
    ]
    kept = stack.client("cloudformation").get_template(StackName=STACK)["TemplateBody"]
    assert kept == template


def test_the_created_role_can_be_given_back_to_the_stack(stack):
    assert stack.run("create", "Bucket=my-data")[0] == 0
    created = created_role(stack)
    code, said = stack.run("update", f"ExecutionRole={created}")
    assert code == 0, said
    assert "delete-role" not in said
    assert created_role(stack) == created


def test_delete_wants_the_worker_policy_detached(stack):
    assert stack.run("create", "Bucket=my-data")[0] == 0
    policy = next(o["OutputValue"] for o in stack.describe()["Outputs"] if o["OutputKey"] == "WorkerPolicyArn")
    iam = stack.client("iam")
    iam.create_role(RoleName="airflow-workers", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="airflow-workers", PolicyArn=policy)
    code, said = stack.run("delete", answer=f"{STACK}\n")
    assert code == 1
    assert said.startswith("stack.sh: the worker policy is attached to airflow-workers; detach it first")
    assert f"--policy-arn {policy} " in said
    assert said.endswith("Nothing was deleted.\n")
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"

    iam.detach_role_policy(RoleName="airflow-workers", PolicyArn=policy)
    code, said = stack.run("delete", answer=f"{STACK}\n")
    assert code == 0, said


def test_delete_takes_a_stack_whose_creation_has_failed(stack):
    """It has no outputs."""
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    stack.client("cloudformation").create_stack(StackName=STACK, TemplateBody=template)
    code, said = stack.run("delete", answer=f"{STACK}\n")
    assert code == 0, said
    assert "The bucket" not in said
    with pytest.raises(ClientError, match="does not exist"):
        stack.describe()


def test_make_hands_its_variables_on(stack):
    def make(*arguments: str, answer: str = "") -> tuple[int, str]:
        done = subprocess.run(
            ["make", "--no-print-directory", "-C", SCRIPT.parents[2], *arguments],
            env=stack.environment,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    given = ("BUCKET=my-data", "TARGET=iris", "NUM_CLASS=4", "TAG_KEYS=project,cost center", "ARTIFACT_DAYS=400")
    given = (*given, "MORE_TARGETS=fraud,churn", "INPUT_PREFIX=raw/*", "ARTIFACT_PREFIX=models")
    code, said = make("aws-create", *given)
    assert code == 0, said
    assert "+ aws cloudformation create-stack" in said
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.describe()["Parameters"]}
    assert parameters == {
        "Bucket": "my-data",
        "Target": "iris",
        "NumClass": "4",
        "TagKeys": "project,cost center",
        "ArtifactDays": "400",
        "ExecutionRole": "",
        "CreateBucket": "true",
        "CreateRepository": "true",
        "Repositories": "",
        "InputPrefix": "raw/*",
        "ArtifactPrefix": "models",
        "Target2": "fraud",
        "Target3": "churn",
        "Target4": "",
    }
    code, said = make("aws-update", "TAG_KEYS=project,team,owner")
    assert code == 0, said
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.describe()["Parameters"]}
    assert (parameters["TagKeys"], parameters["Bucket"]) == ("project,team,owner", "my-data")
    code, said = make("aws-delete", answer="no\n")
    assert code != 0
    assert "stack.sh: nothing was deleted." in said


def test_push_image_builds_for_sagemaker_and_pushes_each_content_once(stack):
    assert stack.run("create", "Bucket=my-data", "Target=iris")[0] == 0
    code, said = stack.run("push-image")
    assert code == 0, said
    image = re.search(r"^AIRFLOW_VAR_SAGEMAKER_IMAGE=(.+/iris-training-image:[0-9a-f]{12})$", said, re.MULTILINE).group(
        1
    )
    repository, tag = image.rsplit(":", 1)
    build, login, push = stack.docker_log.read_text().splitlines()
    assert build.startswith(
        f"buildx build --platform linux/amd64 --provenance=false --output type=docker --tag {image} "
    )
    assert login == f"login --username AWS --password-stdin {repository.split('/')[0]}"
    assert push == f"push {image}"

    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": "sha256:0"}, "layers": []})
    stack.client("ecr").put_image(repositoryName="iris-training-image", imageTag=tag, imageManifest=manifest)
    code, said = stack.run("push-image")
    assert code == 0, said
    assert f"{image} is already there." in said
    assert len(stack.docker_log.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["update", "NumClass=4"], f"there is no stack {STACK}; use create"),
        (["delete"], f"there is no stack {STACK}"),
        (["push-image"], f"there is no stack {STACK}; create it first"),
        (["create", "my-data"], "found 'my-data'; parameters are written as Name=value"),
        (["remove"], "found 'remove'; allowed: create, update, delete, push-image"),
        ([], "found ''; allowed: create, update, delete, push-image"),
    ],
)
def test_says_what_is_wrong(stack, arguments, reason):
    code, said = stack.run(*arguments)
    assert code == 1
    assert said.startswith(f"stack.sh: {reason}")


def test_does_not_take_every_error_for_a_missing_stack(stack):
    del stack.environment["AWS_REGION"]
    code, said = stack.run("create", "Bucket=my-data")
    assert code == 1
    assert said.startswith(f"stack.sh: cannot ask for the stack {STACK}: You must specify a region.")
