"""The shape of a pipeline file's ``data``: the channels of the training, and the file to predict on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from fresh_endpoints.pipeline_file import limits


def _wait(value: Any) -> Any:
    if not isinstance(value, (bool, str)):
        raise ValueError("it must be true, false, or the S3 key to wait for")
    return value


class Channel(BaseModel):
    """A channel of the training, by an S3 key: what is waited for, and what SageMaker reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str = Field(
        description="S3 key of a file of the data date; a template. The folder that the file is in is the channel.",
        examples=["input-data-train/{{ data_date }}/multiclass/_SUCCESS"],
    )
    wait: Annotated[bool | str, BeforeValidator(_wait)] = Field(
        default=True,
        description="Whether a run waits for the key. false: it does not. Or another S3 key, a template, that is "
        "waited for in its place.",
    )
    file: bool = Field(
        default=False,
        description="true: the key itself is the channel's S3Uri, by which SageMaker reads each object whose key "
        "begins with it.",
    )
    content_type: str | None = Field(
        default=None,
        max_length=limits.LONGEST_CONTENT_TYPE,
        description="The channel's ContentType.",
        examples=["text/csv"],
    )


def _channel(value: Any) -> Any:
    if isinstance(value, str):
        return {"key": value}
    if not isinstance(value, (dict, Channel)):
        raise ValueError(f"it must be an S3 key, or a mapping of {', '.join(Channel.model_fields)}")
    return value


class Data(BaseModel):
    """The S3 keys of a run's files. Each key but `prediction` is a channel of the training of that name."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[
        str,
        Annotated[
            Channel,
            BeforeValidator(_channel),
            WithJsonSchema({"anyOf": [{"type": "string"}, Channel.model_json_schema()]}),
        ],
    ] = Field(init=False)

    prediction: str | None = Field(
        default=None,
        description="S3 key of the file to predict on. Leave it out where there is none.",
        examples=["input-data-prediction/{{ data_date }}/{{ pipeline }}/iris.csv"],
    )

    @property
    def channels(self) -> dict[str, Channel]:
        """The channels by name, in the file's order."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="after")
    def _few_channels(self) -> Self:
        if (found := len(self.channels)) > limits.MOST_CHANNELS:
            raise ValueError(f"these are {found} channels; SageMaker takes {limits.MOST_CHANNELS}; remove some")
        return self
