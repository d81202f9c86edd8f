"""The quality gate in whole runs: what is not good enough is not deployed, and Slack says which rule."""

from datetime import date

import pytest

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)


@pytest.fixture
def train(pipeline):
    """Runs a day whose training prints these metrics."""

    def run(day, printed, rules):
        def change(content):
            algorithm = content["training"]["AlgorithmSpecification"]
            algorithm["MetricDefinitions"] = [{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in ("auc", "loss")]
            content["quality"] = {"rules": rules}

        pipeline.use_tiny_image(model=f"model of {day}", print=printed)
        pipeline.write(change)
        pipeline.upload(day)
        return pipeline.run(day)

    return run


def test_a_model_that_keeps_all_rules_is_deployed_with_its_facts(pipeline, train):
    ended = train(DAY_1, "auc=0.95|loss=0.1", ["auc >= 0.9", "loss < 0.2", "auc >= live - 0.01"])
    assert ended.tasks["deploy"] == "success"
    facts = ended.returned["deploy"]
    assert facts["metrics"] == {"auc": pytest.approx(0.95), "loss": pytest.approx(0.1)}
    assert ended.returned["publish"] == facts
    assert pipeline.published() == [facts]
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=pipeline.live())
    model = pipeline.sagemaker.describe_model(ModelName=pipeline.live())
    for arn in (config["EndpointConfigArn"], model["ModelArn"]):
        tags = pipeline.tags(arn)
        assert {key.removeprefix("fresh-endpoints:"): value for key, value in tags.items()}.items() >= {
            "pipeline": pipeline.name,
            "data-date": "2019-03-04",
            "training-job": facts["training_job"],
            "artifact": facts["artifact"],
            "model": facts["model"],
            "endpoint": pipeline.name,
            "endpoint-config": facts["endpoint_config"],
            "metrics": f"auc={facts['metrics']['auc']} loss={facts['metrics']['loss']}",
        }.items()


def test_a_model_that_breaks_a_rule_is_not_deployed_and_not_used(pipeline, train):
    train(DAY_1, "auc=0.95|loss=0.1", ["auc >= 0.9"])
    live = pipeline.live()
    ended = train(DAY_2, "auc=0.85|loss=0.3", ["auc >= 0.9", "loss < 0.2"])
    assert ended.state == "success"
    assert ended.tasks == {**ended.tasks, "train": "success", "deploy": "skipped", "publish": "skipped"}
    assert pipeline.live() == live
    assert pipeline.invoke(b"?") == b"model of 2019-03-04:?"
    job = pipeline.jobs()[1]["TrainingJobName"]
    assert pipeline.slack()[-1].startswith(
        f'Quality gate failed: {pipeline.name}, data date 2019-03-05. Not deploying "{job}". Rule "auc &gt;= 0.9": '
        'auc is 0.85, the threshold is 0.9. Rule "loss &lt; 0.2": loss is 0.3, the threshold is 0.2. '
        f"Live now: {live}, data date 2019-03-04 ("
    )
    assert [facts["data_date"] for facts in pipeline.published()] == ["2019-03-04"]
    assert not pipeline.listed("list_models", NameContains=job)


def test_a_missing_metric_is_a_failure_that_names_those_that_exist(pipeline, train):
    ended = train(DAY_1, "auc=0.95", ["loss < 0.2"])
    assert ended.tasks["deploy"] == "skipped"
    assert 'the training job has no metric "loss"; its metrics are: auc.' in pipeline.slack()[-1]
    assert not pipeline.listed("list_endpoints", NameContains=pipeline.name)


def test_a_model_worse_than_live_is_not_deployed(pipeline, train):
    rules = ["auc >= live - 0.02"]
    train(DAY_1, "auc=0.95", rules)
    live = pipeline.live()
    ended = train(DAY_2, "auc=0.92", rules)
    assert ended.tasks["deploy"] == "skipped"
    assert pipeline.live() == live
    assert "auc is 0.92, the threshold is 0.93 (the live model's is 0.95)" in pipeline.slack()[-1]
    ended = train(date(2019, 3, 6), "auc=0.935", rules)
    assert ended.tasks["deploy"] == "success"


def test_what_somebody_else_has_deployed_is_no_measure(pipeline, train):
    train(DAY_1, "auc=0.95", ["auc >= 0.9"])
    arn = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=pipeline.live())["EndpointConfigArn"]
    pipeline.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["fresh-endpoints:pipeline"])
    assert train(DAY_2, "auc=0.5", ["auc >= live"]).tasks["deploy"] == "success"


def test_a_refused_model_is_refused_with_deploy_never_too(pipeline, train):
    pipeline.write(lambda content: content.update(deploy="never"))
    assert train(DAY_1, "auc=0.5", ["auc >= 0.9"]).tasks["publish"] == "skipped"
    assert train(DAY_2, "auc=0.95", ["auc >= 0.9"]).tasks["publish"] == "success"


def test_a_backfilled_older_day_is_published_though_it_is_not_deployed(pipeline, train):
    train(DAY_2, "auc=0.95", ["auc >= 0.9"])
    ended = train(DAY_1, "auc=0.5", ["auc >= 0.4", "auc >= live"])
    assert ended.tasks == {**ended.tasks, "deploy": "skipped", "publish": "success"}
    assert pipeline.titles()[-1] == "Deployment skipped"
    facts = pipeline.published()[-1]
    assert (facts["data_date"], facts["model"]) == ("2019-03-04", facts["training_job"])
    assert "endpoint" not in facts


@pytest.mark.parametrize(("form", "told"), [("nan", "NaN"), ("text", "NaN"), ("-infinity", "-Infinity")])
def test_a_training_that_has_diverged_succeeds_and_its_model_is_refused(pipeline, train, form, told):
    pipeline.aws.add_faults({"kind": "final_metric", "metric": "loss", "form": form})
    try:
        ended = train(DAY_1, "auc=0.95|loss=0.1", ["auc >= 0.9", "loss < 0.2"])
    finally:
        pipeline.aws.clear_faults()
    assert ended.tasks == {**ended.tasks, "train": "success", "deploy": "skipped", "publish": "skipped"}
    assert ended.returned["train"]["metrics"]["loss"] == told
    assert f"loss is {told}, which is no number; no rule holds of it." in pipeline.slack()[-1]
    assert f"Metrics: auc 0.95, loss {told}." in pipeline.slack()[-2]


def test_a_metric_that_is_no_number_and_has_no_rule_is_published_as_text(pipeline, train):
    pipeline.aws.add_faults({"kind": "final_metric", "metric": "loss", "form": "nan"})
    try:
        ended = train(DAY_1, "auc=0.95|loss=0.1", ["auc >= 0.9"])
    finally:
        pipeline.aws.clear_faults()
    assert ended.state == "success"
    assert pipeline.published()[-1]["metrics"]["loss"] == "NaN"
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=pipeline.live())
    assert (
        pipeline.tags(config["EndpointConfigArn"])["fresh-endpoints:metrics"]
        == f"auc={pipeline.published()[-1]['metrics']['auc']} loss=NaN"
    )
