"""What the command ``redeploy`` does: it tells what the DAG ``redeploy_<pipeline>`` would do, and has Airflow run it.

What it tells comes from the DAG's own functions, so that both say the same of the same endpoint.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from airflow.configuration import conf
from airflow.exceptions import ParamValidationError
from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import hold as holds
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.aws.lists import ListTooLongError
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.live import endpoint_of, today_of
from fresh_endpoints.run import Run
from fresh_endpoints.steps import trigger_form
from fresh_endpoints.steps.asking import Asking
from fresh_endpoints.steps.choices import PROVEN, Choices, NoSuchModelError
from fresh_endpoints.steps.choose_model import refusal, stays_live, taken
from fresh_endpoints.steps.decision import Next, SoFar, next_step
from fresh_endpoints.steps.gate import Gate
from fresh_endpoints.steps.way_back import standing

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint, Seen
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.steps.choices import Choice

# Airflow takes a few seconds to start; a person waits.
TRIGGER_SECONDS = 120
# The end of a traceback, or what Airflow's log has of it.
_NAMES_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|NotFound|AlreadyExists): |\[error *\]|^ERROR\b")
_UNTOLD = (AirflowException, BotoCoreError, ClientError, ListTooLongError, ValueError)


class CannotRedeployError(Exception):
    """The DAG would fail and change nothing. ``str()`` says why, and what can be gone back to."""


@dataclass(frozen=True)
class Wish:
    """What a person asks for.

    Attributes:
        model: ``previous``, ``live``, a data date, or a training job's name.
        hold_days: How many days it is to be held; 0: not.
        reason: Why; maybe empty.
    """

    model: str
    hold_days: int
    reason: str

    @property
    def conf(self) -> dict[str, Any]:
        """The trigger form's fields."""
        return {"model": self.model, "hold_days": self.hold_days, "reason": self.reason}

    def check(self) -> None:
        """Hold it against what the trigger form allows.

        Raises:
            CannotRedeployError: The form would not take it.
        """
        form = {
            "model": trigger_form.model(),
            "hold_days": trigger_form.hold_days(),
            "reason": trigger_form.reason(),
        }
        for name, value in self.conf.items():
            try:
                form[name].resolve(value)
            except ParamValidationError as error:
                why = str(error).strip().splitlines()[0]
                raise CannotRedeployError(f"{name}: found {value!r}. {why}") from error


def redeploy(pipeline: Pipeline, wish: Wish, *, dry_run: bool, out: TextIO, err: TextIO) -> bool:
    """Print what a redeploy does, and have Airflow do it.

    Where AWS does not tell this terminal what would be done, Airflow is asked nevertheless: its workers may have
    another login, and the DAG changes nothing that it has not looked at.

    Args:
        pipeline: The pipeline.
        wish: What a person asks for.
        dry_run: Whether only to print it.
        out: Where to.
        err: Where to say what is wrong.

    Returns:
        Whether it can be done, and unless it is a dry run, whether Airflow has taken it.
    """
    if pipeline.deploy == "never":
        err.write(f"Pipeline {pipeline.name} deploys nothing (deploy: never), so there is no redeploy of it.\n")
        return False
    try:
        wish.check()
        Plan(pipeline, wish).print(out)
    except CannotRedeployError as error:
        err.write(f"{error}\n")
        return False
    except _UNTOLD as error:
        err.write(f"What would be done cannot be told: {error}\n")
        if dry_run:
            return False
    out.flush()
    return dry_run or _trigger(pipeline, wish, out=out, err=err)


class Plan:
    """What the DAG would do now, read from AWS.

    Args:
        pipeline: The pipeline.
        wish: What a person asks for.

    Raises:
        ValueError: Only a run knows the endpoint's name.
    """

    def __init__(self, pipeline: Pipeline, wish: Wish):
        self._pipeline = pipeline
        self._wish = wish
        self._endpoint: Endpoint = endpoint_of(pipeline)

    def print(self, out: TextIO) -> None:
        """Print it.

        Args:
            out: Where to.

        Raises:
            CannotRedeployError: There is no such model, or the endpoint cannot be changed to it.
            AirflowException: AWS refused to tell.
        """
        seen = self._endpoint.describe()
        live = standing(self._endpoint, seen, self._pipeline.own_names)
        held = holds.read(self._endpoint.client, seen.arn)
        status = seen.status or "does not exist"
        _print(out, {"Endpoint": f"{self._endpoint.name} ({status})", "Live now": live, "Held now": _held(held)})
        out.flush()  # What is live is worth knowing where nothing can be done, too.
        chosen = self._chosen(seen)
        how = " ".join(self._steps(chosen, seen))
        facts = {
            "Goes to": f"{chosen.config_name} ({chosen.standing})",
            "Training job": chosen.facts["training_job"],
            "Data date": chosen.facts.get("data_date", "not known"),
            "How": how,
            "Hold": self._hold(),
            "Trigger form": json.dumps(self._wish.conf),
        }
        _print(out, facts)

    def _chosen(self, seen: Seen) -> Choice:
        choices = Choices(self._endpoint.client, self._endpoint, self._run())
        try:
            chosen = choices.find(self._wish.model, seen)
        except NoSuchModelError as error:
            refused = refusal(error, choices, seen, self._pipeline.name)
            raise CannotRedeployError(refused.words) from error
        gate = Gate(self._pipeline, self._endpoint, self._endpoint.client)
        if of_another := taken(gate, self._deployment(chosen), seen):
            raise CannotRedeployError(of_another.words)
        return chosen

    def _steps(self, chosen: Choice, seen: Seen) -> Iterator[str]:
        if stays_live(self._wish.model, chosen, seen):
            yield "Nothing changes but the hold."
            if seen.becoming and seen.becoming != chosen.config_name:
                yield f"A change to {seen.becoming} is going on, which the hold does not stop."
            return
        yield from self._made_again(chosen)
        yield self._request(chosen, seen)
        yield "Then it is verified" + (" and smoke-tested." if self._pipeline.smoke_test else ".")

    def _made_again(self, chosen: Choice) -> Iterator[str]:
        asking = Asking(self._endpoint, self._endpoint.client, {}, {})
        gone = asking.what_is_gone(self._deployment(chosen))
        if gone.models:
            yield f"First model {', '.join(gone.models)} is made again from its training job."
        if gone.is_config_gone:
            yield f"First endpoint config {chosen.config_name} is made."

    def _request(self, chosen: Choice, seen: Seen) -> str:
        step = next_step(seen, SoFar(chosen.config_name))
        if step is Next.UNUSABLE:
            raise CannotRedeployError(
                f"Endpoint {self._endpoint.name} is {seen.status} with {seen.live} and cannot be changed. "
                "Bring it back InService, or delete it; then redeploy."
            )
        if step is Next.CREATE:
            return "One CreateEndpoint."
        if step is Next.RECREATE:
            return f"The endpoint is {seen.status} and has never served: it is deleted and created anew."
        if step in (Next.WAIT_FOR_OWN, Next.WAIT_FOR_OTHERS):
            return f"The endpoint is {seen.status}, which is waited for; after that, it is asked to serve this model."
        if chosen.standing == PROVEN:
            return "One UpdateEndpoint, all traffic at once: it was seen to work."
        return "One UpdateEndpoint, as the pipeline file has it."

    def _hold(self) -> str:
        if not self._wish.hold_days:
            return "none; the next run may deploy over it"
        return f"until {Hold.for_days(self._wish.hold_days, who='', why='').end}"

    def _deployment(self, chosen: Choice) -> Deployment:
        return Deployment(self._run(), chosen.facts, chosen.config_name, self._endpoint.name)

    def _run(self) -> Run:
        """Return a run as one would be that is triggered now."""
        now = dt.datetime.now(dt.timezone.utc)
        day = today_of(self._pipeline, now)
        pipeline = self._pipeline
        return Run(
            pipeline.name,
            _dag_id(pipeline),
            "",
            day,
            day - dt.timedelta(days=1),
            now,
            environment=pipeline.environment,
            former=pipeline.renamed_from,
        )


def _trigger(pipeline: Pipeline, wish: Wish, *, out: TextIO, err: TextIO) -> bool:
    """Have Airflow run the DAG, by its own command: that takes its database's settings, and no login to the UI."""
    dag_id, run_id = _dag_id(pipeline), f"manual__{dt.datetime.now(dt.timezone.utc).isoformat()}"
    form = json.dumps(wish.conf)
    if why := _refused_by_airflow("dags", "trigger", dag_id, "--conf", form, "--run-id", run_id):
        err.write(
            f"Airflow has not taken it. `airflow dags trigger` says: {why}\n"
            "Run this where Airflow's scheduler runs, with its settings and this package; "
            f"or trigger {dag_id} in the UI with\n  {form}\n"
        )
        return False
    _print(out, {"Triggered": f"{dag_id}, run {run_id}; it begins at once, unless the DAG is paused"})
    if base_url := (conf.get("api", "base_url", fallback="") or "").rstrip("/"):
        _print(out, {"Follow it": f"{base_url}/dags/{dag_id}/runs/{quote(run_id)}"})
    out.write(f"  airflow tasks states-for-dag-run {dag_id} {run_id}\n  fresh-endpoints status {pipeline.name}\n")
    return True


def _refused_by_airflow(*arguments: str) -> str:
    """Run Airflow's command, of the same environment; return why it has failed, empty where it has not."""
    command = [sys.executable, "-m", "airflow", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TRIGGER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"nothing within {TRIGGER_SECONDS} s; see in the UI whether there is such a run"
    if done.returncode == 0:
        return ""
    return _why(done.stderr) or _why(done.stdout) or f"nothing, and has ended with {done.returncode}"


def _dag_id(pipeline: Pipeline) -> str:
    return f"redeploy_{pipeline.name}"


def _held(hold: Hold | None) -> str:
    if hold is None or hold.is_over():
        return "no"
    return f"until {hold.end}, by {hold.who}" + (f" ({hold.why})" if hold.why else "")


def _why(text: str) -> str:
    """Return the last line that names an error, for hints may follow it; else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if _NAMES_ERROR.search(line)]
    return (named or lines or [""])[-1]


def _print(out: TextIO, facts: dict[str, str]) -> None:
    out.writelines(f"{label + ':':14} {fact}\n" for label, fact in facts.items())
