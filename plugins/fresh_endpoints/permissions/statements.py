"""The statements of the two policies: what the pipelines' workers do, and what SageMaker's containers do for them.

They say what the template of ``include/cloudformation`` says, with the pipelines' own names and keys in its place; a
test holds the two against each other. Actions, and what each can be limited to:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fresh_endpoints.aws import tags
from fresh_endpoints.permissions.patterns import ANY, literal
from fresh_endpoints.permissions.reach import Reach

Statement = dict[str, Any]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, white space not counted.
LONGEST_MANAGED = 6_144
LONGEST_INLINE = 10_240


def worker_policy(reaches: Sequence[Reach]) -> dict[str, Any]:
    """Make the policy of the Airflow workers, the triggerer and the dag-processor.

    Args:
        reaches: What each pipeline reaches; at least one.

    Returns:
        The policy document.
    """
    return _document([*_files(reaches), *_jobs(reaches), *_endpoints(reaches), *_tags(reaches), *_looks(reaches)])


def execution_policy(reaches: Sequence[Reach]) -> dict[str, Any]:
    """Make the policy of the role that SageMaker's containers run under.

    Args:
        reaches: What each pipeline that runs under it reaches; at least one.

    Returns:
        The policy document.
    """
    return _document([*_objects(reaches), *_images(reaches), *_telling(reaches)])


def _files(reaches: Sequence[Reach]) -> Iterator[Statement]:
    yield _allow("WaitForData", ["s3:GetObject"], _s3(reaches, lambda one: one.waited))
    answers = [one for one in reaches if one.asks == "InvokeEndpointAsync"]
    yield _allow("ReadAnswersOfAsynchronousEndpoints", ["s3:GetObject"], _s3(answers, lambda one: one.answers))
    # Without it S3 answers 403 instead of 404 for a file that is not there. HeadObject has no s3:prefix.
    yield _allow("TellMissingFromDenied", ["s3:ListBucket"], _s3(reaches, lambda one: one.buckets))


def _jobs(reaches: Sequence[Reach]) -> Iterator[Statement]:
    verbs = ("Create", "Describe", "Stop")
    actions = [*(f"sagemaker:{verb}TrainingJob" for verb in verbs), "sagemaker:ListTags"]
    yield _allow("Train", actions, _named(reaches, "training-job"))
    actions = ["sagemaker:DescribeTrainingJob", "sagemaker:ListTags"]
    yield _allow("SeeWhatWasTrainedUnderFormerNames", actions, _formerly_named(reaches, "training-job"))
    actions = [*(f"sagemaker:{verb}TransformJob" for verb in verbs), "sagemaker:ListTags"]
    yield _allow("Transform", actions, _named(_predicting(reaches), "transform-job"))


def _endpoints(reaches: Sequence[Reach]) -> Iterator[Statement]:
    actions = ["sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:ListTags"]
    yield _allow("Model", actions, _named_ever(reaches, "model"))
    # AWS asks the last two for the endpoint config as well as for the endpoint. One that a person has made may be
    # called like the endpoint, and be gone back to.
    change = ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"]
    actions = ["sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig", "sagemaker:ListTags", *change]
    yield _allow("EndpointConfig", actions, _configs(reaches))
    # One whose creation has failed can only be deleted. Its tags say whether a person holds it.
    actions = [*change, "sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint", "sagemaker:ListTags"]
    yield _allow("Endpoint", actions, _endpoint(reaches))
    for action in ("InvokeEndpoint", "InvokeEndpointAsync"):
        asking = [one for one in reaches if one.asks == action]
        yield _allow(action, [f"sagemaker:{action}"], _endpoint(asking))
    cleaning = [one for one in reaches if one.cleans_up]
    yield _allow("DeleteModel", ["sagemaker:DeleteModel"], _named_ever(cleaning, "model"))
    yield _allow("DeleteEndpointConfig", ["sagemaker:DeleteEndpointConfig"], _configs(cleaning))


def _tags(reaches: Sequence[Reach]) -> Iterator[Statement]:
    """Yield a statement for all pipelines of the same keys: no pipeline gets another's."""
    for position, keys in enumerate(dict.fromkeys(tuple(sorted(one.tag_keys)) for one in reaches)):
        alike = [one for one in reaches if tuple(sorted(one.tag_keys)) == keys]
        tagged = [
            *_named_ever(alike, "training-job"),
            *_named(_predicting(alike), "transform-job"),
            *_named_ever(alike, "model"),
            *_configs(alike),
            *_endpoint(alike),
        ]
        # ForAllValues holds of a request without keys, too:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
        condition = {
            "ForAllValues:StringLike": {"aws:TagKeys": [tags.PREFIX + ANY, *map(literal, keys)]},
            "Null": {"aws:TagKeys": "false"},
        }
        yield _allow(_numbered("Tag", position), ["sagemaker:AddTags"], tagged, condition)


def _looks(reaches: Sequence[Reach]) -> Iterator[Statement]:
    # SageMaker does it in the name of whoever deletes an endpoint that has a scaling target, whose ARN has no name.
    scaling = {
        "application-autoscaling:service-namespace": "sagemaker",
        "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
    }
    targets = [_arn(one, "application-autoscaling", "scalable-target/*") for one in reaches]
    action = "application-autoscaling:DeregisterScalableTarget"
    yield _allow("LetGoOfAutoscaling", [action], targets, {"StringEquals": scaling})
    kinds = ("TrainingJob", "TransformJob", "Model", "EndpointConfig", "Endpoint")
    here = {"StringEquals": {"aws:RequestedRegion": sorted({one.region for one in reaches})}}
    # AWS offers no resource for these.
    yield _allow("List", [f"sagemaker:List{kind}s" for kind in kinds], [ANY], here)
    # Whatever its name: what is deleted must be in nobody's use.
    actions = [f"sagemaker:Describe{kind}" for kind in ("Endpoint", "EndpointConfig", "TransformJob")]
    cleaning = [one for one in reaches if one.cleans_up]
    seen = [
        _sagemaker(one, f"{kind}/*") for one in cleaning for kind in ("endpoint", "endpoint-config", "transform-job")
    ]
    yield _allow("SeeWhatIsInUse", actions, seen)
    # AWS offers no resource for these, either. Without them the same is found out by the two above, in more calls.
    finding = ["sagemaker:Search", "tag:GetResources"] if cleaning else []
    yield _allow("FindWhatIsOurs", finding, [ANY] if cleaning else [], here)
    passed = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    yield _allow("PassExecutionRole", ["iam:PassRole"], [role for one in reaches for role in one.roles], passed)
    logs = [_logs(one, "*") for one in reaches]
    yield _allow("FindLogs", ["logs:DescribeLogStreams"], logs)
    yield _allow("ReadLogs", ["logs:GetLogEvents"], [stream for one in reaches for stream in _streams(one)])


def _objects(reaches: Sequence[Reach]) -> Iterator[Statement]:
    read = [key for one in reaches for key in one.read]
    partition = reaches[0].partition
    for position, bucket in enumerate(dict.fromkeys(key.partition("/")[0] for key in read)):
        prefixes = _once(key.partition("/")[2] for key in read if key.startswith(f"{bucket}/"))
        listed = {"StringLike": {"s3:prefix": prefixes}}
        arn = f"arn:{partition}:s3:::{bucket}"
        yield _allow(_numbered("FindObjects", position), ["s3:ListBucket"], [arn], listed)
    yield _allow("ReadDataAndArtifacts", ["s3:GetObject"], _s3(reaches, lambda one: one.read))
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    yield _allow("WriteArtifactsAndPredictions", actions, _s3(reaches, lambda one: one.written))


def _images(reaches: Sequence[Reach]) -> Iterator[Statement]:
    actions = [f"ecr:{verb}" for verb in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")]
    repositories = [repository for one in reaches for repository in one.repositories]
    yield _allow("PullTrainingImage", actions, repositories)
    if repositories:  # AWS offers no resource for it.
        yield _allow("LogInToECR", ["ecr:GetAuthorizationToken"], [ANY])


def _telling(reaches: Sequence[Reach]) -> Iterator[Statement]:
    actions = [f"logs:{verb}" for verb in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")]
    yield _allow("WriteLogs", actions, [_logs(one, "*") for one in reaches])
    # AWS offers no resource for the metrics; the namespace limits it.
    metrics = {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "aws/sagemaker/*"]}}
    yield _allow("WriteMetrics", ["cloudwatch:PutMetricData"], [ANY], metrics)
    alarms = [_arn(one, "cloudwatch", f"alarm:{literal(alarm)}") for one in reaches for alarm in one.alarms]
    yield _allow("WatchAlarms", ["cloudwatch:DescribeAlarms"], alarms)


def _allow(sid: str, actions: Sequence[str], resources: Iterable[str], condition: Any = None) -> Statement:
    found = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": _once(resources)}
    return {**found, "Condition": condition} if condition else found


def _document(found: Iterable[Statement]) -> dict[str, Any]:
    """Leave out what is allowed on nothing."""
    return {"Version": "2012-10-17", "Statement": [statement for statement in found if statement["Resource"]]}


def _numbered(sid: str, position: int) -> str:
    return sid if position == 0 else f"{sid}{position + 1}"


def _once(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _predicting(reaches: Iterable[Reach]) -> list[Reach]:
    return [one for one in reaches if one.predicts]


def _s3(reaches: Iterable[Reach], keys: Callable[[Reach], Iterable[str]]) -> list[str]:
    return [f"arn:{one.partition}:s3:::{key}" for one in reaches for key in keys(one)]


def _named(reaches: Iterable[Reach], kind: str) -> list[str]:
    """Return what runs make: its name has more behind the pipeline's, and a hyphen before that."""
    return [_sagemaker(one, f"{kind}/{one.name.lower()}-*") for one in reaches]


def _formerly_named(reaches: Iterable[Reach], kind: str) -> list[str]:
    return [_sagemaker(one, f"{kind}/{former.lower()}-*") for one in reaches for former in one.former]


def _named_ever(reaches: Sequence[Reach], kind: str) -> list[str]:
    """Return what runs make, and what they have made under the names that the pipeline had before."""
    return [*_named(reaches, kind), *_formerly_named(reaches, kind)]


def _configs(reaches: Iterable[Reach]) -> list[str]:
    return [
        _sagemaker(one, f"endpoint-config/{name}")
        for one in reaches
        for name in (one.endpoint.lower(), *(f"{name.lower()}-*" for name in (one.name, *one.former)))
    ]


def _endpoint(reaches: Iterable[Reach]) -> list[str]:
    return [_sagemaker(one, f"endpoint/{one.endpoint.lower()}") for one in reaches]


def _streams(one: Reach) -> Iterator[str]:
    # A job's streams begin with its name; an endpoint has a log group of its own.
    # https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
    yield _logs(one, f"TrainingJobs:log-stream:{one.name}-*")
    if one.predicts:
        yield _logs(one, f"TransformJobs:log-stream:{one.name}-*")
    yield _logs(one, f"Endpoints/{one.endpoint}:log-stream:*")


def _sagemaker(one: Reach, resource: str) -> str:
    # SageMaker writes names in lower case into ARNs, and IAM compares ARNs case by case.
    return _arn(one, "sagemaker", resource)


def _logs(one: Reach, resource: str) -> str:
    return _arn(one, "logs", f"log-group:/aws/sagemaker/{resource}")


def _arn(one: Reach, service: str, resource: str) -> str:
    return f"arn:{one.partition}:{service}:{one.region}:{one.account}:{resource}"
