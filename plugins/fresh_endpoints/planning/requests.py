"""The requests of a run that is yet to be: the steps' own operators make them, without a task and without AWS."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import DAG

from fresh_endpoints.aws import requests, tags
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.model_facts import model_facts
from fresh_endpoints.planning.names import RUN_ID, STARTED, LookUp, Variables, context_of
from fresh_endpoints.steps.asking import Asking
from fresh_endpoints.steps.deploy import DeployOperator
from fresh_endpoints.steps.predict import PredictOperator, WaitForPredictionDataSensor
from fresh_endpoints.steps.train import TrainOperator
from fresh_endpoints.steps.wait_for_data import WaitForDataSensor

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.problems import Where
    from fresh_endpoints.run import Run

Step = TypeVar("Step")

# What stands in a plan for what there is only once the run is there. The first two are as long as what comes there.
PLACEHOLDERS = {
    "<run id>": "the run's id, as a tag; in names what is made of it",
    "<job id>": "made of the training job's name: in the name of the transform job",
    "<run start>": "when the run starts: a tag of jobs",
    "<metrics>": "the training's final metrics: a tag",
    "<time>": "when it is made: a tag",
    "<live config>": "the endpoint config that is live then, empty where none is: a tag",
}
_RUN, _JOB, _START, _METRICS, _TIME, _LIVE = PLACEHOLDERS


@dataclass(frozen=True)
class Planned:
    """One request.

    Attributes:
        step: The DAG's kind and the task that sends it.
        operation: AWS's name of the operation.
        request: The request.
        added: Paths of what is no part of the pipeline file's section; of what is added whole, only the top.
        when: When it is sent, where it is not always.
    """

    step: str
    operation: str
    request: Mapping[str, Any]
    added: tuple[Where, ...] = ()
    when: str = ""


@dataclass(frozen=True)
class RunPlan:
    """What a run will ask of AWS.

    Attributes:
        pipeline: The pipeline.
        run: The run.
        requests: Its requests, in their order, those of the prediction that follows included.
        endpoint: The endpoint's name.
        unknown: By name, the Airflow Variables that were not found, and what stands in their place.
    """

    pipeline: Pipeline
    run: Run
    requests: tuple[Planned, ...]
    endpoint: str
    unknown: Mapping[str, str] = field(default_factory=dict)

    def only(self, *, update: bool) -> RunPlan:
        """Return the plan for an endpoint of which it is known whether it exists.

        Args:
            update: Whether it does.
        """
        dropped = "CreateEndpoint" if update else "UpdateEndpoint"
        kept = [replace(item, when="") if item.operation in _CHANGES else item for item in self.requests]
        return replace(self, requests=tuple(item for item in kept if item.operation != dropped))


_CHANGES = ("CreateEndpoint", "UpdateEndpoint")
_DEPLOY = "train_and_deploy.deploy"


def plan_of(pipeline: Pipeline, moment: dt.datetime, look_up: LookUp) -> RunPlan:
    """Make the requests of a run.

    Args:
        pipeline: The pipeline.
        moment: The run's logical date.
        look_up: Finds an Airflow Variable's text.

    Raises:
        AirflowException: A request cannot be made.
        jinja2.TemplateError: A template cannot be rendered with what is known.
    """
    return _Planner(pipeline, moment, look_up).plan()


class _Planner:
    """Makes a plan.

    Args:
        pipeline: The pipeline.
        moment: The run's logical date.
        look_up: Finds an Airflow Variable's text.
    """

    def __init__(self, pipeline: Pipeline, moment: dt.datetime, look_up: LookUp):
        self._pipeline = pipeline
        self._moment = moment
        self._unknown: dict[str, str] = {}
        self._variables = {kind: Variables(look_up, self._unknown, kind) for kind in ("value", "json")}

    def plan(self) -> RunPlan:
        with self._dag("train_and_deploy"):
            wait = self._rendered(WaitForDataSensor(task_id="wait_for_data", pipeline=self._pipeline))
            train = self._rendered(TrainOperator(task_id="train", pipeline=self._pipeline))
            deploy = self._rendered(DeployOperator(task_id="deploy", pipeline=self._pipeline))
        run = train.run_of(self._context("train_and_deploy"))
        training = train.request(run, run.training_job_name())
        facts = model_facts(run, _described(training, self._moment))
        endpoint = str(deploy.config["Endpoint"]["EndpointName"])
        name = run.deployment_name(facts["training_job"])
        deployment = Deployment(run, facts, name, endpoint)
        made = [
            *_waits(wait, "train_and_deploy"),
            _planned("train_and_deploy.train", "CreateTrainingJob", training, train.config),
            *self._deploying(deploy, deployment, training),
            *self._predicting(deployment, training),
        ]
        named = _in_words(run, facts["training_job"])
        return RunPlan(self._pipeline, run, tuple(map(named, made)), endpoint, self._unknown)

    def _deploying(
        self, deploy: DeployOperator, deployment: Deployment, training: Mapping[str, Any]
    ) -> Iterator[Planned]:
        if self._pipeline.deploy == "never":
            return
        asking = Asking(deploy.endpoint, None, deploy.config, deploy.aws_tags)
        model, config, endpoint = (deploy.config[section] for section in ("Model", "EndpointConfig", "Endpoint"))
        yield _planned(_DEPLOY, "CreateModel", asking.model_request(deployment, training), model)
        yield _planned(
            _DEPLOY, "CreateEndpointConfig", asking.config_request(deployment, {tags.PREVIOUS_CONFIG: _LIVE}), config
        )
        # The endpoint's name is the one that AWS knows the pipeline by, unless the file says otherwise.
        ours = ("EndpointName", deployment.run.tags({})[tags.PIPELINE])
        given = {key: value for key, value in endpoint.items() if (key, value) != ours}
        create = asking.create_endpoint_request(deployment)
        yield _planned(_DEPLOY, "CreateEndpoint", create, given, when="there is no such endpoint")
        update = asking.update_endpoint_request(deployment.config_name)
        yield _planned(_DEPLOY, "UpdateEndpoint", update, given, when="the endpoint exists")

    def _predicting(self, deployment: Deployment, training: Mapping[str, Any]) -> Iterator[Planned]:
        if self._pipeline.transform is None:
            return
        deploys = self._pipeline.deploy != "never"
        trained = deployment.deployed_facts if deploys else {**deployment.facts, "model": deployment.training_job}
        with self._dag("batch_predict"):
            wait = self._rendered(
                WaitForPredictionDataSensor(task_id="wait_for_data", pipeline=self._pipeline, trained=trained),
                "batch_predict",
            )
            predict = self._rendered(
                PredictOperator(task_id="predict", pipeline=self._pipeline, trained=trained), "batch_predict"
            )
        run = predict.run_of(self._context("batch_predict"))
        yield from _waits(wait, "batch_predict")
        if not deploys:
            request = predict.model_request(run, training)
            yield _planned("batch_predict.predict", "CreateModel", request, predict.config["Model"])
        request = predict.request(run, run.transform_job_name(deployment.training_job, by_hand=False))
        yield _planned("batch_predict.predict", "CreateTransformJob", request, predict.config["Transform"])

    def _dag(self, kind: str) -> DAG:
        return DAG(dag_id=f"{kind}_{self._pipeline.name}", schedule=None, auto_register=False)

    def _context(self, kind: str) -> dict[str, Any]:
        return context_of(self._pipeline, f"{kind}_{self._pipeline.name}", self._moment, self._variables)

    def _rendered(self, step: Step, kind: str = "train_and_deploy") -> Step:
        step.render_template_fields(self._context(kind))  # type: ignore[attr-defined]
        return step


def _waits(sensor: WaitForDataSensor, kind: str) -> Iterator[Planned]:
    for key in sensor.bucket_key:
        yield Planned(f"{kind}.wait_for_data", "HeadObject", {"Bucket": sensor.bucket_name, "Key": key})


def _planned(
    step: str, operation: str, request: Mapping[str, Any], section: Mapping[str, Any], when: str = ""
) -> Planned:
    return Planned(step, operation, request, tuple(_added(section, request)), when)


def _added(given: Any, made: Any, path: Where = ()) -> Iterator[Where]:
    """Find what of a request is not in what was given."""
    if isinstance(made, Mapping) and isinstance(given, Mapping):
        for key, value in made.items():
            yield from _added(given[key], value, (*path, key)) if key in given else [(*path, key)]
    elif isinstance(made, list) and isinstance(given, list):
        for position, value in enumerate(made):
            where = (*path, position)
            yield from _added(given[position], value, where) if position < len(given) else [where]


def _described(training: Mapping[str, Any], moment: dt.datetime) -> dict[str, Any]:
    """Predict what DescribeTrainingJob will say of the model.

    SageMaker adds the job's name: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
    """
    folder = f"{training['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{training['TrainingJobName']}/output/"
    artifact = folder + ("model/" if requests.is_uncompressed(training) else "model.tar.gz")
    return {
        "TrainingJobName": training["TrainingJobName"],
        "TrainingJobArn": "",
        "CreationTime": moment,
        "ModelArtifacts": {"S3ModelArtifacts": artifact},
    }


def _in_words(run: Run, training_job: str) -> Any:
    """Return what puts names that people understand in the place of what no plan can know."""
    digests = {
        training_job.rpartition("-")[2]: _RUN,
        run.transform_job_name(training_job, by_hand=False).rpartition("-")[2]: _JOB,
        tags.fitting(RUN_ID): _RUN,
        STARTED.isoformat(): _START,
    }

    def said(value: Any) -> Any:
        if isinstance(value, Mapping):
            if value.get("Key") == tags.METRICS:
                return {**value, "Value": _METRICS}
            if value.get("Key") == tags.MADE:
                return {**value, "Value": re.sub(r"^\S+", _TIME, value["Value"])}
            return {key: said(item) for key, item in value.items()}
        if isinstance(value, list):
            return [said(item) for item in value]
        if isinstance(value, str):
            for ours, words in digests.items():
                value = value.replace(ours, words)
            return str(value)
        return value

    return lambda planned: replace(planned, request=said(planned.request))
