"""The AWS CLI, which knows nothing of this project."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

from local_aws.process import LocalAws


class Cli:
    """The AWS CLI on local AWS. Its waiters look every second; what they look for is botocore's own."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._folder = folder
        models = folder / "models/sagemaker/2017-07-24"
        models.mkdir(parents=True)
        waiters = Loader().load_service_model("sagemaker", "waiters-2")
        for waiter in waiters["waiters"].values():
            waiter["delay"] = 1  # 30 to 120 s, which the command line cannot change
        (models / "waiters-2.json").write_text(json.dumps(waiters))
        self._environment = {
            **os.environ,
            **aws.environment(),
            "AWS_DATA_PATH": str(folder / "models"),
            "AWS_PAGER": "",
            "AWS_CONFIG_FILE": os.devnull,
        }

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the folder. Options that are no text are written as JSON."""
        arguments = [str(Path(sys.executable).with_name("aws")), *words]
        for option, value in options.items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += [f"--{option.replace('_', '-')}", text]
        return subprocess.Popen(
            arguments,
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def typed(self, command: str) -> Any:
        """Run a command as it is typed, and read what it answers.

        Args:
            command: What follows `aws`.
        """
        return self(*shlex.split(command))

    def __call__(self, *words: str, **options: Any) -> Any:
        """Run a command to its end and read what it answers."""
        told, errors = (command := self.start(*words, **options)).communicate(timeout=60)
        assert command.returncode == 0, errors
        return json.loads(told) if told.startswith("{") else told
