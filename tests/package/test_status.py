"""The commands ``fresh-endpoints status`` and ``history``, against what the daily DAG has left on local AWS."""

from __future__ import annotations

import importlib
import json
from datetime import date, datetime

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints import live

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)


@pytest.fixture
def run(capsys):
    """Run the command; its status, stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()  # What the DAGs have logged.
        status = commands.main(arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def today(monkeypatch):
    """Have it be the day after the first data date."""
    # Whoever imports the name while it is replaced would keep it: the watch, as a DAG file is parsed.
    importlib.import_module("fresh_endpoints.steps.watched")
    monkeypatch.setattr(live, "today_of", lambda pipeline, now: date(2019, 3, 6))
    monkeypatch.setattr("fresh_endpoints.status.today_of", lambda pipeline, now: date(2019, 3, 6))


def require(pipeline, rule):
    pipeline.write(lambda content: content.update(quality={"rules": [rule]}))


def test_status_and_history_tell_what_is_live_and_what_was_refused(pipeline, run, today):
    pipeline.upload(DAY_1)
    pipeline.upload(DAY_2)
    pipeline.run(DAY_1)
    require(pipeline, "validation:accuracy >= 2")
    pipeline.run(DAY_2)
    first, second = [job["TrainingJobName"] for job in pipeline.jobs()]

    status, out, _ = run("status", "--json", "--stale", "2d")
    [model] = json.loads(out)
    assert status == 0
    assert model["metrics"].keys() == {"validation:accuracy"}
    assert {key: value for key, value in model.items() if key != "metrics"} == {
        "pipeline": pipeline.name,
        "endpoint": pipeline.name,
        "status": "InService",
        "config": first,
        "training_job": first,
        "data_date": "2019-03-04",
        "proof": "proven",
        "becoming": None,
        "hold": None,
        "told": [],
        "arn": model["arn"],
        "problem": None,
        "environment": "",
        "age_days": 2,
        "stale": False,
    }
    assert run("status", "--stale", "1d")[0] == 1

    _, out, _ = run("status")
    header, row = out.splitlines()
    assert header.split() == ["Pipeline", "Endpoint", "Status", "Data", "date", "Age", "Proof", "Metrics", "Note"]
    assert row.split()[:7] == [pipeline.name, pipeline.name, "InService", "2019-03-04", "2", "days", "proven"]

    status, out, _ = run("history", pipeline.name, "--json")
    newer, older = json.loads(out)
    assert status == 0
    assert (newer["training_job"], newer["data_date"], newer["is_live"]) == (second, "2019-03-05", False)
    assert newer["fate"].startswith("refused: ")
    assert "Rule _validation:accuracy" in newer["fate"]
    assert (older["training_job"], older["is_live"], older["fate"]) == (first, True, "live, proven")
    assert datetime.fromisoformat(older["created"]).tzinfo
    assert [row["training_job"] for row in json.loads(run("history", pipeline.name, "--last", "1", "--json")[1])] == [
        second
    ]
    _, out, _ = run("history", pipeline.name)
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["2019-03-05", second], ["2019-03-04", first]]


def test_a_hold_is_told_with_its_end_and_whose_it_is(pipeline, run):
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    arn = pipeline.endpoint()["EndpointArn"]
    for value, shown in (
        ("until=2999-01-02T03:00:00Z by=ann why=slow", "held until 2999-01-02 03:00 UTC by ann"),
        ("until=2019-01-02T03:00:00Z by=ann why=slow", ""),
    ):
        pipeline.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "fresh-endpoints:hold", "Value": value}])
        assert run("status")[1].splitlines()[1].partition("proven")[2].strip() == shown
        [model] = json.loads(run("status", "--json")[1])
        assert (model["hold"] or {}).get("who") == ("ann" if shown else None)


def test_a_failed_training_is_told_with_its_reason(pipeline, run):
    pipeline.use_tiny_image(fail="no rows")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    [trained] = json.loads(run("history", pipeline.name, "--json")[1])
    assert trained["status"] == "Failed"
    assert trained["fate"].startswith("training Failed: AlgorithmError: no rows")


def test_what_serves_nothing_is_stale_and_says_so(pipeline, run):
    status, out, _ = run("status", "--json", "--stale", "3650d")
    [model] = json.loads(out)
    assert (status, model["status"], model["stale"]) == (1, None, True)
    assert model["problem"] == "there is no endpoint of this name"
    assert run("history", pipeline.name, "--json")[:2] == (0, "[]\n")


def test_an_endpoint_that_serves_somebody_elses_model_is_not_taken_for_ones_own(pipeline, run):
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    endpoint = {"EndpointName": pipeline.name}
    pipeline.write(lambda content: content.update(name=f"{pipeline.name}-new", endpoint=endpoint))
    (pipeline.folder / f"{pipeline.name}.yaml").rename(pipeline.folder / f"{pipeline.name}-new.yaml")
    [model] = json.loads(run("status", "--json")[1])
    assert (model["endpoint"], model["data_date"], model["proof"]) == (pipeline.name, None, None)
    assert model["problem"] == f"it serves a model that is not of pipeline {pipeline.name}-new"


def test_what_aws_does_not_tell_is_said_beside_the_others(pipeline, run, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", "aws://local:local@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A9"
    )
    monkeypatch.setitem(live._ASKING, "retries", {"total_max_attempts": 1})
    status, out, _ = run("status", "--json")
    [model] = json.loads(out)
    assert status == 0
    assert "Could not connect" in model["problem"]
    status, out, err = run("history", pipeline.name)
    assert (status, out) == (1, "")
    assert "Could not connect" in err


def test_pipelines_that_never_deploy_are_left_out(pipeline, run):
    pipeline.write(lambda content: content.update(deploy="never"))
    assert run("status", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize("command", ["status", "history"])
def test_an_unknown_pipeline_is_said_with_what_there_is(pipeline, run, command):
    status, out, err = run(command, "irsi")
    assert (status, out) == (1, "")
    assert "There is no pipeline 'irsi' in " in err
    assert f"there are: {pipeline.name}" in err


def test_a_pipeline_file_that_cannot_be_used_is_told(pipeline, run):
    (pipeline.folder / "broken.yaml").write_text("name: broken\n")
    status, out, err = run("status", "--stale", "3650d")
    assert status == 1
    assert "broken.yaml:" in err
    status, out, err = run("history", "broken")
    assert (status, out) == (1, "")
    assert "broken.yaml:" in err


def test_days_are_read_strictly(run, capsys):
    with pytest.raises(SystemExit):
        run("status", "--stale", "2h")
    assert "found '2h'; allowed are days, such as 2d" in capsys.readouterr().err
