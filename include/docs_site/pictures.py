"""Draws the pictures of docs/architecture.md: `make pictures` writes them into docs/images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
_WIDTH, _HEIGHT, _GAP = 400, 46, 18
_LEFT, _RIGHT, _RIGHT_WIDTH = 20, 500, 300
_STYLE = (
    "text{font-family:sans-serif;font-size:13px;fill:#222}.title{font-weight:bold}.inside{fill:#e0f2f1;stroke:#00796b}"
    ".outside{fill:#fff8e1;stroke:#b28704}path{stroke:#555;fill:none}"
)


@dataclass(frozen=True)
class Floor:
    """A row of a picture.

    Attributes:
        title: What stands in the left box.
        text: What it is.
        beside: Title and text of the right box; None where there is none.
    """

    title: str
    text: str
    beside: tuple[str, str] | None = None


# From the top: a room imports only rooms below it. tests/repository/test_architecture.py holds them against the code.
ROOMS = (
    Floor("planning", "what a run will ask of AWS, told without a run", ("fresh-endpoints", "the command, for people")),
    Floor("steps", "what a step does, one file a task", ("dags/", "what runs, and in which order")),
    Floor("telling", "what people are told; it never decides", ("Slack, mail, SNS, …", "people")),
    Floor("page", "what is seen: the Models page", ("Airflow's api-server", "a plugin, and a tab on each DAG")),
    Floor("live, history, permissions, adoption, removal", "what AWS tells, for whoever asks"),
    Floor("run, model_facts, deployment", "one run, one model, one deployment, as data"),
    Floor("waiting", "without a worker slot: watcher, queue, triggers", ("Airflow's triggerer", "one watcher for all")),
    Floor("pipeline_file", "what a file may say, and its checks", ("include/pipelines/*.yaml", "one file a pipeline")),
    Floor("aws", "SageMaker as we speak it", ("SageMaker, S3", "what is true stands there, in tags")),
    Floor("problems", "how a mistake is said"),
)
RUN = (
    Floor("logical date 2019-03-04T15:00Z", "in Asia/Tokyo: DATE 2019-03-05", ("Airflow", "the schedule, or a person")),
    Floor("data date 2019-03-04", "the day before DATE; a form's data_date wins"),
    Floor("S3 keys", "data: input-data-training/2019-03-04/…", ("wait_for_data", "until the files are there")),
    Floor(
        "training job multiclass-2019-03-04-41fa4f4f", "the name follows from the run", ("train", "CreateTrainingJob")
    ),
    Floor("model facts", "artifact, metrics, training job", ("quality gate", "rules on the metrics")),
    Floor(
        "deployment",
        "run + model facts + names of config and endpoint",
        ("deploy", "CreateModel, CreateEndpointConfig"),
    ),
    Floor("decision", "what is seen in AWS → what comes next", ("deploy", "CreateEndpoint or UpdateEndpoint")),
    Floor("live", "InService with this endpoint config", ("smoke test", "right: proven. wrong: the way back")),
    Floor("asset event", "data date, training job, artifact, metrics", ("publish", "→ batch_predict_multiclass")),
)


def picture(title: str, floors: Sequence[Floor]) -> str:
    """Draw floors from the top, joined by arrows.

    Args:
        title: What is shown, for who cannot see it.
        floors: The rows.

    Returns:
        An SVG document, which needs nothing else.
    """
    height = len(floors) * (_HEIGHT + _GAP) + _GAP
    drawn = "\n".join(line for number, floor in enumerate(floors) for line in _floor(number, floor, len(floors)))
    width = _RIGHT + _RIGHT_WIDTH + _LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0 0L8 4L0 8"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{drawn}\n</svg>\n'
    )


def _floor(number: int, floor: Floor, count: int) -> Iterator[str]:
    top = _GAP + number * (_HEIGHT + _GAP)
    yield from _box("inside", _LEFT, top, _WIDTH, floor.title, floor.text)
    if number < count - 1:
        yield _arrow(_LEFT + _WIDTH // 2, top + _HEIGHT, 0, _GAP - 1)
    if floor.beside:
        yield from _box("outside", _RIGHT, top, _RIGHT_WIDTH, *floor.beside)
        middle = top + _HEIGHT // 2
        yield f'<path d="M{_LEFT + _WIDTH} {middle}H{_RIGHT}" stroke-dasharray="4 3"/>'


def _box(kind: str, left: int, top: int, width: int, title: str, text: str) -> Iterator[str]:
    yield f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{_HEIGHT}" rx="6"/>'
    yield f'<text class="title" x="{left + 12}" y="{top + 19}">{escape(title)}</text>'
    yield f'<text x="{left + 12}" y="{top + 37}">{escape(text)}</text>'


def _arrow(left: int, top: int, right: int, down: int) -> str:
    return f'<path d="M{left} {top}l{right} {down}" marker-end="url(#tip)"/>'


PICTURES = {
    "rooms.svg": picture("The rooms of the package, from the top: each uses only those below it", ROOMS),
    "run-as-data.svg": picture("One run, as data: from the logical date to the asset event", RUN),
}

if __name__ == "__main__":
    for name, svg in PICTURES.items():
        (IMAGES / name).write_text(svg, encoding="utf-8")
