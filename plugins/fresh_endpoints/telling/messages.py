"""All that people are told, one function an event. Words only: nothing here sends or decides.

The sentences are the article's, with its facts, where the article has them. What recurs among the parameters:
``deployment`` is what the run wants to be live; ``links`` are addresses by label; ``attempt`` counts the jobs of one
run from 1; ``reason`` is AWS's own; ``live`` is the endpoint config that the endpoint serves; ``why`` says how the
smoke test has failed; ``standing`` is what is live now, and whether it is proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fresh_endpoints.model_facts import shown
from fresh_endpoints.telling.message import Message

if TYPE_CHECKING:
    import datetime as dt

    from fresh_endpoints.deployment import Deployment

Links = Mapping[str, str]

NO_REASON = "SageMaker gives no reason."


# The data.


def no_new_data(data_date: dt.date, *, skipping: str, links: Links) -> Message:
    """Say that the wait for data is over without any (the article's NoNewData)."""
    return Message(
        "⏭️ No new data",
        f"The data of {data_date} was not there in time. Skipping {skipping}.",
        links=links,
    )


# The training.


def training_started(job_name: str, *, attempt: int, links: Links) -> Message:
    """Say that a training job has been created."""
    return Message(
        "🚀 Training started",
        f'Starting training job "{job_name}"' + (f" (attempt {attempt})." if attempt > 1 else "."),
        {"Training job": job_name},
        links,
    )


def training_complete(facts: Mapping[str, Any], *, links: Links) -> Message:
    """Say that a training job has made a model, and what it is like."""
    job_name, artifact = facts["training_job"], facts["artifact"]
    metrics = ", ".join(f"{name} {shown(value, 4)}" for name, value in facts["metrics"].items())
    return Message(
        "✅ Training complete",
        f'Training job "{job_name}" complete. Model data uploaded to "{artifact}".',
        {"Training job": job_name, "Artifact": artifact, **({"Metrics": metrics} if metrics else {})},
        links,
    )


def training_failed(job_name: str, *, reason: str, links: Links) -> Message:
    """Say that a training job has made no model, and why."""
    return Message(
        "❌ Training failed",
        f"Training job failed. {reason}",
        {"Training job": job_name},
        links,
    )


# The deployment: whether there is to be one.


def quality_gate_failed(deployment: Deployment, broken: Sequence[str]) -> Message:
    """Say which rules keep a model from being deployed."""
    return Message(
        "🚫 Quality gate failed",
        f'Not deploying "{deployment.training_job}". {" ".join(broken)}',
        {"Training job": deployment.training_job, "Endpoint": deployment.endpoint_name},
        deployment.links,
    )


def deployment_skipped(deployment: Deployment, *, live: str, live_date: str) -> Message:
    """Say that what is live was trained on a later data date, and stays."""
    return Message(
        "⏭️ Deployment skipped",
        f'Not deploying "{deployment.training_job}": endpoint "{deployment.endpoint_name}" serves "{live}", '
        f"trained on the later data date {live_date}.",
        {"Endpoint": deployment.endpoint_name, "Live": live},
        deployment.links,
    )


def no_model(trained_by: str) -> Message:
    """Say that the training task has left nothing to deploy."""
    return Message(
        "❌ Deployment failed",
        f"Task {trained_by!r} has returned no model; was it marked success by hand? Clear {trained_by!r} to train one.",
    )


def deployment_overtaken(deployment: Deployment, *, live: str) -> Message:
    """Say that somebody else has put another config live while this one was on its way."""
    return Message(
        "⏭️ Deployment overtaken",
        f'"{deployment.config_name}" is not live: somebody else has changed endpoint '
        f'"{deployment.endpoint_name}" meanwhile, and it serves "{live}".',
        {"Endpoint": deployment.endpoint_name, "Live": live},
        deployment.links,
    )


def endpoint_of_another(deployment: Deployment, *, live: str, other: str) -> Message:
    """Say that the endpoint serves another pipeline's model."""
    pipeline = deployment.run.pipeline
    return Message(
        "❌ Deployment failed",
        f'Endpoint "{deployment.endpoint_name}" serves "{live}", a model of pipeline "{other}", not of '
        f'"{pipeline}". Give one of the pipelines another EndpointName; to take the endpoint over, trigger a run of '
        f'"{pipeline}" with deploy: always.',
        {"Endpoint": deployment.endpoint_name, "Live": live},
        deployment.links,
    )


def live_config_gone(deployment: Deployment, *, live: str) -> Message:
    """Say that AWS refuses to change the endpoint, because what it serves has been deleted."""
    return Message(
        "❌ Deployment failed",
        f'Endpoint "{deployment.endpoint_name}" serves on, but its endpoint config "{live}" has been deleted, '
        f"and SageMaker refuses to update it without. Create an endpoint config of that name (any model will do), or "
        "delete the endpoint; then clear the task.",
        {"Endpoint": deployment.endpoint_name, "Live": live},
        deployment.links,
    )


def endpoint_recreated(deployment: Deployment, *, reason: str | None) -> Message:
    """Say that an endpoint whose creation had failed is deleted and made anew."""
    return Message(
        "♻️ Endpoint recreated",
        f'Endpoint "{deployment.endpoint_name}" was left Failed by its creation and has never served; it is '
        f"deleted and created anew. {reason or NO_REASON}",
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
    )


# The deployment: how it goes.


def deployment_started(deployment: Deployment) -> Message:
    """Say that the endpoint has been asked to serve the model."""
    return Message(
        "📦 Deployment started",
        f'Started deploying model "{deployment.config_name}" to endpoint "{deployment.endpoint_name}".',
        {"Model": deployment.config_name, "Endpoint": deployment.endpoint_name},
        deployment.links,
    )


def deployment_completed(deployment: Deployment) -> Message:
    """Say that the endpoint serves the model, verified."""
    return Message(
        "🟢 Deployment completed",
        f'Deployment completed for endpoint "{deployment.endpoint_name}".',
        {"Endpoint": deployment.endpoint_name, "Live": deployment.config_name},
        deployment.links,
    )


def smoke_test_failed(deployment: Deployment, failure: str) -> Message:
    """Say what was wrong with the endpoint's answer."""
    return Message(
        "🚨 Smoke test failed",
        f'Endpoint "{deployment.endpoint_name}" with "{deployment.config_name}" has failed the smoke test. {failure}',
        {"Endpoint": deployment.endpoint_name, "Endpoint config": deployment.config_name},
        deployment.links,
    )


def clean_up_failed(deployment: Deployment, error: Exception) -> Message:
    """Say that old endpoint configs and models are still there."""
    return Message(
        "⚠️ Clean-up failed",
        f"Old endpoint configs and models could not be deleted; the run goes on. {error}",
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
    )


# The deployment: how it fails.


def rolled_back(deployment: Deployment, standing: str, *, live: str | None, reason: str | None) -> Message:
    """Say that SageMaker has gone back to what the endpoint served before."""
    sentence = (
        f'Deployment failed for endpoint "{deployment.endpoint_name}", rolled back to previously deployed version: it '
        f'serves "{live}", not "{deployment.config_name}". {reason or NO_REASON}'
    )
    return _not_deployed(deployment, standing, sentence, heading="↩️ Rolled back")


def not_deployed(deployment: Deployment, standing: str, *, status: str, reason: str | None) -> Message:
    """Say that the endpoint does not serve at all after the change."""
    return _not_deployed(
        deployment,
        standing,
        f'Deployment failed for endpoint "{deployment.endpoint_name}" with "{deployment.config_name}": it is {status}. '
        f"{reason or NO_REASON}",
    )


def endpoint_unusable(
    deployment: Deployment, standing: str, *, status: str, live: str | None, reason: str | None
) -> Message:
    """Say that the endpoint is in a status in which it cannot be changed."""
    return _not_deployed(
        deployment,
        standing,
        f'Deployment failed for endpoint "{deployment.endpoint_name}": it is {status} with "{live}" and cannot take '
        f'"{deployment.config_name}". {reason or ""} Bring it back InService or delete it, then clear the task.',
    )


def endpoint_stuck(deployment: Deployment, standing: str, *, status: str, live: str | None, minutes: int) -> Message:
    """Say that the endpoint's change has outlasted its limit."""
    return _not_deployed(
        deployment,
        standing,
        f'Deployment failed for endpoint "{deployment.endpoint_name}": it was still {status} after {minutes} minutes, '
        f'with "{live}" and not "{deployment.config_name}".',
    )


def taken_back(deployment: Deployment, standing: str, *, live: str | None, why: str) -> Message:
    """Say that a model which failed the smoke test has been taken back."""
    sentence = (
        f'Deployment of "{deployment.config_name}" to endpoint "{deployment.endpoint_name}" taken back: the smoke test '
        f'has {why} The endpoint is InService with "{live}" again.'
    )
    return _not_deployed(deployment, standing, sentence, heading="↩️ Rolled back")


def left_unproven(
    deployment: Deployment, standing: str, *, status: str, why: str, previous: str | None, refused: str | None
) -> Message:
    """Say that a model which failed the smoke test is live, because nothing could be put back."""
    if previous:
        back = f'"{previous}" could not be put back: {refused or NO_REASON}'
    else:
        back = "There is no previous endpoint config to go back to."
    return _not_deployed(
        deployment,
        standing,
        f'The smoke test of endpoint "{deployment.endpoint_name}" has {why} {back} The endpoint is {status} and serves '
        f'the unproven model "{deployment.config_name}".',
    )


def name_taken(kind: str, name: str, differences: Sequence[str]) -> Message:
    """Say that a model or endpoint config of the wanted name is another one."""
    return Message(
        "❌ Deployment failed",
        f"{kind} {name} exists and differs from what the pipeline file asks for: {'; '.join(differences)}. "
        "Clear the run to train and deploy under new names.",
    )


def _not_deployed(
    deployment: Deployment, standing: str, sentence: str, heading: str = "❌ Deployment failed"
) -> Message:
    facts = {"Endpoint": deployment.endpoint_name, "Asked for": deployment.config_name, "Live now": standing}
    return Message(heading, sentence, facts, deployment.links)


# The prediction.


def prediction_started(job_name: str, model: str, *, attempt: int, links: Links) -> Message:
    """Say that a transform job has been created."""
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return Message(
        "🔮 Prediction started",
        f'Starting transform job "{job_name}" with model "{model}"{again}.',
        {"Transform job": job_name, "Model": model},
        links,
    )


def prediction_complete(job_name: str, model: str, *, output: str, links: Links) -> Message:
    """Say where the predictions are."""
    return Message(
        "✅ Prediction complete",
        f'Transform job "{job_name}" complete. Predictions uploaded to "{output}".',
        {"Transform job": job_name, "Model": model},
        links,
    )


def prediction_failed(job_name: str, model: str, *, reason: str, links: Links) -> Message:
    """Say that a transform job has made no predictions, and why."""
    return Message(
        "❌ Prediction failed",
        f"Transform job failed. {reason}",
        {"Transform job": job_name, "Model": model},
        links,
    )


def job_of_another(noun: str, name: str, *, differences: Sequence[str], links: Links) -> Message:
    """Say that a job's name is taken, by another Airflow's job that is not the wanted one."""
    return Message(
        f"❌ {'Training' if noun == 'training job' else 'Prediction'} failed",
        f'{noun.capitalize()} "{name}" exists, another Airflow or run has started it, and it is not what the pipeline '
        f"file asks for: {'; '.join(differences)}. Airflows that share an account and a region need pipelines of "
        "different names. To start a job of another name this once, clear the task.",
        {noun.capitalize(): name},
        links,
    )


# The run.


def step_failed(task_id: str, reason: str, *, links: Links) -> Message:
    """Say that a task has failed which has no words of its own for it."""
    titles = {
        "train": "Training failed",
        "deploy": "Deployment failed",
        "predict": "Prediction failed",
        "wait_for_data": "Waiting for data failed",
    }
    title = titles.get(task_id, f"{task_id} failed")
    return Message(f"❌ {title}", reason, {"Task": task_id}, links)


def deadline_missed(run_id: str, *, minutes: int | None, has_failed: bool) -> Message:
    """Say that a scheduled run has no model live by the pipeline's deadline."""
    return Message(
        "⏰ Deadline missed",
        f"No model is live {minutes} minutes after the run was due; "
        + ("it has failed." if has_failed else "it is still going on."),
        {"Run": run_id},
    )
