"""The main job on a laptop: data in S3, a training, Slack, an endpoint, and a prediction asked of it.

Everything happens for real, on local AWS: the training program trains, the serving program serves. Run it again, and
the next day's training updates the endpoint that the first has created.
"""

from __future__ import annotations

import argparse
import os
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

from local_aws.connections import airflow_connections  # noqa: E402
from local_aws.process import LocalAws  # noqa: E402 - found through the line above
from local_aws.sample_data import upload  # noqa: E402

STATE = ROOT / ".state" / "demo"
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
    say(f"Data date {data_date}; Airflow's own log goes to {LOG.relative_to(ROOT)}")
    with LocalAws() as aws:
        say(f"Local AWS answers at {aws.url}")
        before = _live_config(aws)
        for url in upload(aws.client("s3"), aws.region, [data_date]):
            say(f"Put {url}")
        if not _run_dag(aws, data_date):
            say(f"The run has failed; see {LOG.relative_to(ROOT)}")
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


def _run_dag(aws: LocalAws, data_date: date) -> bool:
    """Run the DAG once, with the logical date that has this data date, as `airflow dags test` does."""
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
        for command in (["db", "migrate"], ["dags", "test", f"train_and_deploy_{PIPELINE}", logical_date]):
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
    if not sagemaker.list_endpoints(NameContains=PIPELINE)["Endpoints"]:
        return None
    return sagemaker.describe_endpoint(EndpointName=PIPELINE)["EndpointConfigName"]


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
        "Prediction": f"{rows[which]} → {predicted}, truly {labels[which]}",
    }
    say("")
    for label, value in facts.items():
        say(f"{label:>20}  {value}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
