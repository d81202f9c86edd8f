"""Whatever is told, Slack takes it, and shows text from outside as it is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fresh_endpoints.run import Run
from fresh_endpoints.telling import slack_text
from fresh_endpoints.telling.message import Message
from local_aws.slack_limits import problem_of_blocks

RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
# Any code point, lone surrogates among them, and often what means something to Slack.
MEANINGS = [
    "*bold*",
    "_x_",
    "~x~",
    "`x`",
    "```",
    "<!channel>",
    "@here",
    "<http://evil|Click>",
    "https://evil",
    ":x:",
    "&",
]
CHARACTERS = st.characters(exclude_categories=())
TEXTS = st.one_of(
    st.text(CHARACTERS),
    st.lists(st.one_of(st.sampled_from(MEANINGS), st.text(CHARACTERS, max_size=3))).map("".join),
    st.builds(lambda text, times: text * times, st.text(CHARACTERS, min_size=1, max_size=5), st.integers(1, 5000)),
)
# Nothing is left behind, and a busy machine is no failure.
ALONE = settings(database=None, deadline=None)
LABELS = st.text(st.characters(categories=["L"]), min_size=1, max_size=10)


@ALONE
@given(sentence=TEXTS, facts=st.dictionaries(LABELS, TEXTS, max_size=12), url=TEXTS)
def test_whatever_is_told_slack_takes_it_and_reads_no_markup_in_it(sentence, facts, url):
    message = Message("❌ Training failed", sentence, facts, {"Airflow log": "https://airflow/" + url})
    blocks = message.blocks(RUN)
    assert problem_of_blocks(blocks) is None
    for text in texts_of(blocks):
        assert js_length(text["text"]) <= 3000
        # What Slack formats is words of our own: labels and links.
        if text["type"] == "mrkdwn":
            assert text["verbatim"]
            assert re.fullmatch(r"\*\w[^*<>]*\*|<https://airflow/[^<>|\s]*\|Airflow log>", text["text"]), text
        else:
            assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", text["text"])
    everything = message.text(RUN) + "".join(text["text"] for text in texts_of(blocks))
    everything.encode()  # No lone surrogate, which is no UTF-8.
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", everything)
    assert js_length(message.text(RUN)) <= 3000


@ALONE
@given(text=TEXTS, most=st.integers(2, 60))
def test_a_text_is_cut_only_where_it_is_too_long_and_never_inside_of_an_escape(text, most):
    fitting = slack_text.fitting(text, most)
    assert js_length(fitting) <= most
    shown = unescaped(fitting)
    whole = slack_text.readable(text)
    if shown == whole or not whole.strip():
        return
    assert shown.endswith("…")
    assert whole.startswith(shown[:-1])
    # Not one character more would have fitted.
    one_more = slack_text.escaped(whole[: len(shown)])
    assert js_length(one_more) + 1 > most


@pytest.mark.parametrize("length", [2900, 3000, 10_000])
def test_a_text_of_ampersands_is_cut_after_it_is_escaped(length):
    section = Message("❌ Training failed", "&" * length).blocks(RUN)[1]
    assert section["text"]["text"] == "&amp;" * 599 + "…"


def test_what_comes_from_outside_is_plain_text():
    blocks = Message("❌ Training failed", "*bold* <!channel> :x: &", {"Reason": "<http://evil|Click>\r\n_x_"}).blocks(
        RUN
    )
    assert blocks[1]["text"] == {
        "type": "plain_text",
        "text": "*bold* &lt;!channel&gt; :x: &amp;",
        "emoji": False,
    }
    assert blocks[2]["fields"][-2:] == [
        {"type": "mrkdwn", "text": "*Reason*", "verbatim": True},
        {"type": "plain_text", "text": "&lt;http://evil|Click&gt;\n_x_", "emoji": False},
    ]


def test_what_is_no_text_is_replaced():
    assert slack_text.readable("a\x00\ud800\u202eb\tc\x85d\u2028e\r\nf 👩‍🔬") == "a\ufffd\ufffd\ufffdb\tc\nd\ne\nf 👩‍🔬"
    assert slack_text.fitting(" \n", 10) == "-"


def test_a_link_ends_where_its_address_ends():
    links = {
        "Airflow log": "https://airflow/runs/a|b>c d?x=%7C&y=1#z",
        "Bad": "javascript:alert(1)",
        "Long": "https://" + "x" * 3000,
    }
    assert slack_text.linked(links) == {
        "type": "mrkdwn",
        "text": "<https://airflow/runs/a%7Cb%3Ec%20d?x=%7C&amp;y=1#z|Airflow log>",
        "verbatim": True,
    }
    assert slack_text.linked({"Script": "javascript:alert(1)"}) is None


@ALONE
@given(heading=TEXTS, pipeline=TEXTS)
def test_the_header_has_the_data_date_whatever_the_rest_is(heading, pipeline):
    [header, *_] = Message(heading, "x").blocks(replace(RUN, pipeline=pipeline))
    assert js_length(header["text"]["text"]) <= 150
    assert header["text"]["text"].endswith(", 2019-03-04")
    assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", header["text"]["text"])


def test_a_name_that_does_not_fit_the_header_is_cut():
    [header, *_] = Message("❌ Training failed", "x").blocks(replace(RUN, pipeline="i" * 200))
    assert header["text"]["text"] == f"❌ Training failed: {'i' * 118}…, 2019-03-04"


def test_only_handles_are_formatted():
    blocks = Message("❌ Training failed", "x", mention=["@channel", "U012", "W012", "S012"]).blocks(RUN)
    assert problem_of_blocks(blocks) is None
    text = "<!channel> <@U012> <@W012> <!subteam^S012>"
    assert blocks[2] == {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


@pytest.mark.parametrize("handle", ["", "@ann", "@here @channel", "U1>", "<!here>", "u012", "*bold*", "@here\n"])
def test_what_is_no_handle_is_never_formatted(handle):
    with pytest.raises(ValueError, match="nobody in Slack is called"):
        slack_text.calling([handle])


def texts_of(blocks):
    for block in blocks:
        yield from filter(None, [block.get("text"), *block.get("fields", ()), *block.get("elements", ())])


def js_length(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def unescaped(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
