"""Lets Airflow's scheduler, dag-processor and triggerer load once what each process that they fork would load."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class PreloadListener:
    """Preloads in each component that forks; see `fresh_endpoints.preload`."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Preload, unless the component is a task's own process, which loads what it needs itself.

        Args:
            component: What starts.
        """
        from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

        if not isinstance(component, TaskRunnerMarker):
            from fresh_endpoints.preload import preload

            preload()


class FreshEndpointsPlugin(AirflowPlugin):
    """What Airflow finds in the plugins folder."""

    name = "fresh_endpoints"
    listeners = [PreloadListener()]  # noqa: RUF012 - as Airflow declares it
