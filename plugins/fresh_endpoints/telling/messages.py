"""All that people are told, one function an event. Words only: nothing here sends or decides.

The sentences are the article's, with its facts, where the article has them. What recurs among the parameters:
``deployment`` is what the run wants to be live; ``links`` are addresses by label; ``attempt`` counts the jobs of one
run from 1; ``reason`` is AWS's own; ``live`` is the endpoint config that the endpoint serves. How deployments fail is
told in failed_deployments.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fresh_endpoints.model_facts import shown
from fresh_endpoints.telling.changes import in_time
from fresh_endpoints.telling.message import Kind, Message

if TYPE_CHECKING:
    import datetime as dt

    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.telling.changes import Change

Links = Mapping[str, str]

NO_REASON = "SageMaker gives no reason."


# The data.


def no_new_data(data_date: dt.date, *, skipping: str, links: Links) -> Message:
    """Say that the wait for data is over without any (the article's NoNewData)."""
    return Message(
        "⏭️ No new data",
        f"The data of {data_date} was not there in time. Skipping {skipping}.",
        links=links,
        kind=Kind.PROBLEM,
    )


# The training.


def training_started(job_name: str, *, attempt: int, links: Links) -> Message:
    """Say that a training job has been created."""
    return Message(
        "🚀 Training started",
        f'Starting training job "{job_name}"' + (f" (attempt {attempt})." if attempt > 1 else "."),
        {"Training job": job_name},
        links,
        kind=Kind.PROGRESS,
    )


def training_complete(facts: Mapping[str, Any], *, links: Links) -> Message:
    """Say that a training job has made a model, and what it is like; its deployment is still to come."""
    job_name, artifact = facts["training_job"], facts["artifact"]
    metrics = ", ".join(f"{name} {shown(value, 4)}" for name, value in facts["metrics"].items())
    return Message(
        "✅ Training complete",
        f'Training job "{job_name}" complete. Model data uploaded to "{artifact}".',
        {"Training job": job_name, "Artifact": artifact, **({"Metrics": metrics} if metrics else {})},
        links,
        kind=Kind.PROGRESS,
    )


def only_trained(facts: Mapping[str, Any], took: dt.timedelta | None, *, live: str | None, links: Links) -> Message:
    """Say the same at the end of a run that was to train, and not to deploy."""
    message = training_complete(facts, links=links)
    more = {**({"Live now": live} if live else {}), **in_time(took)}
    return replace(message, facts={**message.facts, **more}, kind=Kind.OUTCOME)


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
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        kind=Kind.PROBLEM,
    )


def deployment_overtaken(deployment: Deployment, *, live: str) -> Message:
    """Say that somebody else has put another config live while this one was on its way."""
    return Message(
        "⏭️ Deployment overtaken",
        f'"{deployment.config_name}" is not live: somebody else has changed endpoint '
        f'"{deployment.endpoint_name}" meanwhile, and it serves "{live}".',
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        kind=Kind.PROBLEM,
    )


def endpoint_recreated(deployment: Deployment, *, reason: str | None) -> Message:
    """Say that an endpoint whose creation had failed is deleted and made anew."""
    return Message(
        "♻️ Endpoint recreated",
        f'Endpoint "{deployment.endpoint_name}" was left Failed by its creation and has never served; it is '
        f"deleted and created anew. {reason or NO_REASON}",
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        kind=Kind.INTERIM,
    )


# The deployment: how it goes.


def deployment_started(deployment: Deployment) -> Message:
    """Say that the endpoint has been asked to serve the model."""
    return Message(
        "📦 Deployment started",
        f'Started deploying model "{deployment.config_name}" to endpoint "{deployment.endpoint_name}".',
        {"Model": deployment.config_name, "Endpoint": deployment.endpoint_name},
        deployment.links,
        kind=Kind.PROGRESS,
    )


def deployment_completed(deployment: Deployment, change: Change | None = None) -> Message:
    """Say that the endpoint serves the model, verified; and what has changed, where it is all that a run tells."""
    run, metrics = deployment.run, deployment.facts["metrics"]
    live = {"Live": deployment.config_name}
    return Message(
        "🟢 Deployment completed",
        f'Deployment completed for endpoint "{deployment.endpoint_name}".',
        {
            "Endpoint": deployment.endpoint_name,
            **(change.facts(deployment.config_name, run.data_date, metrics) if change else live),
        },
        deployment.links,
        kind=Kind.OUTCOME,
    )


def smoke_test_failed(deployment: Deployment, failure: str) -> Message:
    """Say what was wrong with the endpoint's answer."""
    return Message(
        "🚨 Smoke test failed",
        f'Endpoint "{deployment.endpoint_name}" with "{deployment.config_name}" has failed the smoke test. {failure}',
        {"Endpoint": deployment.endpoint_name, "Endpoint config": deployment.config_name},
        deployment.links,
        kind=Kind.INTERIM,
    )


def clean_up_failed(deployment: Deployment, error: Exception) -> Message:
    """Say that old endpoint configs and models are still there."""
    return Message(
        "⚠️ Clean-up failed",
        f"Old endpoint configs and models could not be deleted; the run goes on. {error}",
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        kind=Kind.PROBLEM,
    )


# The prediction.


def prediction_started(job_name: str, model: str, *, attempt: int, links: Links) -> Message:
    """Say that a transform job has been created."""
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return Message(
        "🔮 Prediction started",
        f'Starting transform job "{job_name}" with model "{model}"{again}.',
        {"Transform job": job_name, "Model": model},
        links,
        kind=Kind.PROGRESS,
    )


def prediction_complete(
    job_name: str, model: str, *, output: str, links: Links, took: dt.timedelta | None = None
) -> Message:
    """Say where the predictions are; and how long the run took, where it is all that a run tells."""
    return Message(
        "✅ Prediction complete",
        f'Transform job "{job_name}" complete. Predictions uploaded to "{output}".',
        {"Transform job": job_name, "Model": model, **in_time(took)},
        links,
        kind=Kind.OUTCOME,
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
        "different names.",
        {noun.capitalize(): name},
        links,
        remedy="Rename one of the pipelines. To start a job of another name this once, clear the task.",
    )


# The run.


def step_failed(task_id: str, reason: str, *, links: Links, remedy: str | None = None) -> Message:
    """Say that a task has failed which has no words of its own for it."""
    titles = {
        "train": "Training failed",
        "deploy": "Deployment failed",
        "predict": "Prediction failed",
        "wait_for_data": "Waiting for data failed",
    }
    title = titles.get(task_id, f"{task_id} failed")
    return Message(f"❌ {title}", reason, {"Task": task_id}, links, remedy=remedy)


def deadline_missed(run_id: str, *, minutes: int | None, has_failed: bool) -> Message:
    """Say that a scheduled run has no model live by the pipeline's deadline."""
    return Message(
        "⏰ Deadline missed",
        f"No new model is live {minutes} minutes after the run was due; "
        + ("it has failed." if has_failed else "it is still going on."),
        {"Run": run_id},
    )
