from __future__ import annotations

from typing import Any

import pytest

from local_aws.slack_page import mrkdwn, render


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* and 2*3*4", "<b>bold</b> and 2*3*4"),
        ("_italic_ snake_case_name", "<i>italic</i> snake_case_name"),
        ("~gone~", "<s>gone</s>"),
        ("`*code* <b>`", "<code>*code* &lt;b&gt;</code>"),
        ("```a\n*b*```", "<pre>a\n*b*</pre>"),
        ("<https://x.example/?a=1&amp;b=2|the *job*>", None),
        ("*`job-1`* done", "<b><code>job-1</code></b> done"),
        ("a &lt;b&gt; &amp; c", "a &lt;b&gt; &amp; c"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<javascript:alert(1)|click>", "&lt;javascript:alert(1)|click&gt;"),
        ("<!here> <#C1|notify>", "<b>@here</b> <b>#notify</b>"),
        (":white_check_mark: :unknown_one:", "✅ :unknown_one:"),
    ],
)
def test_mrkdwn_becomes_html_and_nothing_else_does(text: str, html: str | None) -> None:
    linked = '<a href="https://x.example/?a=1&amp;b=2" rel="noreferrer">the <b>job</b></a>'
    assert mrkdwn(text) == (html or linked)


def page(payload: dict[str, Any]) -> str:
    return render([{"received": 1551711600.0, "payload": payload}])


def test_a_message_shows_who_where_when_and_what() -> None:
    html = page({"username": "SageMaker", "channel": "#aws_notify", "text": "*Training started*"})
    for part in (
        "SageMaker</span>",
        "# aws_notify",
        "Monday, March 4, 2019",
        'title="2019-03-04 15:00:00 UTC">15:00<',
        "<b>Training started</b>",
        ">S</div>",
    ):
        assert part in html


def about(run: str, text: str, received: float) -> dict[str, Any]:
    """A message that links to an Airflow run, as the pipelines' do."""
    link = {"type": "mrkdwn", "text": f"<http://localhost:8080/dags/train/runs/{run}/tasks/train|Airflow log>"}
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}, {"type": "context", "elements": [link]}]
    return {"received": received, "payload": {"channel": "#one", "username": "Airflow", "blocks": blocks}}


def test_the_newest_run_comes_first_and_its_messages_are_in_order() -> None:
    day = 86_400.0
    html = render(
        [
            about("r1", "first started", 0),
            about("r2", "second started", day),
            about("r1", "first complete", day + 1),  # late
            about("r2", "second complete", day + 2),
            {"received": day * 2, "payload": {"text": "hello", "channel": "#two"}},
        ]
    )
    texts = ["hello", "second started", "second complete", "first started", "first complete"]
    assert sorted(texts, key=html.index) == texts
    days = ["Saturday, January 3, 1970", "Friday, January 2, 1970", "Thursday, January 1, 1970"]
    assert sorted(days, key=html.index) == days
    assert html.count('class="day"') == html.count('class="run"') == 3
    # Slack names a sender again only after a pause; the channel is named where there are several.
    assert html.count(">Airflow</span>") == 3
    assert html.count('<span class="channel">#one</span>') == 3
    assert "All channels" in html


def test_blocks_are_shown_in_place_of_the_text() -> None:
    html = page(
        {
            "text": "only for notifications",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Deployed *as is* :rocket:"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "*bold*"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Job*\njob-1"}]},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "run 7"}]},
                {"type": "divider"},
                {
                    "type": "actions",
                    "elements": [
                        {
                            "type": "button",
                            "style": "primary",
                            "url": "https://x.example/run",
                            "text": {"type": "plain_text", "text": "Open run"},
                        }
                    ],
                },
                {"type": "video"},
            ],
        }
    )
    assert "only for notifications" not in html
    for part in (
        "<h3>Deployed *as is* 🚀</h3>",
        "<p><b>bold</b></p>",
        "<b>Job</b>\njob-1",
        '<div class="context">run 7</div>',
        "<hr>",
        '<a class="button primary" href="https://x.example/run">Open run</a>',
        "[video block]",
    ):
        assert part in html


def test_plain_text_is_shown_as_it_is() -> None:
    text = {"type": "plain_text", "text": "*a* &lt;b&gt; &amp;amp; &lt;!channel&gt; :rocket:", "emoji": False}
    html = page({"blocks": [{"type": "section", "text": text}]})
    assert "<p>*a* &lt;b&gt; &amp;amp; &lt;!channel&gt; :rocket:</p>" in html


def test_attachments_have_their_colour_bar() -> None:
    html = page(
        {
            "attachments": [
                {"color": "danger", "title": "Failed", "title_link": "https://x.example", "text": "why", "footer": "f"},
                {"color": '"><script>', "fields": [{"title": "Job", "value": "`job-1`"}]},
            ]
        }
    )
    assert 'style="border-color:#e01e5a"' in html
    assert '<b><a href="https://x.example">Failed</a></b>' in html
    assert "<b>Job</b><p><code>job-1</code></p>" in html
    assert "<script>" not in html


def test_whatever_a_payload_holds_the_page_is_made_and_safe() -> None:
    evil = "<img src=x onerror=alert(1)>"
    html = page({"username": evil, "channel": evil, "icon_emoji": evil, "text": evil, "blocks": evil, "attachments": 3})
    assert "<img" not in html
    assert page({"blocks": [{"type": "section", "text": 3}, "x", None], "attachments": [{"fields": "x"}]})


def test_without_messages_it_says_so() -> None:
    assert "No messages yet." in render([])
