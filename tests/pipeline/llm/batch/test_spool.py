from pathlib import Path

from prefpipe.pipeline.llm.batch.spool import Entry, Spool
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request

MODEL = Model("m", "m", "http://host/v1", "KEY")


def entry(number: int, about: object = None) -> Entry[object]:
    return Entry(about or number, Request(MODEL, b"%d" % number, f"{number:032x}"), stored=number % 2 == 0)


def test_entries_come_back_in_order_as_often_as_they_are_wanted(tmp_path: Path) -> None:
    chunks = [[entry(0), entry(1)], [entry(2)], [entry(number) for number in range(3, 3000)]]
    with Spool[object](tmp_path) as spool:
        for chunk in chunks:
            spool.add(chunk)
        assert list(spool.chunks()) == chunks
        assert next(spool.chunks()) == chunks[0]
        assert list(spool.chunks()) == chunks


def test_what_a_chunk_shares_is_kept_once(tmp_path: Path) -> None:
    shared = {"prompt": "x" * 100_000}
    with Spool[object](tmp_path) as spool:
        spool.add([entry(number, (shared, number)) for number in range(100)])
        assert spool._file.tell() < 200_000


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with Spool[object](tmp_path) as spool:
        spool.add([entry(1)])
        assert list(tmp_path.iterdir()) == []


def test_an_empty_spool_has_no_entries(tmp_path: Path) -> None:
    with Spool[object](tmp_path) as spool:
        assert list(spool.chunks()) == []
