"""What Airflow takes from this package beside its DAGs: the Models page, and what is loaded before it forks."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from fresh_endpoints import page


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
    fastapi_apps = page.fastapi_apps()
    external_views = page.external_views()
