import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.simulator.files import Files, Part, read_form
from prefpipe.pipeline.llm.simulator.wire import ApiError

KIND = "multipart/form-data; boundary=xx"


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--xx\r\n%b\r\n\r\n%b\r\n" % (head.encode(), content) for head, content in parts) + b"--xx--\r\n"


@given(st.binary().filter(lambda content: b"--xx" not in content), st.booleans())
def test_a_form_gives_back_every_byte_of_its_parts(content: bytes, quoted: bool) -> None:
    head = 'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: text/plain'
    body = form(('Content-Disposition: form-data; name="purpose"', b"batch"), (head, content))
    found = read_form(KIND if not quoted else 'multipart/form-data; boundary="xx"', body)
    assert found == {"purpose": Part(b"batch"), "file": Part(content, "a.jsonl")}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        (KIND, b""),
        (KIND, b"--xx\r\n"),
        (KIND, b"before" + form(('name="a"', b""))),
        (KIND, form(("no name", b""))),
        (KIND, b'--xx\r\nname="a"\r\n--xx--\r\n'),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_form(kind, body)
    assert caught.value.status == 400


def test_a_file_is_kept_under_an_id_of_its_own() -> None:
    files = Files()
    kept = [files.add("a", "batch", b"same", 7) for _ in range(2)]
    assert kept[0].id != kept[1].id
    assert files.get(kept[1].id).content == b"same"
    assert kept[0].as_object()["bytes"] == 4
    assert [Files().add("a", "batch", b"same", 7).id for _ in range(2)] == [kept[0].id] * 2


def test_a_file_that_is_not_there_is_not_found() -> None:
    with pytest.raises(ApiError, match="No such File object: file-1") as caught:
        Files().get("file-1")
    assert caught.value.status == 404
