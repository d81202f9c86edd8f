"""What every step of a pipeline has in common: its run, its names in templates, and resuming after a wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from fresh_endpoints.run import Run
from fresh_endpoints.telling.sending import PipelineNotifier
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.event import WaitEnded

try:
    from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferralError, TaskDeferralTimeout  # type: ignore[no-redef]

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

T = TypeVar("T")


class PipelineStep:
    """Mixed into an operator: the pipeline's names in its templates, and one way back after every deferral.

    `look_and_act` is the whole step as one idempotent function: it finds out where AWS stands, does what is missing,
    and defers while there is something to wait for. It is what `execute` calls, and what a resumed task calls.
    """

    pipeline: Pipeline
    log: Any
    defer: Callable[..., Any]
    render_template: Callable[..., Any]
    template_fields: Any
    # What was known when the wait began, and costs calls to find out again. Nothing on a new try, and after a wait that
    # was not ended by its trigger's event.
    carried: Mapping[str, Any] = {}

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> Any:
        """Do the step.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.
        """
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Start a new try of the step."""
        return self.look_and_act(context, None)

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None, **carried: Any) -> Any:
        """Go on after a wait; ``carried`` is what was handed over it."""
        self.carried = carried
        ended = WaitEnded.from_json(event)
        if ended.reason:
            self.log.warning("The wait has ended without a look: %s", ended.reason)
        return self.look_and_act(context, ended)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a wait, also when the wait has timed out or its trigger has failed."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        except (TaskDeferralTimeout, AirflowSensorTimeout):  # The latter is what a sensor makes of the former.
            self.log.warning("The wait has lasted longer than allowed; looking once more.")
            return self.look_and_act(context, WaitEnded(timed_out=True))
        except TaskDeferralError as error:
            self.log.warning("The trigger has failed (%s); looking again.", error)
            return self.look_and_act(context, WaitEnded(trigger_failed=True))

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render the step's templates with the pipeline's own names beside Airflow's."""
        names = {**context, **self.run_of(context).template_names}
        if self.template_fields:  # Or a Variable would be read for nothing.
            names["bucket"] = self.render_template(self.pipeline.bucket, names, jinja_env)
        super().render_template_fields(names, jinja_env)  # type: ignore[misc]

    def run_of(self, context: Any) -> Run:
        """Return the run's facts."""
        return Run.of(self.pipeline, context)

    @property
    def notifier(self) -> PipelineNotifier:
        """What tells Slack."""
        return PipelineNotifier(self.pipeline)

    def look_for_a_while(
        self, look: Callable[[], T], is_settled: Callable[[T], bool], expected: float | None = None
    ) -> T:
        """Look until there is nothing to wait for, for as long as a wait is better spent in the worker.

        Args:
            look: Describes the resource.
            is_settled: Whether what was seen needs no more waiting.
            expected: How long the same wait took before, in seconds, if known.

        Returns:
            What was seen last.
        """
        started = time.monotonic()
        elapsed = 0.0
        while True:
            time.sleep(pace.next_look_in_worker(elapsed, expected))
            seen = look()
            elapsed = time.monotonic() - started
            if is_settled(seen) or elapsed >= pace.seconds_in_worker(expected):
                return seen

    def wait(self, trigger: Any, seconds: float, **carried: Any) -> None:
        """Defer until the trigger fires.

        Args:
            trigger: What to wait for.
            seconds: How long to wait at most.
            carried: What execute_complete() is given besides, as JSON.
        """
        self.defer_with(trigger, seconds, carried)

    def defer_with(self, trigger: Any, seconds: float, carried: dict[str, Any]) -> None:
        """Defer, the one way: wait() for what a step names, and for what it is given.

        Args:
            trigger: What to wait for.
            seconds: How long to wait at most.
            carried: What execute_complete() is given besides, as JSON.
        """
        timeout = timedelta(seconds=max(seconds, 1))
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=carried, timeout=timeout)
