"""The buttons of a task instance's page: from a task to what it works on in the AWS console.

A link's address is stored as XCom when the task ends or defers, so no AirflowPlugin is needed:
https://airflow.apache.org/docs/apache-airflow/stable/howto/define-extra-link.html
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink


class ConsoleLink(BaseOperatorLink):
    """A button whose address the operator knows under the button's name."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address, empty while there is nothing to show.

        Args:
            operator: The step; its ``addresses`` are looked at.
            ti_key: The task instance.
        """
        return str(operator.addresses.get(self.name, ""))


class TrainingJobLink(ConsoleLink):
    """The training job's page."""

    name = "Training job"


class TransformJobLink(ConsoleLink):
    """The transform job's page."""

    name = "Transform job"


class EndpointLink(ConsoleLink):
    """The endpoint's page."""

    name = "Endpoint"


class LogStreamLink(ConsoleLink):
    """The log streams of the containers."""

    name = "Container log"


class ArtifactLink(ConsoleLink):
    """The trained model in S3."""

    name = "Artifact"
