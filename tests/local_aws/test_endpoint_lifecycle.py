"""What an endpoint tells of itself from its creation to its deletion, as recorded answers of AWS have it
(cloud-custodian's flight recordings test_sagemaker_endpoints, _endpoint_delete and _endpoint_tag)."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from sagemaker_requests import (
    deploy,
    new_bucket,
    new_config,
    new_model,
    refused,
    unique,
    update,
    wait_for,
    wait_for_endpoint,
)

IMAGES = Path(__file__).parents[1] / "support" / "images"


def hold(aws: LocalAws, status: str) -> None:
    aws.add_faults({"kind": "hold_status", "operation": f"endpoint:{status}"})


def test_a_new_endpoint_was_last_modified_when_it_was_created_and_has_no_variants_yet(
    local_aws: LocalAws, configs: dict[str, str]
) -> None:
    client, name = local_aws.client("sagemaker"), unique("endpoint")
    hold(local_aws, "Creating")
    client.create_endpoint(EndpointName=name, EndpointConfigName=configs["good"])
    creating = client.describe_endpoint(EndpointName=name)
    assert (creating["EndpointStatus"], creating["EndpointConfigName"]) == ("Creating", configs["good"])
    assert creating["LastModifiedTime"] == creating["CreationTime"]
    assert not {"ProductionVariants", "FailureReason"} & set(creating)
    [listed] = [e for e in client.list_endpoints(MaxResults=100)["Endpoints"] if e["EndpointName"] == name]
    assert listed["LastModifiedTime"] == creating["LastModifiedTime"]
    local_aws.clear_faults()
    assert wait_for_endpoint(local_aws, name)["LastModifiedTime"] > creating["LastModifiedTime"]
    client.delete_endpoint(EndpointName=name)


def test_a_failed_creation_has_a_reason_and_no_variants(local_aws: LocalAws, configs: dict[str, str]) -> None:
    client, name = local_aws.client("sagemaker"), unique("endpoint")
    client.create_endpoint(EndpointName=name, EndpointConfigName=configs["broken"])
    failed = wait_for_endpoint(local_aws, name)
    assert (failed["EndpointStatus"], failed["EndpointConfigName"]) == ("Failed", configs["broken"])
    assert "ping health check" in failed["FailureReason"]
    assert "ProductionVariants" not in failed
    assert failed["LastModifiedTime"] > failed["CreationTime"]
    client.delete_endpoint(EndpointName=name)


def test_while_it_is_updated_it_names_the_old_config_and_its_summary_the_new_one(
    local_aws: LocalAws, configs: dict[str, str]
) -> None:
    client, name = local_aws.client("sagemaker"), deploy(local_aws, configs["good"])
    before = client.describe_endpoint(EndpointName=name)
    hold(local_aws, "Updating")
    client.update_endpoint(EndpointName=name, EndpointConfigName=configs["better"])
    updating = client.describe_endpoint(EndpointName=name)
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", configs["good"])
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == configs["better"]
    assert updating["ProductionVariants"] == before["ProductionVariants"]
    assert updating["LastModifiedTime"] > before["LastModifiedTime"]
    local_aws.clear_faults()
    after = wait_for_endpoint(local_aws, name)
    assert (after["EndpointConfigName"], after.get("PendingDeploymentSummary")) == (configs["better"], None)
    assert after["LastModifiedTime"] > updating["LastModifiedTime"]
    client.delete_endpoint(EndpointName=name)


def test_while_it_is_deleted_it_keeps_its_config_and_variants(local_aws: LocalAws, configs: dict[str, str]) -> None:
    client, name = local_aws.client("sagemaker"), deploy(local_aws, configs["good"])
    before = client.describe_endpoint(EndpointName=name)
    hold(local_aws, "Deleting")
    client.delete_endpoint(EndpointName=name)
    deleting = client.describe_endpoint(EndpointName=name)
    assert deleting["EndpointStatus"] == "Deleting"
    for member in ("EndpointConfigName", "ProductionVariants", "CreationTime"):
        assert deleting[member] == before[member]
    assert deleting["LastModifiedTime"] > before["LastModifiedTime"]
    runtime = local_aws.client("sagemaker-runtime")
    assert "not found" in refused(runtime.invoke_endpoint, EndpointName=name, Body=b"1")
    assert "Cannot update in-progress endpoint" in refused(client.delete_endpoint, EndpointName=name)


def test_each_status_lasts_long_enough_to_be_seen() -> None:
    with LocalAws(images={"tiny": IMAGES / "tiny"}, status_seconds=0.4) as aws:
        bucket = new_bucket(aws)
        good, broken = (new_config(aws, new_model(aws, bucket, text)) for text in ("good", "broken"))
        client, name = aws.client("sagemaker"), unique("endpoint")
        seen: list[tuple[str, float]] = []

        def look() -> dict[str, Any]:
            answer: dict[str, Any] = client.describe_endpoint(EndpointName=name)
            if not seen or seen[-1][0] != answer["EndpointStatus"]:
                seen.append((answer["EndpointStatus"], time.monotonic()))
            return answer

        client.create_endpoint(EndpointName=name, EndpointConfigName=good)
        wait_for(look, lambda endpoint: endpoint["EndpointStatus"] == "InService")
        client.update_endpoint(EndpointName=name, EndpointConfigName=broken)
        wait_for(look, lambda endpoint: "FailureReason" in endpoint and endpoint["EndpointStatus"] == "InService")
        assert [status for status, _ in seen] == ["Creating", "InService", "Updating", "RollingBack", "InService"]
        lasted = {status: after - since for (status, since), (_, after) in itertools.pairwise(seen)}
        assert min(lasted["Creating"], lasted["Updating"], lasted["RollingBack"]) >= 0.3


def test_a_failing_ping_check_keeps_an_endpoint_changing_and_its_deletion_is_refused_meanwhile() -> None:
    with LocalAws(images={"tiny": IMAGES / "tiny"}, ping_timeout=2, status_seconds=0) as aws:
        bucket = new_bucket(aws)
        config = new_config(aws, new_model(aws, bucket, "unhealthy"))
        good = new_config(aws, new_model(aws, bucket, "good"))
        client, created = aws.client("sagemaker"), unique("endpoint")
        updated = deploy(aws, good)
        begun = time.monotonic()
        client.create_endpoint(EndpointName=created, EndpointConfigName=config)
        client.update_endpoint(EndpointName=updated, EndpointConfigName=config)
        for name, status in ((created, "Creating"), (updated, "Updating")):
            assert client.describe_endpoint(EndpointName=name)["EndpointStatus"] == status
            assert "Cannot update in-progress endpoint" in refused(client.delete_endpoint, EndpointName=name)
        assert wait_for_endpoint(aws, created)["EndpointStatus"] == "Failed"
        assert wait_for_endpoint(aws, updated)["EndpointConfigName"] == good
        assert time.monotonic() - begun >= 2


def test_an_update_goes_on_from_what_the_last_one_left(local_aws: LocalAws, configs: dict[str, str]) -> None:
    name = deploy(local_aws, configs["good"])
    assert update(local_aws, name, configs["better"])["EndpointConfigName"] == configs["better"]
    assert update(local_aws, name, configs["good"])["EndpointConfigName"] == configs["good"]
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)
