"""One deployment as data: which run puts which model live on which endpoint, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fresh_endpoints.run import Run


@dataclass(frozen=True)
class Deployment:
    """What a run wants to be live.

    Attributes:
        run: The run.
        facts: The model's facts; see model_facts.py.
        config_name: The name of model and endpoint config.
        endpoint_name: The endpoint's name.
        links: Addresses for people by label: the endpoint's console page, the task's log.
        training: What DescribeTrainingJob has returned; None where it has not been asked.
    """

    run: Run
    facts: Mapping[str, Any]
    config_name: str
    endpoint_name: str
    links: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def training_job(self) -> str:
        """The name of the training job that has made the model."""
        return str(self.facts["training_job"])

    @property
    def deployed_facts(self) -> dict[str, Any]:
        """The model's facts with where it is deployed."""
        return {
            **self.facts,
            "model": self.config_name,
            "endpoint": self.endpoint_name,
            "endpoint_config": self.config_name,
        }
