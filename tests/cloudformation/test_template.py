import re
from typing import Any

import cfnlint.api
import cfnlint.config
import pytest
import yaml
from cfnlint.data import AdditionalSpecs
from cfnlint.decode import cfn_yaml
from cfnlint.helpers import load_resource

from fresh_endpoints.aws import requests, tags
from iam import as_list, statements
from pipelines_stack import ACCOUNT, REGION, TEMPLATE, policies

PIPELINES = TEMPLATE.parents[1] / "pipelines"
TEXT = TEMPLATE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def template() -> Any:
    return cfn_yaml.load(str(TEMPLATE))


@pytest.fixture(scope="module")
def allowed() -> list[dict[str, Any]]:
    """All statements of the two policies, resolved by moto."""
    worker, role, _ = policies(Bucket="my-data", Target="iris")
    return list(statements([worker, role]))


def test_cfn_lint_has_nothing_to_say():
    rules = cfnlint.api.ManualArgs(include_checks=["I", "W", "E"], regions=[REGION, "us-east-1"])
    assert [str(match) for match in cfnlint.api.lint(TEXT, config=rules)] == []


def test_cfn_lint_is_asked_in_earnest():
    rules = cfnlint.api.ManualArgs(include_checks=["I", "W", "E"], regions=[REGION])
    broken = TEXT.replace("sagemaker:StopTrainingJob", "sagemaker:StoppTrainingJob")
    # In the policy of each target.
    assert [match.rule.id for match in cfnlint.api.lint(broken, config=rules)] == ["W3037"] * 4


def test_each_exception_from_checkovs_rules_has_its_reason(template):
    """`make check-template` asks for all others."""
    skips = [
        skip
        for resource in template["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert {skip["id"] for skip in skips} == {"CKV_AWS_18", "CKV_AWS_136"}
    assert all(len(skip["comment"]) > 40 for skip in skips)


def test_no_statement_allows_a_wildcard_of_actions(allowed):
    assert all(s["Effect"] == "Allow" for s in allowed)
    assert [a for s in allowed for a in as_list(s["Action"]) if "*" in a or "?" in a] == []
    assert not any("NotAction" in s or "NotResource" in s for s in allowed)


def test_a_wildcard_resource_stands_only_where_aws_has_no_resource_level_and_a_comment_says_so(allowed):
    """AWS's service authorization reference comes with cfn-lint."""
    reference = load_resource(AdditionalSpecs, "Policies.json")
    # Its only resource type (dataset) is not that of a metric: the namespace limits it.
    without_resource = {"cloudwatch:PutMetricData"}
    wide = [s for s in allowed if "*" in as_list(s["Resource"])]
    assert wide
    comments = " ".join(line.strip(" #") for line in TEXT.splitlines() if line.strip().startswith("#"))
    for statement in wide:
        for action in as_list(statement["Action"]):
            service, name = action.split(":")
            resource_types = reference[service]["Actions"][name.lower()].get("Resources")
            assert not resource_types or action in without_resource, f"{action} can be limited to {resource_types}"
            assert re.search(rf"AWS offers no resource for [^.]*{action}", comments), f"{action} needs a comment"
        assert statement["Action"] == "ecr:GetAuthorizationToken" or "Condition" in statement


def test_every_other_resource_is_of_this_bucket_repository_name_or_region(allowed):
    ours = re.compile(
        rf"""arn:aws:s3:::my-data(/(input-data-\*|output-model|output-prediction)/\*/iris(-\*)?/\*)?
        |arn:aws:ecr:{REGION}:{ACCOUNT}:repository/iris-training-image
        |arn:aws:sagemaker:{REGION}:{ACCOUNT}:(training-job|transform-job|model)/iris-\*
        |arn:aws:sagemaker:{REGION}:{ACCOUNT}:(endpoint-config|endpoint)/iris(-\*)?
        |arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/\*
        |arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/(Training|Transform)Jobs:log-stream:iris-\*
        |arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/iris(-\*)?:log-stream:\*
        |arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:\*
        |arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/\*
        |arn:aws:iam::{ACCOUNT}:role/fresh-endpoints-SageMakerExecutionRole-\w+""",
        re.VERBOSE,
    )
    # One statement reads more: what is deleted must be in nobody's use.
    [reads] = [s for s in allowed if s["Sid"] == "SeeWhatIsInUse"]
    assert all(action.startswith("sagemaker:Describe") for action in reads["Action"])
    found = [r for s in allowed if s is not reads for r in as_list(s["Resource"]) if r != "*"]
    assert len(found) > 15
    assert [r for r in found if not ours.fullmatch(r)] == []


def test_the_target_stands_nowhere_with_a_star_right_behind_it(allowed):
    """It would reach the neighbours iris2 and irisfraud, in a condition no less than in a resource."""
    assert "iris-*" in str(allowed)
    assert "iris*" not in str(allowed)


def test_each_permission_on_tags_is_bounded_by_keys_and_needs_one(allowed):
    tagging = [s for s in allowed if {"sagemaker:AddTags", "sagemaker:DeleteTags"} & set(as_list(s["Action"]))]
    assert [s["Sid"] for s in tagging] == ["Tag"]
    for statement in tagging:
        assert as_list(statement["Condition"]["ForAllValues:StringLike"]["aws:TagKeys"])[0].startswith(tags.PREFIX)
        assert statement["Condition"]["Null"] == {"aws:TagKeys": "false"}


def test_the_tag_keys_by_default_are_those_of_the_samples(template):
    listed = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in PIPELINES.glob("*.yaml")]
    keys = {key for pipeline in listed for key in pipeline.get("aws_tags", {})}
    assert template["Parameters"]["TagKeys"]["Default"].split(",") == sorted(keys)


def test_the_samples_containers_have_no_network_and_so_no_credentials_of_the_role():
    sample = yaml.safe_load((PIPELINES / "multiclass.yaml").read_text(encoding="utf-8"))
    assert sample["training"]["EnableNetworkIsolation"] is True
    artifact = "s3://my-data/output-model/model.tar.gz"
    model = requests.create_model(sample["model"], name="m", artifact=artifact, training=sample["training"], tags={})
    assert model["EnableNetworkIsolation"] is True


def test_a_further_target_is_allowed_what_the_first_one_is(template):
    """Statement by statement, but for the name; what no name bounds is in the first one's policy alone."""
    resources = template["Resources"]
    first = resources["WorkerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    named = [statement for statement in first if "${Target}" in str(statement)]
    [containers, *others] = resources["SageMakerExecutionRole"]["Properties"]["Policies"]
    of_first = [s for s in containers["PolicyDocument"]["Statement"] if "${Target}" in str(s)]
    for number, other in zip(("2", "3", "4"), others, strict=True):
        policy = resources[f"WorkerPolicy{number}"]
        assert policy["Condition"] == f"HasTarget{number}"
        own = str(policy["Properties"]["PolicyDocument"]["Statement"])
        assert own.replace(f"${{Target{number}}}", "${Target}") == str(named)
        condition, inline, nothing = other["Fn::If"]
        assert (condition, nothing) == (f"HasTarget{number}", {"Ref": "AWS::NoValue"})
        own = str(inline["PolicyDocument"]["Statement"])
        assert own.replace(f"${{Target{number}}}", "${Target}") == str(of_first)


def test_pass_role_is_bounded(allowed):
    _, _, outputs = policies(Bucket="my-data")
    passing = [s for s in allowed if "iam:PassRole" in as_list(s["Action"])]
    assert len(passing) == 1
    assert passing[0]["Resource"].split("-")[:-1] == outputs["ExecutionRoleArn"].split("-")[:-1]
    assert passing[0]["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_only_sagemaker_takes_the_execution_role_and_only_for_this_account(template):
    role = template["Resources"]["SageMakerExecutionRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert "ManagedPolicyArns" not in role


def test_the_execution_role_outlives_the_stack_and_a_change_of_it(template):
    """A condition that no longer holds takes it out of the stack, while live models run under it."""
    role = template["Resources"]["SageMakerExecutionRole"]
    assert (role["DeletionPolicy"], role["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_bucket_is_private_encrypted_versioned_and_kept(template):
    bucket = template["Resources"]["DataBucket"]
    properties = bucket["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    (only_tls,) = template["Resources"]["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (only_tls["Effect"], only_tls["Action"]) == ("Deny", "s3:*")
    assert only_tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_artifacts_expire_and_nothing_piles_up(template):
    rules = {r["Id"]: r for r in template["Resources"]["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert rules["predictions"]["Prefix"] == "output-prediction/"
    # The prefix before its first star.
    before_star = {"Fn::Select": [0, {"Fn::Split": ["*", {"Fn::Sub": "${ArtifactPrefix}/"}]}]}
    assert rules["artifacts"]["Prefix"] == before_star
    assert template["Parameters"]["ArtifactPrefix"]["Default"] == "output-model/*"
    # The data itself is never expired.
    assert "ExpirationInDays" not in rules["leftovers"]
    assert rules["leftovers"].keys() >= {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}


def test_the_repository_scans_encrypts_and_never_moves_a_tag(template):
    properties = template["Resources"]["TrainingImageRepository"]["Properties"]
    assert properties["ImageTagMutability"] == "IMMUTABLE"
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert properties["EncryptionConfiguration"]["EncryptionType"] in ("AES256", "KMS")


def test_no_resource_is_of_a_type_that_these_rules_do_not_know(template):
    assert {r["Type"] for r in template["Resources"].values()} == {
        *("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::ECR::Repository"),
        *("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"),
    }


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("Target", ["multiclass", "abc", "iris-2"], ["", "Multiclass", "-ab", "ab-", "a_b", "a/*", "*"]),
        ("Target2", ["", "abc", "iris-2"], ["ab", "Iris", "-abc", "abc-", "a_b", "iris*"]),
        (
            "InputPrefix",
            ["input-data-*/*", "raw", "a/b=1/*"],
            ["", "*", "*/a", "/a", "a/", "a//b", "a?", "a/${x}", "a,b"],
        ),
        ("ArtifactPrefix", ["output-model/*", "models"], ["", "*", "/models", "models/", "m?"]),
        ("CreateBucket", ["true", "false"], ["", "yes"]),
        ("CreateRepository", ["true", "false"], ["", "no"]),
        (
            "Repositories",
            [
                "",
                f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/a/b-c",
                ",".join([f"arn:aws:ecr:x:{ACCOUNT}:repository/a"] * 2),
            ],
            ["a", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/*", f"arn:aws:ecr:*:{ACCOUNT}:repository/a", ","],
        ),
        ("Bucket", ["sample-bucket", "abc"], ["", "ab", "Sample", "a/b", "b*", "-ab", "a" * 64]),
        (
            "TagKeys",
            ["project", "project,team", "cost center,a:b/c=d+e-f@g.h"],
            ["", ",", "project,", "a,,b", "*", "proj*", "a,?", "${aws:username}", "部門", "a" * 129],
        ),
        (
            "ExecutionRole",
            ["", f"arn:aws:iam::{ACCOUNT}:role/dev-sagemaker", f"arn:aws-cn:iam::{ACCOUNT}:role/service-role/x"],
            ["dev-sagemaker", "*", f"arn:aws:iam::{ACCOUNT}:role/*", "arn:aws:iam::1:role/x"],
        ),
    ],
)
def test_parameters_take_only_what_is_safe_in_a_policy(template, parameter, good, bad):
    """CloudFormation compares the whole value with AllowedPattern."""
    pattern = re.compile(template["Parameters"][parameter]["AllowedPattern"])
    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []


def test_a_target_has_at_least_three_letters(template):
    assert (template["Parameters"]["Target"]["MinLength"], template["Parameters"]["Target"]["MaxLength"]) == (3, 32)


def test_default_values_are_allowed(template):
    for name, parameter in template["Parameters"].items():
        if parameter["Type"] == "String" and "Default" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name
        assert "AllowedPattern" in parameter or "MinValue" in parameter, name
