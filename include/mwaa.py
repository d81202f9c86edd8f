"""Builds what an Amazon MWAA environment takes from its bucket: ``dags/``, ``plugins.zip`` and ``requirements.txt``.

MWAA copies dags/ to /usr/local/airflow/dags and unpacks plugins.zip to /usr/local/airflow/plugins; there is no third
folder. So the pipeline files go along with the DAGs, as dags/include/pipelines, where a change of one needs no update
of the environment. https://docs.aws.amazon.com/mwaa/latest/userguide/working-dags.html
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
# Zip knows no earlier moment. All files get it, so the same files give the same archive.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def main(arguments: list[str] | None = None) -> int:
    """Build.

    Args:
        arguments: The command line without the program's name; None for the process's own.

    Returns:
        The exit code: 0 when all is there.
    """
    parser = argparse.ArgumentParser(description="Build dags/, plugins.zip and requirements.txt for an MWAA bucket.")
    parser.add_argument("--airflow", help="the environment's Airflow version (default: the oldest supported)")
    parser.add_argument("--python", default="3.12", help="the environment's Python version (default: %(default)s)")
    parser.add_argument(
        "--pipelines", type=Path, default=ROOT / "include" / "pipelines", help="folder of pipeline files"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder to write (default: dist)")
    options = parser.parse_args(arguments)
    try:
        build(options.output, options.pipelines, options.airflow, options.python)
    except ValueError as error:
        parser.error(str(error))
    _say(f"{options.output} is ready: sync dags/, put plugins.zip and requirements.txt, then update the environment.")
    return 0


def build(output: Path, pipelines: Path, airflow: str | None, python: str) -> None:
    """Write the three, in the place of what was there before.

    Args:
        output: The folder to write.
        pipelines: The folder of the pipeline files.
        airflow: The environment's Airflow version, such as 3.1.8; None for the oldest supported one.
        python: Its Python version, such as 3.12.

    Raises:
        ValueError: Our requirements do not allow that Airflow, a version is malformed, or there is no pipeline file.
    """
    requirements = _requirements(airflow, python)
    files = sorted(path for path in pipelines.glob("*") if path.suffix in (".yaml", ".yml"))
    if not files:
        raise ValueError(f"{pipelines} holds no pipeline file (*.yaml); name the folder with --pipelines")
    dags = output / "dags"
    shutil.rmtree(dags, ignore_errors=True)
    for path in _sources(ROOT / "dags"):
        target = dags / path.relative_to(ROOT / "dags")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (dags / "include" / "pipelines").mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, dags / "include" / "pipelines" / path.name)
    # MWAA wants every file that defines no DAG to be listed.
    # https://docs.aws.amazon.com/mwaa/latest/userguide/configuring-dag-import-plugins.html
    with (dags / ".airflowignore").open("a", encoding="utf-8") as ignored:
        ignored.write("include/\n")
    with zipfile.ZipFile(output / "plugins.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _sources(ROOT / "plugins"):
            entry = zipfile.ZipInfo(path.relative_to(ROOT / "plugins").as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    (output / "requirements.txt").write_text(requirements, encoding="utf-8")


def _requirements(airflow: str | None, python: str) -> str:
    """Make MWAA's requirements: ours without Airflow, which the environment has, below Airflow's own constraints.

    https://docs.aws.amazon.com/mwaa/latest/userguide/working-dags-dependencies.html
    """
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    own = next(requirement for requirement in needed if requirement.name == "apache-airflow")
    oldest = next(bound.version for bound in own.specifier if bound.operator == ">=")
    version = airflow or oldest
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or not own.specifier.contains(version):
        raise ValueError(f"found Airflow {version!r}; allowed {own.specifier}, such as {oldest}")
    if not re.fullmatch(r"3\.\d+", python):
        raise ValueError(f"found Python {python!r}; a version such as 3.12 is allowed")
    constraints = f"https://raw.githubusercontent.com/apache/airflow/constraints-{version}/constraints-{python}.txt"
    others = [str(requirement) for requirement in needed if requirement is not own]
    return "\n".join([f'--constraint "{constraints}"', *others, ""])


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's output


if __name__ == "__main__":
    sys.exit(main())
