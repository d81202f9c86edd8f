"""The shape of a pipeline file's ``notify``: further ways to tell people, beside Slack or without it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fresh_endpoints.pipeline_file import limits

_CLASS = r"[A-Za-z]\w*(\.[A-Za-z]\w*)+"


def _class_path(value: str) -> str:
    if not re.fullmatch(_CLASS, value, re.ASCII):
        raise ValueError("it must be the dotted name of a notifier's class, such as package.module.ClassName")
    return value


class Notify(BaseModel):
    """One more way to tell people: a notifier of Airflow's, of a provider's or of your own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    notifier: Annotated[str, Field(max_length=limits.LONGEST_CLASS), AfterValidator(_class_path)] = Field(
        description="The class, a subclass of Airflow's BaseNotifier. It is loaded by `fresh-endpoints check`, and "
        "when there is something to tell.",
        examples=["airflow.providers.amazon.aws.notifications.sns.SnsNotifier"],
        json_schema_extra={"pattern": f"^{_CLASS}$"},
    )
    on: Literal["all", "problems"] = Field(
        default="problems", description="problems: only what somebody should look at; all: every message."
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="The class's arguments. Strings in them are templates that know message (the whole text), "
        "message_html (the same, escaped), title, pipeline, data_date, date, dag_id and run_id. Secrets stay in "
        "Airflow connections.",
        examples=[{"target_arn": "arn:aws:sns:ap-northeast-1:123456789012:models", "message": "{{ message }}"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _on(cls, values: Any) -> Any:
        """Take the key ``on`` for what it is: in YAML 1.1, which PyYAML reads, it is another word for true."""
        if isinstance(values, dict) and True in values and "on" not in values:
            return {"on" if key is True else key: value for key, value in values.items()}
        return values


Notifiers = Annotated[tuple[Notify, ...], Field(strict=False, max_length=limits.MOST_NOTIFIERS)]
