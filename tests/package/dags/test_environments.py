"""Two environments of one pipeline in one account: neither touches what is the other's, nor tells of it."""

from __future__ import annotations

from datetime import date

import pytest

DAY_1, DAY_2, DAY_3 = date(2019, 3, 4), date(2019, 3, 5), date(2019, 3, 6)


@pytest.fixture
def both(pipeline, monkeypatch):
    """The pipeline, and what runs something as the environment dev's Airflow would."""
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retention={"keep": 1}, retries=0))
    for day in (DAY_1, DAY_2, DAY_3):
        pipeline.upload(day)

    def in_dev(run):
        with monkeypatch.context() as patched:
            patched.setenv("PIPELINES_ENV", "dev")
            return run()

    yield pipeline, in_dev
    if pipeline.listed("list_endpoints", NameContains=f"dev-{pipeline.name}"):
        pipeline.sagemaker.delete_endpoint(EndpointName=f"dev-{pipeline.name}")


def owned(pipeline, environment):
    """What there is of an environment's in AWS, by kind."""
    begins = f"{environment}-{pipeline.name}-2" if environment else f"{pipeline.name}-2"
    kinds = {
        "TrainingJobName": "list_training_jobs",
        "ModelName": "list_models",
        "EndpointConfigName": "list_endpoint_configs",
        "TransformJobName": "list_transform_jobs",
    }
    return {
        key: sorted(
            found[key]
            for found in pipeline.listed(operation, NameContains=pipeline.name)
            if found[key].startswith(begins)
        )
        for key, operation in kinds.items()
    }


def told(pipeline):
    texts = [message["text"] for message in pipeline.aws.slack_messages()]
    return {
        name: [text.partition(":")[0] for text in texts if f": {title}, data date" in text]
        for name, title in (("", pipeline.name), ("dev", f"{pipeline.name} (dev)"))
    }


def state_of(pipeline, endpoint):
    described = pipeline.sagemaker.describe_endpoint(EndpointName=endpoint)
    return described["EndpointConfigName"], described["LastModifiedTime"], pipeline.tags(described["EndpointArn"])


def test_a_run_of_dev_leaves_all_that_is_prods_as_it_was_and_the_other_way_round(both):
    pipeline, in_dev = both
    prod = pipeline.run(DAY_1).returned["deploy"]
    before, live, said = owned(pipeline, ""), state_of(pipeline, pipeline.name), told(pipeline)
    assert said["dev"] == []

    dev = in_dev(lambda: pipeline.run(DAY_1))
    assert (dev.state, dev.dag_id) == ("success", f"train_and_deploy_{pipeline.name}")
    in_dev(lambda: pipeline.run(DAY_2))
    newer = in_dev(lambda: pipeline.run(DAY_3)).returned["deploy"]
    # Its own clean-up has kept what is live and the way back, and looked at nobody else's.
    kept = owned(pipeline, "dev")
    assert [len(kept[kind]) for kind in ("TrainingJobName", "EndpointConfigName", "ModelName")] == [3, 2, 2]
    assert newer["endpoint_config"] in kept["EndpointConfigName"]
    assert newer["endpoint"] == f"dev-{pipeline.name}"
    assert (owned(pipeline, ""), state_of(pipeline, pipeline.name)) == (before, live)
    assert told(pipeline) == {"": said[""], "dev": said[""] * 3}

    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=newer["endpoint_config"])
    tags = pipeline.tags(config["EndpointConfigArn"])
    assert tags["fresh-endpoints:pipeline"] == f"dev-{pipeline.name}"
    assert (tags["fresh-endpoints:environment"], tags["fresh-endpoints:dag-id"]) == ("dev", dev.dag_id)

    live_of_dev, of_dev = state_of(pipeline, f"dev-{pipeline.name}"), owned(pipeline, "dev")
    assert pipeline.run(DAY_2).state == "success"
    assert pipeline.live() != prod["endpoint_config"]
    assert (owned(pipeline, "dev"), state_of(pipeline, f"dev-{pipeline.name}")) == (of_dev, live_of_dev)
    assert told(pipeline) == {"": said[""] * 2, "dev": said[""] * 3}


def test_predictions_and_redeploys_are_the_environments_own(both):
    pipeline, in_dev = both
    trained = pipeline.run(DAY_1).returned["deploy"]["training_job"]
    before, live = owned(pipeline, ""), state_of(pipeline, pipeline.name)
    # What prod has trained is no model of dev's.
    assert in_dev(lambda: pipeline.predict(data_date=str(DAY_1))).tasks["find_models"] == "failed"
    assert in_dev(lambda: pipeline.redeploy(model=trained, hold_days=1, reason="")).tasks["choose_model"] == "failed"
    assert (owned(pipeline, ""), state_of(pipeline, pipeline.name)) == (before, live)

    in_dev(lambda: pipeline.run(DAY_1))
    in_dev(lambda: pipeline.run(DAY_2))
    predicted = in_dev(lambda: pipeline.predict(data_date=str(DAY_1)))
    assert predicted.state == "success"
    assert predicted.returned["predict"]["output"] == (
        f"s3://sample-bucket/output-prediction/{DAY_1}/dev-{pipeline.name}/iris.csv.out"
    )
    back = in_dev(lambda: pipeline.redeploy(model=str(DAY_1), hold_days=1, reason="try"))
    assert back.state == "success"
    assert state_of(pipeline, f"dev-{pipeline.name}")[0].startswith(f"dev-{pipeline.name}-{DAY_1}-")
    assert (owned(pipeline, ""), state_of(pipeline, pipeline.name)) == (before, live)


def test_an_endpoint_that_prod_serves_from_is_not_devs_to_deploy_to(both):
    pipeline, in_dev = both
    pipeline.run(DAY_1)
    live = state_of(pipeline, pipeline.name)
    # The one way to name it: in dev's own file.
    overlay = pipeline.folder / f"{pipeline.name}.dev.yaml"
    overlay.write_text(f"endpoint: {{EndpointName: {pipeline.name}}}\n")
    assert in_dev(lambda: pipeline.run(DAY_2)).tasks["deploy"] == "failed"
    assert state_of(pipeline, pipeline.name) == live
    [failed] = [
        message["text"]
        for message in pipeline.aws.slack_messages()
        if message["text"].startswith(f"Deployment failed: {pipeline.name} (dev)")
    ]
    assert f'a model of pipeline "{pipeline.name}", not of "dev-{pipeline.name}"' in failed
