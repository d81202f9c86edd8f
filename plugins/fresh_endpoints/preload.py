"""Loads what every task's process needs, once, in the process from which it is forked.

LocalExecutor's workers and the dag-processor fork a process for each task and each parse. What they hold by then, each
of these has at its start, so it pays neither for the imports nor for reading what botocore ships about a service, and
their memory is shared. Where a worker holds nothing (Celery), a task loads what it needs itself.

As with every plugin, a changed file in the plugins folder takes effect when the services are started again:
https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
"""

from __future__ import annotations

import importlib
import pkgutil

import fresh_endpoints
from fresh_endpoints import page


def preload() -> None:
    """Import the package with what it imports late, and read the descriptions of the services that a run talks to.

    Not the Models page, which no run needs: the api-server loads it with the first request.
    """
    for module in pkgutil.walk_packages(fresh_endpoints.__path__, "fresh_endpoints."):
        if not module.name.endswith("__main__") and not module.name.startswith(f"{page.__name__}."):
            importlib.import_module(module.name)
    importlib.import_module("airflow.providers.slack.hooks.slack_webhook")
    # Not at the module's top, which a task's process may reach: these cost half a second.
    from fresh_endpoints.aws import clients
    from fresh_endpoints.pipeline_file import memory

    clients.read_descriptions("sagemaker", "sagemaker-runtime", "s3")
    memory.package_digest()
