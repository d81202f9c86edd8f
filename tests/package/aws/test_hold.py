"""A hold is one tag of the endpoint, which a person may write, too."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from fresh_endpoints.aws import hold, service_model, tags
from fresh_endpoints.aws.hold import Hold

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e"
UNTIL = datetime(2026, 12, 2, 15, 4, 5, tzinfo=timezone.utc)


def read(value):
    return Hold.of({tags.HOLD: value})


def test_what_was_written_is_read_back():
    written = Hold(UNTIL, "ann", "the new model is slow, by=far why=unknown")
    assert read(written.tag_value) == Hold(UNTIL, "ann", "the new model is slow_ by=far why=unknown")
    assert written.tag_value.startswith("until=2026-12-02T15:04:05Z by=ann why=the new")


@pytest.mark.parametrize("why", ["", "a" * 3000, "line\nline\ttab", "<b>\U0001f4a5 & (so on), \"or\" 'not'; 100 %"])
@pytest.mark.parametrize("who", ["ann", "Ann Other", "x" * 300, "", "ann@example.com"])
def test_aws_takes_the_tag_whatever_a_person_says(who, why):
    written = Hold.for_days(365, who=who, why=why)
    request = {"ResourceArn": ARN, "Tags": tags.as_list(hold.new_tags(written))}
    assert service_model.check_request("AddTags", request) == []
    again = read(written.tag_value)
    assert (again.until, again.who) == (written.until, written.who)
    assert tags.fitting(why.split()[0] if why else "")[:9] == again.why[:9].split(" ")[0]


def test_a_hold_ends_its_days_after_it_began():
    before = datetime.now(timezone.utc).replace(microsecond=0)
    held = Hold.for_days(7, who="ann", why="")
    assert before <= held.until - timedelta(days=7) <= datetime.now(timezone.utc)
    assert not held.is_over()


def test_a_hold_is_over_when_its_time_has_passed():
    now = datetime.now(timezone.utc)
    assert Hold(now - timedelta(seconds=1)).is_over()
    assert not Hold(now + timedelta(minutes=1)).is_over()


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_tag_is_no_hold(value):
    assert read(value) is None
    assert Hold.of({}) is None


@pytest.mark.parametrize(
    ("value", "until"),
    [
        ("until=2026-12-24", datetime(2026, 12, 24, tzinfo=timezone.utc)),
        ("until=2026-12-24T10:00:00+09:00 by=ann", datetime(2026, 12, 24, 1, tzinfo=timezone.utc)),
        ("until=2026-12-24T10:00:00Z", datetime(2026, 12, 24, 10, tzinfo=timezone.utc)),
    ],
)
def test_a_person_may_write_one_by_hand(value, until):
    assert read(value).until == until


@pytest.mark.parametrize("value", ["please leave it", "until=Christmas by=ann", "2026-12-24"])
def test_a_hold_that_cannot_be_read_stands_until_it_is_released(value):
    """A decision that is not understood is a decision all the same."""
    held = read(value)
    assert (held.until, held.why, held.is_over()) == (None, value, False)
    assert held.end == "it is released"


def test_an_endpoint_is_held_and_released(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(date(2019, 3, 4))
    pipeline.run(date(2019, 3, 4))
    arn = pipeline.endpoint()["EndpointArn"]
    client, held = pipeline.sagemaker, Hold(UNTIL, "ann", "why not")
    assert hold.read(client, arn) is None
    tags.write(client, arn, {tags.TOLD: "hold-ended"})
    hold.write(client, arn, held)
    assert hold.read(client, arn) == held
    assert tags.read(client, arn)[tags.TOLD] == "", "the end of a new hold is told anew"
    hold.write(client, arn, None)
    assert hold.read(client, arn) is None
    assert hold.read(client, None) is None


def test_an_endpoint_that_is_gone_is_not_held(pipeline):
    arn = f"arn:aws:sagemaker:{pipeline.aws.region}:123456789012:endpoint/{pipeline.name}"
    assert hold.read(pipeline.sagemaker, arn) is None
