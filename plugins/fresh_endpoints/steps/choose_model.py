"""Step 1 of a redeploy: which model a person means, and what they have decided. It changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.steps.choices import LIVE, Choices, NoSuchModelError
from fresh_endpoints.steps.endpoint_step import EndpointStep
from fresh_endpoints.telling import decisions, failed_deployments
from fresh_endpoints.telling.failures import StepFailed
from fresh_endpoints.telling.sending import run_links

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Seen
    from fresh_endpoints.steps.choices import Choice
    from fresh_endpoints.steps.gate import Gate
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded

SOMEBODY = "somebody in Airflow"


class RedeployStep(EndpointStep):
    """A step of a redeploy: its templates find the fields of the other trigger forms, too, as if they were left empty.

    A pipeline file's ``model``, ``endpoint_config`` and ``endpoint`` may name them.
    """

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render the step's templates."""
        fields = {"data_date": None, "wait_minutes": None, "deploy": self.pipeline.deploy}
        super().render_template_fields({**context, "params": {**fields, **context["params"]}}, jinja_env)


class ChooseModelOperator(RedeployStep):
    """Finds the model that is to be live, and writes down the decision for the steps that follow.

    What is meant is found once, when a person asks: whatever is deployed between that and the change, ``previous`` is
    what came before the model that the person saw.

    Args:
        pipeline: The pipeline.
    """

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Find the model.

        Args:
            context: The task's context.
            ended: Nothing: the step never waits.

        Returns:
            ``config_name``, ``facts`` and ``standing`` of the model; ``is_live``: whether there is nothing to change
            but the hold; ``who``, ``why``, ``over`` (what is live now) and ``hold``, for Decision. All of it is JSON.

        Raises:
            StepFailed: There is no such model, or the endpoint is another pipeline's.
            AirflowException: AWS refused to tell.
        """
        params, seen = context["params"], self.endpoint.describe()
        wanted = str(params["model"]).strip()
        chosen = self._chosen(context, wanted, seen)
        self._check_owner(context, chosen, seen)
        live = seen.live if seen.has_served else None
        who, why = _who(context), " ".join(str(params["reason"]).split())
        hold = Hold.for_days(int(params["hold_days"]), who=who, why=why) if params["hold_days"] else None
        self.log.info("Chose %s (%s) for endpoint %s.", chosen.config_name, chosen.standing, self.endpoint.name)
        return {
            "config_name": chosen.config_name,
            "facts": dict(chosen.facts),
            "standing": chosen.standing,
            "is_live": stays_live(wanted, chosen, seen),
            "who": who,
            "why": why,
            "over": live,
            "hold": hold.as_json if hold else None,
        }

    def _chosen(self, context: Any, wanted: str, seen: Seen) -> Choice:
        choices = Choices(self.hook.conn, self.endpoint, self.run_of(context))
        try:
            return choices.find(wanted, seen)
        except NoSuchModelError as error:
            message = refusal(error, choices, seen, self.pipeline.name)
            self.log.error(message.sentence)
            raise StepFailed(message) from error

    def _check_owner(self, context: Any, chosen: Choice, seen: Seen) -> None:
        deployment = Deployment(self.run_of(context), chosen.facts, chosen.config_name, self.endpoint.name)
        if message := taken(self.gate, deployment, seen):
            raise StepFailed(replace(message, links=run_links(context)))


def refusal(error: NoSuchModelError, choices: Choices, seen: Seen, pipeline: str) -> Message:
    """Say why there is no such model, and what can be gone back to.

    Args:
        error: Why there is none.
        choices: Where it was looked for.
        seen: What the endpoint is like.
        pipeline: The pipeline's name.

    Raises:
        AirflowException: AWS refused to tell what there is.
    """
    return decisions.redeploy_refused(pipeline, str(error), choices=choices.listed(seen))


def taken(gate: Gate, deployment: Deployment, seen: Seen) -> Message | None:
    """Say that the endpoint serves another pipeline's model; None where it does not.

    Args:
        gate: Knows whose model is live.
        deployment: What is to be live.
        seen: What the endpoint is like.

    Raises:
        AirflowException: AWS refused to tell.
    """
    other = gate.owner(seen.live) if seen.live and seen.has_served else ""
    if not other or other in deployment.run.own_names:
        return None
    message = failed_deployments.endpoint_of_another(deployment, live=str(seen.live), other=other)
    return replace(message, heading="❌ Redeploy failed")


def stays_live(wanted: str, chosen: Choice, seen: Seen) -> bool:
    """Tell whether there is nothing to change but the hold.

    Args:
        wanted: What a person has asked for.
        chosen: What that is.
        seen: What the endpoint is like.
    """
    is_live = seen.has_served and seen.live == chosen.config_name and seen.becoming in (None, chosen.config_name)
    return wanted == LIVE or is_live


def _who(context: Mapping[str, Any]) -> str:
    """Name the person: the user who has triggered the run, where Airflow knows one.

    https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dag-run.html
    """
    dag_run = context["dag_run"]
    named = getattr(dag_run, "triggering_user_name", None) or (getattr(dag_run, "conf", None) or {}).get("who")
    return " ".join(str(named).split()) if named else SOMEBODY
