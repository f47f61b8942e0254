"""Words, or characters, inside long texts."""

import json
import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.diff import text_diff
from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import diff
from delta_server.core.diff.text_diff import TextRun
from delta_server.core.diff.text_tokens import tokens
from tests.often import FUZZ

WORDS = "The fire is 20 percent contained and crews work on the line towards the north of the valley, day and night."


def runs(before: str, after: str) -> list[TextRun]:
    """Those of the one change between two documents."""
    [change] = changes(diff(json.dumps({"text": before}).encode(), json.dumps({"text": after}).encode()))
    assert isinstance(change.text, list)
    assert _side(change.text, "-") == before
    assert _side(change.text, "+") == after
    return change.text


def _side(found: list[TextRun], sign: str) -> str:
    return "".join([text for other, text in found if other in ("=", sign)])


def _changed(found: list[TextRun]) -> list[str]:
    return [sign + text for sign, text in found if sign != "="]


def test_words_inside_a_long_text() -> None:
    found = runs(WORDS, WORDS.replace("20", "35").replace("north", "far north"))
    assert _changed(found) == ["-20", "+35", "+ far"]


CHINESE = "今天天气很好我们一起去公园散步然后回家吃饭晚上看电影明天早上继续工作" * 3
JAPANESE = "今日は天気がいいので公園へ散歩に行きました。それから家に帰って晩ご飯を食べました。" * 2
THAI = "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะแล้วกลับบ้านกินข้าวเย็นด้วยกัน" * 2
KHMER = "ថ្ងៃនេះអាកាសធាតុល្អណាស់យើងទៅដើរលេងនៅសួនច្បារហើយត្រឡប់មកផ្ទះវិញ" * 2
HINDI = "आज मौसम बहुत अच्छा है इसलिए हम पार्क में टहलने गए और फिर घर लौट आए और खाना खाया"
EMOJI = "Status: 👩‍👩‍👧 fine, 👍🏽 good, 🇩🇪 north and 🇫🇷 south, all of them well and on their way to the place"

CHANGED = [
    ("a character of Chinese", CHINESE, CHINESE[:40] + "阴" + CHINESE[41:], ["-" + CHINESE[40], "+阴"]),
    ("two characters of Chinese, apart", CHINESE, CHINESE[:9] + CHINESE[10:80] + "阴" + CHINESE[80:], ["-起", "+阴"]),
    ("kana", JAPANESE, JAPANESE.replace("がいい", "はいい", 1), ["-が", "+は"]),
    ("a vowel sign of Thai", THAI, THAI.replace("ดีมาก", "ดิมาก", 1), ["-ดี", "+ดิ"]),
    ("a consonant of Khmer", KHMER, KHMER.replace("ល្អ", "ល្ច", 1), ["-ល្អ", "+ល្ច"]),
    ("a word of Hindi", HINDI, HINDI.replace("अच्छा", "अच्छी"), ["-अच्छा", "+अच्छी"]),
    ("a combining accent", "e" * 70 + " cafe day", "e" * 70 + " cafe\u0301 day", ["-cafe", "+cafe\u0301"]),
    ("a joined emoji", EMOJI, EMOJI.replace("👩‍👩‍👧", "👩‍👩‍👦"), ["-👩‍👩‍👧", "+👩‍👩‍👦"]),
    ("a skin tone", EMOJI, EMOJI.replace("👍🏽", "👍🏿"), ["-👍🏽", "+👍🏿"]),
    ("a flag", EMOJI, EMOJI.replace("🇩🇪", "🇩🇰"), ["-🇩🇪", "+🇩🇰"]),
    ("white space", WORDS, WORDS.replace("fire is", "fire  is"), ["- ", "+  "]),
    ("the end of a word", WORDS, WORDS.replace("contained", "container"), ["-contained", "+container"]),
    ("a word at the end", WORDS, WORDS + " Done.", ["+ Done."]),
    ("a word at the begin", WORDS, "Update: " + WORDS, ["+Update: "]),
    ("a word of 100,000 letters", "a" * 100_000, "a" * 50_000 + "b" + "a" * 50_000, None),
    ("an escape", WORDS * 700, WORDS * 300 + '\n"\\ é' + WORDS * 400, None),
]


@pytest.mark.parametrize(("name", "before", "after", "changed"), CHANGED)
def test_what_changed_inside_a_text(name: str, before: str, after: str, changed: list[str] | None) -> None:
    found = _changed(runs(before, after))
    if changed is not None:
        assert found == changed, name
    assert sum(map(len, found)) < 2_000, name


TOKENS = [
    ("words", "It isn't 3.5", ["It", " ", "isn", "'", "t", " ", "3", ".", "5"]),
    ("Han among words", "2024年 ok", ["2024", "年", " ", "ok"]),
    ("Korean has spaces", "한국어 문장", ["한국어", " ", "문장"]),
    ("Persian with a joiner", "می\u200cخواهم", ["می\u200cخواهم"]),
    ("sara am is part of its base", "ทำ", ["ทำ"]),
    ("a mark alone", "\u0301", ["\u0301"]),
    ("two flags", "🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
    ("a keycap", "1️⃣2", ["1️⃣2"]),
]


@pytest.mark.parametrize(("name", "text", "found"), TOKENS)
def test_tokens(name: str, text: str, found: list[str]) -> None:
    assert tokens(text) == found, name


@settings(max_examples=75 * FUZZ)
@given(st.text())
def test_tokens_make_the_text(text: str) -> None:
    assert "".join(tokens(text)) == text


def test_short_texts_are_shown_whole() -> None:
    [change] = changes(diff(b'{"a":"one two"}', b'{"a":"one three"}'))
    assert not isinstance(change.text, list)


ALPHABET = st.text('ab ,\n"\\é汉กั😀👍🏽\u200d\u0301', max_size=60)


@settings(max_examples=75 * FUZZ)
@given(ALPHABET, ALPHABET, ALPHABET, ALPHABET)
def test_runs_make_both_texts(head: str, old: str, new: str, tail: str) -> None:
    before, after = head + old + tail, head + new + tail
    limits = {"LARGE": 0, "_CONTEXT": 3, "_CUT_BEFORE": 13, "_CUT_WITHIN": 9, "_MAX_COMPARED": 16}
    for ascii_only in (False, True):
        for own, large in (({}, 0), (limits, 0), (limits, 1000)):
            with pytest.MonkeyPatch.context() as patch:
                for name, limit in {**own, "MAX_LARGE_MIDDLE": large}.items():
                    patch.setattr(text_diff, name, limit)
                old_raw, new_raw = (json.dumps(text, ensure_ascii=ascii_only).encode() for text in (before, after))
                for found in (text_diff.runs(before, after), text_diff.of_slices(old_raw, new_raw)):
                    assert (_side(found, "-"), _side(found, "+")) == (before, after)
                    assert all(text for _, text in found)
                    assert all(run[0] != next_run[0] for run, next_run in pairwise(found))


@pytest.mark.parametrize(("limit", "most"), [("MAX_MIDDLE", 100), ("MAX_TOKENS", 20)])
def test_too_much_that_differs_is_one_removed_and_one_added_run(
    limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = "x y " + "a b " * 30 + "end", "x y " + "b c " * 30 + "end"
    assert len(text_diff.runs(before, after)) > 4
    monkeypatch.setattr(text_diff, limit, most)
    assert [sign for sign, _ in text_diff.runs(before, after)] == ["=", "-", "+", "="]


SENTENCE = "The fire is 20 percent contained. "
HUGE: list[tuple[str, str, Callable[[str], str]]] = [
    (
        "one word in the middle",
        "The fire is 20 percent contained. ",
        lambda text: text[:2_000_000] + "XX" + text[2_000_000:],
    ),
    ("both ends", "The fire is 20 percent contained. ", lambda text: "a" + text[1:-2] + "zz"),
    ("every word", SENTENCE, lambda text: text.replace("i", "o")),
    ("a character", "今天天气很好", lambda text: text[:1_000_000] + "坏" + text[1_000_000:]),
    ("a letter of one word", "abcdefgh", lambda text: text[:2_000_000] + "-" + text[2_000_000:]),
    ("few letters", "a b ", lambda text: text.replace("a", "b")),
]


@pytest.mark.parametrize(("name", "piece", "change"), HUGE)
def test_long_texts_cost_no_more_memory_than_their_size(name: str, piece: str, change: Callable[[str], str]) -> None:
    before = piece * (4_000_000 // len(piece.encode()))
    after = change(before)
    old, new = (json.dumps(text, ensure_ascii=False).encode() for text in (before, after))
    tokens(piece)
    tracemalloc.start()
    try:
        found = text_diff.of_slices(old, new)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (_side(found, "-"), _side(found, "+")) == (before, after)
    assert peak < 1.05 * (len(old) + len(new)), name


ONE_CHANGED = [
    ("Chinese", "今天天气很好", "坏"),
    ("emoji, two escapes each", "😀👍", "😃"),
    ("backslashes", "\\\\n今", "坏"),
    ("escapes of one letter", '\n\t"今天', "坏"),
]


@pytest.mark.parametrize(("name", "piece", "put_in"), ONE_CHANGED)
def test_a_large_text_of_nothing_but_escapes_is_cut_too(name: str, piece: str, put_in: str) -> None:
    before = piece * (1_000_000 // len(piece))
    middle = len(piece) * (500_000 // len(piece))
    after = before[:middle] + put_in + before[middle:]
    found = text_diff.of_slices(json.dumps(before).encode(), json.dumps(after).encode())
    assert found == [("=", before[:middle]), ("+", put_in), ("=", before[middle:])], name


def test_every_mark_stays_with_its_base() -> None:
    marks = [chr(code) for code in range(sys.maxunicode + 1) if category(chr(code))[0] == "M"]
    assert len(marks) > 2000
    assert [hex(ord(mark)) for mark in marks if tokens(f"!{mark} {mark}") != [f"!{mark}", " ", mark]] == []
