"""What the template's two policies allow, and which neighbours they do not."""

import json
import re

import boto3
import pytest
from moto import mock_aws

import pipelines_stack
from fresh_endpoints.aws import tags
from iam import Decision, evaluate
from pipelines_stack import ACCOUNT, REGION, policies

SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker"
TRAINING_JOB = f"{SAGEMAKER}:training-job/iris-2019-03-04-1a2b"
TRANSFORM_JOB = f"{SAGEMAKER}:transform-job/iris-2019-03-04-1a2b"
MODEL = f"{SAGEMAKER}:model/iris-2019-03-04-1a2b"
ENDPOINT_CONFIG = f"{SAGEMAKER}:endpoint-config/iris-2019-03-04-1a2b"
ENDPOINT = f"{SAGEMAKER}:endpoint/iris"
NEIGHBOURS = ("iris2", "irisfraud", "iri", "my-iris")
TAGGED = (TRAINING_JOB, TRANSFORM_JOB, MODEL, ENDPOINT_CONFIG, ENDPOINT)
LISTED = ("TrainingJob", "TransformJob", "Model", "EndpointConfig", "Endpoint")
SCALING_TARGET = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/0ec5a1b2c3"
OF_A_VARIANT = {
    "application-autoscaling:service-namespace": "sagemaker",
    "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
}
OWN_KEYS = [value for name, value in vars(tags).items() if name.isupper() and str(value).startswith(tags.PREFIX)]
TAGS = {"aws:TagKeys": [*OWN_KEYS, "project"]}
HERE = {"aws:RequestedRegion": REGION}
TO_SAGEMAKER = {"iam:PassedToService": "sagemaker.amazonaws.com"}


def _of_neighbours(arn: str) -> list[str]:
    """The ARN with the neighbours' names in the place of the target's."""
    return [re.sub(r"(?<=[/:])iris\b", name, arn) for name in NEIGHBOURS]


@pytest.fixture(scope="module")
def stack():
    return policies(Bucket="my-data", Target="iris")


@pytest.fixture(scope="module")
def worker(stack):
    return lambda action, resource, context=None: evaluate([stack[0]], action, resource, context)


@pytest.fixture(scope="module")
def container(stack):
    return lambda action, resource, context=None: evaluate([stack[1]], action, resource, context)


@pytest.fixture(scope="module")
def execution_role(stack):
    return stack[2]["ExecutionRoleArn"]


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-prediction/2019-03-04/iris/iris.csv", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/output-prediction/async/iris/answer.out", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/iris-eu/iris.csv", {}),
        ("sagemaker:InvokeEndpointAsync", f"{SAGEMAKER}:endpoint/iris", {}),
        ("sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint/iris-eu", {}),
        # back to what a person has made, and called like the endpoint
        ("sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint-config/iris", {}),
        ("s3:ListBucket", "arn:aws:s3:::my-data", {}),
        *((f"sagemaker:{verb}TrainingJob", TRAINING_JOB, {}) for verb in ("Create", "Describe", "Stop")),
        *((f"sagemaker:{verb}TransformJob", TRANSFORM_JOB, {}) for verb in ("Create", "Describe", "Stop")),
        *((f"sagemaker:{verb}Model", MODEL, {}) for verb in ("Create", "Describe", "Delete")),
        *((f"sagemaker:{verb}EndpointConfig", ENDPOINT_CONFIG, {}) for verb in ("Create", "Describe", "Delete")),
        *((f"sagemaker:{verb}Endpoint", ENDPOINT, {}) for verb in ("Create", "Update", "Describe", "Delete", "Invoke")),
        *((f"sagemaker:{verb}Endpoint", ENDPOINT_CONFIG, {}) for verb in ("Create", "Update")),
        *(("sagemaker:AddTags", arn, TAGS) for arn in TAGGED),
        ("sagemaker:AddTags", ENDPOINT, {"aws:TagKeys": ["fresh-endpoints:told"]}),
        ("application-autoscaling:DeregisterScalableTarget", SCALING_TARGET, OF_A_VARIANT),
        *(("sagemaker:ListTags", arn, {}) for arn in TAGGED),
        *((f"sagemaker:List{kind}s", "*", HERE) for kind in LISTED),
        # what the clean-up must know to delete nothing that is in use
        ("sagemaker:DescribeEndpoint", f"{SAGEMAKER}:endpoint/other", {}),
        ("sagemaker:DescribeEndpointConfig", f"{SAGEMAKER}:endpoint-config/other-1", {}),
        ("sagemaker:DescribeTransformJob", f"{SAGEMAKER}:transform-job/other-1", {}),
        ("sagemaker:Search", "*", {"aws:RequestedRegion": REGION}),
        ("tag:GetResources", "*", {"aws:RequestedRegion": REGION}),
        ("logs:DescribeLogStreams", f"{LOGS}/TrainingJobs", {}),
        ("logs:GetLogEvents", f"{LOGS}/TrainingJobs:log-stream:iris-2019-03-04-1a2b/algo-1-1551715200", {}),
        ("logs:GetLogEvents", f"{LOGS}/Endpoints/iris:log-stream:AllTraffic/i-0123456789abcdef0", {}),
    ],
)
def test_a_worker_may(worker, action, resource, context):
    assert worker(action, resource, context) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        # another bucket, another folder, another target, another kind of access
        ("s3:GetObject", "arn:aws:s3:::other/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/other/iris.csv", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/secret.txt", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/output-model/2019-03-04/iris/job/output/model.tar.gz", {}),
        ("s3:PutObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("s3:DeleteObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("s3:ListBucket", "arn:aws:s3:::other", {}),
        ("s3:ListAllMyBuckets", "*", {}),
        # pipelines whose names only begin alike
        *(("s3:GetObject", arn, {}) for arn in _of_neighbours("arn:aws:s3:::my-data/input-data-training/1/iris/x.csv")),
        *(("s3:GetObject", arn, {}) for arn in _of_neighbours("arn:aws:s3:::my-data/output-prediction/async/iris/x")),
        *(("sagemaker:CreateTrainingJob", arn, {}) for arn in _of_neighbours(TRAINING_JOB)),
        *(("sagemaker:StopTransformJob", arn, {}) for arn in _of_neighbours(TRANSFORM_JOB)),
        *(("sagemaker:DeleteModel", arn, {}) for arn in _of_neighbours(MODEL)),
        *(("sagemaker:DeleteEndpointConfig", arn, {}) for arn in _of_neighbours(ENDPOINT_CONFIG)),
        *(("sagemaker:UpdateEndpoint", arn, {}) for arn in _of_neighbours(ENDPOINT_CONFIG)),
        *(("sagemaker:UpdateEndpoint", arn, {}) for arn in _of_neighbours(ENDPOINT)),
        *(("sagemaker:InvokeEndpoint", arn, {}) for arn in _of_neighbours(ENDPOINT)),
        *(("sagemaker:AddTags", neighbour, TAGS) for arn in TAGGED for neighbour in _of_neighbours(arn)),
        *(("logs:GetLogEvents", arn, {}) for arn in _of_neighbours(f"{LOGS}/TrainingJobs:log-stream:iris-1/algo-1-1")),
        *(("logs:GetLogEvents", arn, {}) for arn in _of_neighbours(f"{LOGS}/Endpoints/iris:log-stream:AllTraffic/i-0")),
        # names that no run makes
        *(("sagemaker:AddTags", arn, TAGS) for arn in (f"{SAGEMAKER}:training-job/iris", f"{SAGEMAKER}:model/iris")),
        # other tags than ours and the file's, on ours; any on another team's; no tags
        *(("sagemaker:AddTags", arn, {"aws:TagKeys": ["owner"]}) for arn in TAGGED),
        ("sagemaker:AddTags", MODEL, {"aws:TagKeys": ["project", "owner"]}),
        ("sagemaker:AddTags", MODEL, {"aws:TagKeys": ["projects"]}),
        ("sagemaker:AddTags", MODEL, {"aws:TagKeys": ["fresh-endpoints"]}),
        ("sagemaker:AddTags", MODEL, {}),
        ("sagemaker:AddTags", f"{SAGEMAKER}:endpoint/other", TAGS),
        ("sagemaker:AddTags", f"{SAGEMAKER}:notebook-instance/iris", TAGS),
        ("sagemaker:DeleteTags", ENDPOINT, {"aws:TagKeys": ["fresh-endpoints:hold"]}),
        # scaling targets of other services, and more than letting go of one
        (
            "application-autoscaling:DeregisterScalableTarget",
            SCALING_TARGET,
            {**OF_A_VARIANT, "application-autoscaling:service-namespace": "ecs"},
        ),
        ("application-autoscaling:DeregisterScalableTarget", SCALING_TARGET, {}),
        ("application-autoscaling:RegisterScalableTarget", SCALING_TARGET, OF_A_VARIANT),
        # another name, region, account or resource type; what no pipeline does
        ("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/other-2019-03-04", {}),
        ("sagemaker:CreateTrainingJob", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/iris-1", {}),
        ("sagemaker:DescribeEndpoint", f"arn:aws:sagemaker:{REGION}:210987654321:endpoint/iris", {}),
        ("sagemaker:DeleteTrainingJob", f"{SAGEMAKER}:training-job/iris-1", {}),
        ("sagemaker:DeleteModel", f"{SAGEMAKER}:model/other-1", {}),
        ("sagemaker:DeleteEndpointConfig", f"{SAGEMAKER}:endpoint-config/other-1", {}),
        ("sagemaker:StopTransformJob", f"{SAGEMAKER}:transform-job/other-1", {}),
        ("sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint/other", {}),
        ("sagemaker:UpdateEndpoint", f"{SAGEMAKER}:endpoint-config/other-1", {}),
        ("sagemaker:ListTags", f"{SAGEMAKER}:endpoint/other", {}),
        ("sagemaker:CreateNotebookInstance", f"{SAGEMAKER}:notebook-instance/iris", {}),
        ("sagemaker:CreateProcessingJob", f"{SAGEMAKER}:processing-job/iris", {}),
        ("sagemaker:ListTrainingJobs", "*", {"aws:RequestedRegion": "us-east-1"}),
        ("sagemaker:ListNotebookInstances", "*", HERE),
        ("logs:GetLogEvents", f"{LOGS}/TrainingJobs:log-stream:other-1/algo-1-1", {}),
        ("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/x:log-stream:iris", {}),
        ("logs:DeleteLogGroup", f"{LOGS}/TrainingJobs", {}),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/iris-training-image", {}),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/iris", {}),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
    ],
)
def test_a_worker_may_not(worker, action, resource, context):
    assert worker(action, resource, context) is Decision.IMPLICIT_DENY


def test_a_worker_passes_only_the_execution_role_and_only_to_sagemaker(worker, execution_role):
    assert worker("iam:PassRole", execution_role, TO_SAGEMAKER) is Decision.ALLOWED
    assert (
        worker("iam:PassRole", execution_role, {"iam:PassedToService": "lambda.amazonaws.com"})
        is Decision.IMPLICIT_DENY
    )
    assert worker("iam:PassRole", execution_role) is Decision.IMPLICIT_DENY
    assert worker("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", TO_SAGEMAKER) is Decision.IMPLICIT_DENY
    assert worker("iam:PassRole", execution_role + "x", TO_SAGEMAKER) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:ListBucket", "arn:aws:s3:::my-data", {"s3:prefix": "input-data-training/2019-03-04/iris/"}),
        ("s3:ListBucket", "arn:aws:s3:::my-data", {"s3:prefix": "input-data-prediction/2019-03-04/iris/iris.csv"}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-validation/2019-03-04/iris/iris.csv", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/output-model/2019-03-04/iris/iris-1/output/model.tar.gz", {}),
        ("s3:PutObject", "arn:aws:s3:::my-data/output-model/2019-03-04/iris/iris-1/output/model.tar.gz", {}),
        ("s3:PutObject", "arn:aws:s3:::my-data/output-prediction/2019-03-04/iris/iris.csv.out", {}),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/iris-training-image", {}),
        ("ecr:GetAuthorizationToken", "*", {}),
        ("logs:CreateLogGroup", f"{LOGS}/TrainingJobs", {}),
        ("logs:PutLogEvents", f"{LOGS}/TrainingJobs:log-stream:iris-1/algo-1-1", {}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-validation/2019-03-04/iris-eu/iris.csv", {}),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}),
        ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:too-many-errors", {}),
    ],
)
def test_a_container_may(container, action, resource, context):
    assert container(action, resource, context) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:ListBucket", "arn:aws:s3:::my-data", {}),
        ("s3:ListBucket", "arn:aws:s3:::my-data", {"s3:prefix": "input-data-training/2019-03-04/other/"}),
        ("s3:ListBucket", "arn:aws:s3:::other", {"s3:prefix": "input-data-training/2019-03-04/iris/"}),
        ("s3:GetObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/other/iris.csv", {}),
        *(("s3:GetObject", arn, {}) for arn in _of_neighbours("arn:aws:s3:::my-data/input-data-training/1/iris/x.csv")),
        *(
            ("s3:PutObject", arn, {})
            for arn in _of_neighbours("arn:aws:s3:::my-data/output-model/1/iris/x/model.tar.gz")
        ),
        *(("s3:ListBucket", "arn:aws:s3:::my-data", {"s3:prefix": f"output-model/1/{name}/"}) for name in NEIGHBOURS),
        # without the slash it would list the neighbours' files, too
        ("s3:ListBucket", "arn:aws:s3:::my-data", {"s3:prefix": "input-data-training/2019-03-04/iris"}),
        ("s3:GetObject", "arn:aws:s3:::other/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:too-many-errors", {}),
        ("cloudwatch:SetAlarmState", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:too-many-errors", {}),
        ("s3:PutObject", "arn:aws:s3:::my-data/input-data-training/2019-03-04/iris/iris.csv", {}),
        ("s3:PutObject", "arn:aws:s3:::my-data/output-model/2019-03-04/other/model.tar.gz", {}),
        ("s3:DeleteObject", "arn:aws:s3:::my-data/output-model/2019-03-04/iris/iris-1/output/model.tar.gz", {}),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/other", {}),
        ("ecr:PutImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/iris-training-image", {}),
        ("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/x:log-stream:y", {}),
        ("logs:GetLogEvents", f"{LOGS}/TrainingJobs:log-stream:iris-1/algo-1-1", {}),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "billing"}),
        ("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/iris-1", {}),
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}:endpoint/iris", {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", TO_SAGEMAKER),
    ],
)
def test_a_container_may_not(container, action, resource, context):
    assert container(action, resource, context) is Decision.IMPLICIT_DENY


def test_the_policies_fit_iams_quotas_with_the_longest_names():
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, spaces not counted."""
    worker, role, _ = policies(Bucket="b" * 63, Target="t" * 32, TagKeys="project,team,owner,cost-center,environment")
    assert len(json.dumps(worker, separators=(",", ":"))) <= 6144
    assert len(json.dumps(role, separators=(",", ":"))) <= 10240
    more = {f"Target{number}": str(number) * 32 for number in (2, 3, 4)}
    with mock_aws():
        outputs = pipelines_stack.create(Bucket="b" * 63, Target="t" * 32, **more)
        iam, name = boto3.client("iam", REGION), outputs["ExecutionRoleArn"].split("/")[-1]
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        assert len(inline) == 4
        # As moto answers them: as Python's notation, with a space after each comma and colon.
        assert sum(len(str(policy).replace(", ", ",").replace(": ", ":")) for policy in inline) <= 10240
        for number in (2, 3, 4):
            arn = outputs[f"WorkerPolicy{number}Arn"]
            found = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
            assert len(json.dumps(found, separators=(",", ":"))) <= 6144
