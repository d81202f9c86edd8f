"""Values that Airflow, its database or its scheduler would fail at are refused by the file that has them."""

import pytest

from fresh_endpoints.pipeline_file.loading import load_pipeline
from pipeline_files import BASE, changed

AT_MOST = "it must have value less than or equal to"
AT_LEAST = "it must have value greater than or equal to"
TOO_LONG = "it must have length less than or equal to"
ZONE = "it must be an IANA time zone, such as Asia/Tokyo, which means the same on every machine"
SEEN = "allowed characters that can be seen, and spaces; it has others"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("retry_delay_seconds: 1000000000000000", f"found 1000000000000000; {AT_MOST} 86400"),
        ("retries: 1000000000", f"found 1000000000; {AT_MOST} 100"),
        ("wait_minutes: 10000000000000", f"found 10000000000000; {AT_MOST} 43200"),
        ("deadline_minutes: 10000000000000", f"found 10000000000000; {AT_MOST} 43200"),
        ("max_active_runs: 2147483648", f"found 2147483648; {AT_MOST} 1000"),
        ("start_date: 0001-01-01", f"found 0001-01-01; {AT_LEAST} 1970-01-02"),
        ("start_date: 9999-12-31", f"found 9999-12-31; {AT_MOST} 2199-12-31"),
        ("description: " + "x" * 10_001, f"(10001 characters); {TOO_LONG} 10000"),
        ("owner: " + "x" * 501, f"(501 characters); {TOO_LONG} 500"),
        ('owner: "a\\tb"', f"found 'a\\tb'; {SEEN}"),
        ("aws_conn_id: " + "x" * 251, f"(251 characters); {TOO_LONG} 250"),
        ("timezone: ../../etc/passwd", f"found '../../etc/passwd'; {ZONE}"),
        ("timezone: /etc/localtime", f"found '/etc/localtime'; {ZONE}"),
        ("timezone: localtime", f"found 'localtime'; {ZONE}"),
        ("timezone: " + "A/" * 50_000, f"(100000 characters); {TOO_LONG} 64"),
        ("schedule: " + "1,2," * 50_000, f"(200000 characters); {TOO_LONG} 200"),
        ("schedule: '0 0 31 2,4,6,9,11 *'", "no calendar has such a day, so no run is ever due; choose another"),
    ],
)
def test_a_value_out_of_range(problems, line, problem):
    [said] = problems(changed(("name: iris\n", f"name: iris\n{line}\n")))
    assert said.startswith(f"{line.partition(':')[0]}: found ")
    assert said.endswith(problem)
    assert len(said) < 500


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"dag_tags: [{'x' * 101}]", f"dag_tags[0]: found '{'x' * 101}' (101 characters); {TOO_LONG} 100"),
        ('dag_tags: ["a\\nb"]', f"dag_tags[0]: found 'a\\nb'; {SEEN}"),
        ('dag_tags: ["a\\u202eb"]', f"dag_tags[0]: found 'a\\u202eb'; {SEEN}"),
        (f"dag_tags: {['x'] * 101}", f"(101 items); {TOO_LONG} 100"),
        ("retention: {keep: 1000000000}", f"retention.keep: found 1000000000; {AT_MOST} 10000"),
        (
            "smoke_test: {body: x, content_type: a/b, patience_seconds: 1000000}",
            f"smoke_test.patience_seconds: found 1000000; {AT_MOST} 3600",
        ),
        (
            f"smoke_test: {{body: x, content_type: a/b, expect: '{'(' * 900}'}}",
            "it is no regular expression",
        ),
        (
            "smoke_test: {body: x, content_type: a/b, expect: 'a{99999999999999999999}'}",
            "its repetitions, each written out, have more than 10000 parts; repeat less, or with * or +",
        ),
        (f"quality: {{rules: ['m >= {'1' * 5_000}x']}}", f"(5006 characters); {TOO_LONG} 300"),
        (f"slack: {{channel: {'x' * 251}}}", f"(251 characters); {TOO_LONG} 250"),
        ("aws_tags: {a: '{# x'}", "templates are not rendered in this field; write the value itself"),
    ],
)
def test_a_value_out_of_range_within_a_section(problems, line, problem):
    [said] = problems(changed(("name: iris\n", f"name: iris\n{line}\n")))
    assert problem in said


def test_the_largest_and_the_smallest_values_are_usable(folder):
    most = (
        "retry_delay_seconds: 86400\nretries: 100\nwait_minutes: 43200\ndeadline_minutes: 43200\n"
        "max_active_runs: 1000\n"
        f"start_date: 2199-12-31\ntimezone: America/Argentina/ComodRivadavia\ndag_tags: [{'é' * 100}, 'a, b/c: d']\n"
        f"owner: {'x' * 500}\ndescription: {'x' * 10_000}\nretention: {{keep: 10000}}\n"
    )
    least = "retry_delay_seconds: 0\nretries: 0\nstart_date: 1970-01-02\ntimezone: Etc/GMT+12\ndag_tags: []\n"
    for more in (most, least):
        (folder / "iris.yaml").write_text(BASE + more)
        assert load_pipeline(folder / "iris.yaml").name == "iris"
