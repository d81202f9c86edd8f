"""What is seen in Airflow's UI: the Models page, served by the api-server.

https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf

PREFIX = "/fresh-endpoints"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the page (ASGI). It is loaded with the first request: every component of Airflow imports the plugin.

    Args:
        scope: The request.
        receive: Receives its body.
        send: Sends the answer.
    """
    from fresh_endpoints.page.app import make_app

    await make_app()(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """Return what the api-server mounts."""
    return [{"app": application, "url_prefix": PREFIX, "name": "Fresh Endpoints"}]


def external_views() -> list[dict[str, Any]]:
    """Return the entry in Airflow's navigation, and the tab of each DAG."""
    # Airflow may stand below a path of its host's.
    root = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + PREFIX
    return [
        {"name": "Models", "href": f"{root}/", "destination": "nav", "url_route": "models"},
        {"name": "Model", "href": f"{root}/dags/{{DAG_ID}}", "destination": "dag", "url_route": "model"},
    ]
