"""boto3's paginators, which go on after a page that a filter has emptied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from listed_resources import LISTS, NAMES, make_four_of_each
from local_aws.process import LocalAws

IMAGES = {"tiny": Path(__file__).parents[1] / "support/images/tiny"}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """Four resources of each kind, nothing else, and no limit to how often they are listed."""
    with LocalAws(images=IMAGES, stop_grace=1, lists_per_second=float("inf")) as server:
        make_four_of_each(server)
        yield server


def paginate(aws: LocalAws, operation: str, size: int = 1, **options: Any) -> Any:
    """Pages of a size; options with a capital are the operation's, the others the paginator's."""
    filters = {name: options.pop(name) for name in list(options) if name[0].isupper()}
    config = {"PageSize": size, **{name.title().replace("_", ""): value for name, value in options.items()}}
    return aws.client("sagemaker").get_paginator(operation).paginate(**filters, PaginationConfig=config)


@pytest.mark.parametrize("operation", LISTS)
def test_a_filter_may_empty_pages_and_the_paginator_goes_on_to_what_it_finds(aws: LocalAws, operation: str) -> None:
    listed, member = LISTS[operation]
    pages = [[item[member] for item in page[listed]] for page in paginate(aws, operation, NameContains="foobar")]
    assert pages == [[], [], ["foobar-1"], ["foobar-2"]]


@pytest.mark.parametrize("operation", LISTS)
def test_what_a_paginator_searches_for_it_finds_on_every_page(aws: LocalAws, operation: str) -> None:
    listed, member = LISTS[operation]
    assert list(paginate(aws, operation).search(f"{listed}[].{member}")) == NAMES
    ascending = paginate(aws, operation, 3, SortBy="Name", SortOrder="Ascending")
    assert list(ascending.search(f"{listed}[].{member}")) == sorted(NAMES)


@pytest.mark.parametrize("operation", LISTS)
def test_a_scan_that_is_cut_goes_on_where_it_ended(aws: LocalAws, operation: str) -> None:
    listed, member = LISTS[operation]
    found: list[str] = []
    token = None
    while True:
        # Three of pages of two: the second time begins in the middle of a page.
        cut = paginate(aws, operation, 2, max_items=3, starting_token=token).build_full_result()
        found += [item[member] for item in cut[listed]]
        if (token := cut.get("NextToken")) is None:
            break
        assert len(cut[listed]) == 3
    assert found == NAMES


def test_a_status_that_no_job_has_is_looked_for_on_every_page(aws: LocalAws) -> None:
    pages = list(paginate(aws, "list_training_jobs", StatusEquals="Completed"))
    assert [page["TrainingJobSummaries"] for page in pages] == [[]] * len(NAMES)
    assert "NextToken" not in pages[-1]
    failed = paginate(aws, "list_training_jobs", 3, StatusEquals="Failed").build_full_result()
    assert len(failed["TrainingJobSummaries"]) == len(NAMES)


def test_all_tags_of_a_resource_are_one_page(aws: LocalAws) -> None:
    sagemaker = aws.client("sagemaker")
    arn = sagemaker.describe_model(ModelName=NAMES[0])["ModelArn"]
    tags = [{"Key": f"key-{number}", "Value": "v"} for number in range(50)]
    sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    assert sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn).build_full_result()["Tags"] == tags
