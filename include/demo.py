"""The main job on a laptop: data in S3, a training, Slack, an endpoint, and a prediction asked of it.

Everything happens for real, on local AWS: the training program trains, the serving program serves. Run it again, and
the next day's training updates the endpoint that the first has created.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include"), str(ROOT / "plugins")]

from botocore.exceptions import ClientError  # noqa: E402

from fresh_endpoints.aws.errors import is_not_found  # noqa: E402
from fresh_endpoints.pipeline_file.loading import load_pipeline  # noqa: E402
from local_aws.connections import airflow_connections  # noqa: E402
from local_aws.process import LocalAws  # noqa: E402 - found through the line above
from local_aws.sample_data import BUCKET, upload  # noqa: E402

# What a demo leaves for the next one: Airflow's database and log, local AWS's state, the data date.
STATE = Path(os.environ.get("DEMO_STATE", ROOT / ".state" / "demo")).resolve()
LOG = STATE / "airflow.log"
SAMPLE_DATA = ROOT / "include" / "sample_data"
PIPELINE = "multiclass"
FIRST_DATA_DATE = date(2019, 3, 4)


def main() -> int:
    """Run the demo.

    Returns:
        The exit code: 0 when the endpoint serves the new model.
    """
    parser = argparse.ArgumentParser(description="Run the whole pipeline once on local AWS.")
    parser.add_argument(
        "--data-date", type=date.fromisoformat, help="YYYY-MM-DD; default: the day after the last demo's"
    )
    data_date = parser.parse_args().data_date or _next_data_date()
    STATE.mkdir(parents=True, exist_ok=True)
    say(f"Data date {data_date}; Airflow's own log goes to {os.path.relpath(LOG)}")
    with LocalAws(state=STATE / "aws") as aws:
        say(f"Local AWS answers at {aws.url}")
        before = _live_config(aws)
        for url in upload(aws.client("s3"), aws.region, [data_date]):
            say(f"Put {url}")
        if not _run_dags(aws, data_date):
            say(f"The run has failed; see {os.path.relpath(LOG)}")
            return 1
        _report(aws, data_date, before)
    (STATE / "data_date").write_text(data_date.isoformat())
    return 0


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, flush=True)  # noqa: T201 - the demo's output


def _next_data_date() -> date:
    last = STATE / "data_date"
    return date.fromisoformat(last.read_text()) + timedelta(days=1) if last.exists() else FIRST_DATA_DATE


def _run_dags(aws: LocalAws, data_date: date) -> bool:
    """Run both DAGs once, with the logical date that has this data date, as `airflow dags test` does.

    No scheduler runs here, so nothing but this function starts the second one when the first has published its model.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_"))},
        "AIRFLOW_HOME": str(STATE / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **airflow_connections(aws.url, aws.region),
    }
    midnight = datetime.combine(data_date + timedelta(days=1), datetime.min.time(), tzinfo=ZoneInfo("Asia/Tokyo"))
    logical_date = midnight.astimezone(timezone.utc).isoformat()
    with LOG.open("w") as log, _slack_as_it_comes(aws):
        for command in (
            ["db", "migrate"],
            ["dags", "test", f"train_and_deploy_{PIPELINE}", logical_date],
            ["dags", "test", f"batch_predict_{PIPELINE}", logical_date],
        ):
            say("airflow " + " ".join(command))
            airflow = [sys.executable, "-m", "airflow", *command]
            ended = subprocess.run(airflow, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            if ended.returncode:
                return False
    return True


@contextmanager
def _slack_as_it_comes(aws: LocalAws) -> Iterator[None]:
    """Print each Slack message when it arrives."""
    over = threading.Event()

    def follow() -> None:
        shown = len(aws.slack_messages())
        last = False
        while not last:
            last = over.wait(0.5)
            messages = aws.slack_messages()
            for message in messages[shown:]:
                say(f"  Slack #{message['channel']} <{message['username']}> {message['text']}")
            shown = len(messages)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _live_config(aws: LocalAws) -> str | None:
    """Return the endpoint config that the endpoint serves, None if there is no endpoint."""
    sagemaker = aws.client("sagemaker")
    try:
        found = sagemaker.describe_endpoint(EndpointName=PIPELINE)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    return str(found["EndpointConfigName"])


def _report(aws: LocalAws, data_date: date, before: str | None) -> None:
    """Say what AWS holds now, and ask the endpoint for one prediction."""
    sagemaker = aws.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=PIPELINE)
    job = sagemaker.describe_training_job(TrainingJobName=endpoint["EndpointConfigName"])
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    rows = (SAMPLE_DATA / "prediction" / "iris.csv").read_text().split()
    labels = (SAMPLE_DATA / "prediction" / "labels.csv").read_text().split()
    which = data_date.toordinal() % len(rows)
    answer = aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=PIPELINE, ContentType="text/csv", Accept="text/csv", Body=rows[which].encode()
    )
    predicted = answer["Body"].read().decode().strip()
    facts = {
        "Data date": data_date,
        "Training job": f"{job['TrainingJobName']} ({job['TrainingJobStatus']})",
        "Validation accuracy": f"{metrics['validation:accuracy']:.4f}",
        "Artifact": job["ModelArtifacts"]["S3ModelArtifacts"],
        "Endpoint": f"{endpoint['EndpointName']} ({endpoint['EndpointStatus']}), "
        + ("created" if before is None else f"updated from {before}"),
        "Serves": endpoint["EndpointConfigName"],
        **_proof(aws, endpoint["EndpointConfigName"]),
        "Prediction": f"{rows[which]} → {predicted}, truly {labels[which]}",
    }
    facts["Batch prediction"] = _batch_prediction(aws, data_date, labels)
    say("")
    for label, value in facts.items():
        say(f"{label:>20}  {value}")


def _proof(aws: LocalAws, config_name: str) -> dict[str, str]:
    """Say what the quality gate and the smoke test have found of what is live, from the endpoint config's tags."""
    sagemaker = aws.client("sagemaker")
    arn = sagemaker.describe_endpoint_config(EndpointConfigName=config_name)["EndpointConfigArn"]
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    pipeline = load_pipeline(ROOT / "include" / "pipelines" / f"{PIPELINE}.yaml")
    rules = " and ".join(pipeline.quality.rules) if pipeline.quality else "no rule"
    return {
        "Quality gate": f"{tags['fresh-endpoints:metrics']} keeps {rules}",
        "Smoke test": tags["fresh-endpoints:smoke-test"],
    }


def _batch_prediction(aws: LocalAws, data_date: date, labels: list[str]) -> str:
    """Compare the predictions in S3 with the true labels."""
    key = f"output-prediction/{data_date}/{PIPELINE}/iris.csv.out"
    predicted = aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().split()
    right = sum(one == other for one, other in zip(predicted, labels, strict=True))
    return f"s3://{BUCKET}/{key}, {right} of {len(labels)} as labelled"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with what it has started
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
