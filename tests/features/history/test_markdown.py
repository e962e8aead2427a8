"""Messages as HTML: what people and models write, and what somebody hostile writes."""

from __future__ import annotations

import time

import pytest

from anuma_dash.features.history.markdown import ALLOWED, to_html
from tests.page import parse_fragment

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src="https://evil.example/x.png" onerror="alert(1)">',
    "![a heron](https://evil.example/x.png)",
    "![a heron][1]\n\n[1]: https://evil.example/x.png 'onload=alert(1)'",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](java\nscript:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:x)",
    "[click](//evil.example)",
    "[click](/keys)",
    "<javascript:alert(1)>",
    "javascript:alert(1) https://evil.example",
    '<div hx-get="/keys" hx-trigger="load" data-copy="x" id="flash" style="color:red">x</div>',
    "<template><div hx-get=/keys></template><hx-partial id=flash></hx-partial>",
    '<svg onload="alert(1)"><use href="#x"/></svg>',
    "<!-- a comment --><!--><script>",
    "<![CDATA[<script>]]> <?php x ?> <!DOCTYPE html>",
    '```js" onload="alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "```<script>\nx\n```",
    '```python hx-get="/keys"\n"</span><script>"\n```',
    '[x](https://example.org "title\\" onclick=alert(1)")',
    "[x](https://example.org/\"onclick='x')",
    "| a | b |\n|---|---|\n| <script> | [x](javascript:1) |\n",
    "> | a |\n> |---|\n> | <table><tr><td>| \n",
    "<iframe src=https://evil.example></iframe><form action=/keys><input name=csrf_token></form>",
    "\u202e<script>\u0000",
    "# <b id=x>title</b> {#flash}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_acts_comes_through(text):
    html = str(to_html(text))
    for part in parse_fragment(html):
        if isinstance(part, str):
            continue
        for element in part.iter():
            tag = str(element.tag).rpartition("}")[2]
            assert tag in ALLOWED, html
            assert set(element.attrib) <= ALLOWED[tag], html
            href = element.get("href")
            assert href is None or href.startswith(("http://", "https://", "mailto:")), html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *soft*", "<p><strong>bold</strong> and <em>soft</em></p>"),
        ("# Title", "<h3>Title</h3>"),
        ("###### Deep", "<h6>Deep</h6>"),
        ("3. three\n4. four", '<ol start="3">\n<li>three</li>\n<li>four</li>\n</ol>'),
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("שלום 👋🏽", "<p>שלום 👋🏽</p>"),
        ("![a heron](https://x.example/h.png)", '<p><span class="picture">a heron</span></p>'),
        ("![](https://x.example/h.png)", '<p><span class="picture">picture</span></p>'),
        (
            "[site](https://example.org/?a=1&b=2)",
            '<p><a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow">site</a></p>',
        ),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
    ],
)
def test_what_is_written_is_read(text, html):
    assert str(to_html(text)).strip() == html


def test_tables_are_tables():
    html = str(to_html("| model | cost |\n|---|--:|\n| echo | $1 |"))
    assert "<th>model</th>" in html
    assert "<td>$1</td>" in html
    assert "style" not in html


def test_code_is_marked_by_class_alone():
    html = str(to_html('```python\nreturn "a<b"  # why\n```'))
    assert '<code class="language-python">' in html
    assert '<span class="tok-kw">return</span>' in html
    assert '<span class="tok-str">&quot;a&lt;b&quot;</span>' in html
    assert '<span class="tok-com"># why</span>' in html
    assert '<span class="tok-com">-- all</span>' in str(to_html("```sql\nselect 1 -- all\n```"))
    assert '<span class="tok-com">/* x\ny */</span>' in str(to_html("```js\n/* x\ny */ 1\n```"))


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "> " * 5_000, "*a " * 30_000, "`" * 20_000, "![" * 10_000, "a|" * 20_000]
)
def test_what_is_written_to_take_long_does_not(text):
    started = time.process_time()
    to_html(text)
    assert time.process_time() - started < 10


UNCLOSED = (
    '"\\' * 24_000,
    "'\\" * 24_000,
    "`\\" * 24_000,
    '"\\"' * 16_000,
    "`a\\" * 16_000,
    "/* " * 16_000,
    "'a " * 16_000,
)


@pytest.mark.parametrize("language", ["js", "python", "sql"])
@pytest.mark.parametrize("code", UNCLOSED)
def test_code_that_closes_nothing_takes_no_longer(code, language):
    started = time.process_time()
    html = str(to_html(f"~~~{language}\n{code}\n~~~"))
    assert time.process_time() - started < 2
    (block,) = (part for part in parse_fragment(html) if not isinstance(part, str))
    assert "".join(block.itertext()).strip() == code.strip()


def test_a_quote_that_nothing_closes_ends_with_its_line():
    html = str(to_html("```js\nlet a = \"open\nreturn 'shut' /* and so on\nreturn\n```"))
    assert "&quot;open" in html
    assert '<span class="tok-str">&quot;open' not in html
    assert '<span class="tok-kw">return</span> <span class="tok-str">&#x27;shut&#x27;</span>' in html
    assert '<span class="tok-com">/* and so on\nreturn' in html
