"""The SageMaker Python SDK 3 drives local AWS: its resources, its trainer and its model builder."""

from __future__ import annotations

from local_aws.process import LocalAws


def test_the_trainer_uploads_trains_and_prints_the_containers_log(sdk3):
    assert sdk3.found["status"] == "Completed"
    assert sdk3.found["artifact"].startswith(f"s3://{sdk3.bucket}/sdk3/{sdk3.found['job']}/")
    assert "training: 90 rows, validation: 30 rows, 4 features" in sdk3.printed


def test_jobs_are_found_by_a_part_of_their_names(sdk3):
    assert sdk3.found["listed"] == [sdk3.found["job"]]


def test_a_script_instead_of_the_images_program_is_refused_loudly(sdk3):
    assert sdk3.found["refused"].startswith("local AWS: CreateTrainingJob cannot do AlgorithmSpecification.Container")


def test_an_endpoint_of_resources_is_deployed_asked_and_updated(sdk3):
    assert sdk3.found["labels"] == sdk3.found["labels_after"] == ["0", "2"]
    assert sdk3.found["updated"] == f"{sdk3.found['job']}-2"


def test_a_file_is_transformed(sdk3):
    assert len(sdk3.found["transformed"]) == 30
    assert set(sdk3.found["transformed"]) == {"0", "1", "2"}


def test_the_model_builder_deploys_what_the_trainer_has_trained(sdk3):
    assert sdk3.found["built"] == {"model": f"{sdk3.found['job']}-built", "labels": ["0", "2"]}


def test_what_is_deleted_is_gone(sdk3, local_aws: LocalAws):
    sagemaker = local_aws.client("sagemaker")
    for operation in ("list_endpoints", "list_endpoint_configs"):
        pages = sagemaker.get_paginator(operation).paginate(NameContains="sdk3", PaginationConfig={"PageSize": 100})
        [left] = pages.build_full_result().values()
        assert [item for item in left if not item.get("EndpointConfigName", "").endswith("-built")] == []


def test_nothing_else_that_it_called_was_refused(sdk3):
    assert {operation for operation, _ in sdk3.refused} <= {
        "CreateTrainingJob",  # the script's
        "SimulatePrincipalPolicy",  # no policies are judged here; the SDK goes on
        "DescribeEndpoint",  # until the endpoint is gone
        "DescribeLogStreams",  # a log stream that has not begun is not there, as on AWS
        "FilterLogEvents",
    }
    assert sdk3.refused["CreateTrainingJob", "ValidationException"] == 1
