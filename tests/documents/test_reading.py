import sys

import pytest

from datakit.documents import Document, cut, find_files, read_documents
from datakit.documents.html import html_text
from datakit.errors import DatakitWarning, InputError, MissingExtraError

PDF_LINE = "BT /F1 12 Tf 72 {y} Td ({text}) Tj ET"


def pdf(*pages):
    """Returns a PDF with the lines of each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for lines in pages:
        shown = "\n".join(
            PDF_LINE.format(y=700 - 20 * at, text=line) for at, line in enumerate(lines)
        )
        objects.append(f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream")
        font = "<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            f"/Resources << /Font {font} >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    body, places = "%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode("latin-1")


def lay(folder, **files):
    for name, content in files.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def test_a_folder_is_read_in_the_order_of_its_names_with_its_folders(tmp_path):
    where = lay(tmp_path, b_txt="b", a__c_md="c", z_HTML="<p>z", hid__x_txt="x", a_txt="a")
    (tmp_path / "hid").rename(tmp_path / ".hid")
    (tmp_path / ".note.txt").write_text("no")
    found = read_documents(where)
    assert [each.file for each in found] == ["a.txt", "a/c.md", "b.txt", "z.HTML"]
    assert [each.text for each in found] == ["a", "c", "b", "z"]


def test_offsets_of_text_and_markdown_are_those_of_the_file(tmp_path):
    raw = "\ufeff---\r\ntitle: A\r\n---\r\n# Head\r\n\r\nText \u2014 here.\r\n"
    where = lay(tmp_path, a_md=raw, b_txt="\ufeffplain\r\ntext")
    markdown, plain = read_documents(where)
    assert markdown.text == raw
    (chunk,) = cut(markdown, 100, 0)
    assert chunk.text == raw[chunk.start : chunk.end] == "# Head\r\n\r\nText \u2014 here."
    (chunk,) = cut(plain, 100, 0)
    assert (chunk.start, chunk.text) == (1, "plain\r\ntext")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("---\na: 1\nb: |\n  x\n---\nText", "Text"),
        ("---\n---\nText", "Text"),
        ("---\na: 1\n...\nText", "Text"),
        ("---\na: 1\n---", ""),
        ("---\nNo key here\n\n---\nText", None),
        ("---\na: 1\nnever closed", None),
        ("Text\n---\na: 1\n---\n", None),
        ("--- a: 1", None),
    ],
)
def test_front_matter(tmp_path, text, content):
    where = lay(tmp_path, a_md=text, b_txt="so that there is some text")
    if content == "":
        with pytest.warns(DatakitWarning, match=r"hold no text: a\.md"):
            assert len(read_documents(where)) == 1
    else:
        document = read_documents(where)[0]
        assert document.text[document.begin :] == (text if content is None else content)


def test_html_keeps_its_blocks_and_drops_what_is_not_read():
    page = """<!doctype html><html><head><title>T</title><style>p {x: y}</style>
    <script>if (a < b) { "<p>no</p>" }</script></head>
    <body><nav><ul><li>Home</li></ul></nav><h1>Fish &amp; <em>Chips</em></h1>
    <p>One   line
    and more.<br>Next line</p><ul><li>first</li><li><p>second</p></li><li></li></ul>
    <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
    <pre>  x = 1
    y = 2</pre><template><p>no</p></template><p>caf&eacute; &#8212; {braces} &lt;tag&gt;</p>
    <!-- no --></body></html>"""
    assert html_text(page) == (
        "Fish & Chips\n\nOne line and more.\nNext line\n\n- first\n\n- second\n\na\tb\n1\t2\n\n"
        "  x = 1\n    y = 2\n\ncaf\u00e9 \u2014 {braces} <tag>"
    )


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<head><title>t</title><body>Text", "Text"),
        ("<head><meta charset=utf-8><p>Text", "Text"),
        ("<p>a<svg><path d=x /><text>no</text></svg>b<svg/>c", "a\n\nbc"),
        ("<nav>a<nav>b</nav>c</nav>d", "d"),
        ("a</p></li></div>b", "a\n\nb"),
        ("just text & more", "just text & more"),
        ("<ul><li></ul><p>x", "x"),
        ("<b>Hello</b> <i>you</i>!", "Hello you!"),
        ("", ""),
    ],
)
def test_html_that_is_not_whole(page, text):
    assert html_text(page) == text


def test_pages_of_a_pdf(tmp_path):
    pytest.importorskip("pypdf")
    where = lay(tmp_path, a_pdf=pdf(["First page.", "Second line."], ["Page two."], ["And three."]))
    (document,) = read_documents(f"{where}/a.pdf")
    assert document.file == "a.pdf"
    assert document.text == "First page.\nSecond line.\n\nPage two.\n\nAnd three."
    at = document.text.index
    assert document.pages_of(0, 5) == [1]
    assert document.pages_of(at("Page two"), at("Page two") + 4) == [2]
    assert document.pages_of(at("Second"), at("two")) == [1, 2]
    assert document.pages_of(0, len(document.text)) == [1, 3]
    assert Document("a.txt", "text").pages_of(0, 4) == []


def test_every_bad_file_is_named_at_once(tmp_path):
    pypdf = pytest.importorskip("pypdf")
    where = lay(tmp_path, a_txt=b"caf\xe9", b_pdf=b"no pdf at all", c_txt="fine")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "d.pdf")
    with pytest.raises(InputError) as caught:
        read_documents(where)
    not_utf8, broken, encrypted = caught.value.problems
    assert "a.txt: not UTF-8 (byte 0xe9 at byte 4). Save the file as UTF-8." in not_utf8
    assert "b.pdf: cannot be read as a PDF" in broken
    assert "d.pdf: is encrypted. Save it without a password." in encrypted


def test_what_is_passed_over_is_said(tmp_path):
    others = {f"n{at}_csv": "x" for at in range(7)}
    where = lay(tmp_path, a_txt="text", b_txt=" \n", c_html="<head></head>", **others)
    with pytest.warns(DatakitWarning) as caught:
        (document,) = read_documents(where)
    assert document.file == "a.txt"
    kinds, empty = sorted(str(each.message) for each in caught)[::-1]
    assert "b.txt, c.html" in kinds + empty
    assert "n0.csv, n1.csv, n2.csv, n3.csv, n4.csv and 2 more" in kinds + empty


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.txt", "no such file or folder"),
        ("a.tx", r'did you mean "a.txt"\?'),
        ("a.csv", r"a document ends in \.md, .* or \.pdf"),
        ("folder", "no file in this folder ends in"),
    ],
)
def test_what_cannot_be_found(tmp_path, name, words):
    lay(tmp_path, a_txt="text", a_csv="x", folder__b_csv="x")
    with pytest.raises(InputError, match=words):
        find_files(str(tmp_path / name))


def test_a_file_without_text_is_an_error_where_it_is_all_there_is(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt: there is no text in it"):
        read_documents(lay(tmp_path, a_txt="\n") + "/a.txt")


def test_without_pypdf(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'datakit\[documents\]'"):
        read_documents(lay(tmp_path, a_pdf=b"%PDF"))
