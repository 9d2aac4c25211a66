from collections import Counter
from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.llm.simulator import BatchRules, Simulator

CHAT = "/v1/chat/completions"


def body(model: str, number: int) -> bytes:
    return msgspec.json.encode(
        {"model": model, "messages": [{"role": "user", "content": f"Question {number}?"}], "seed": 1}
    )


def content(model: str, count: int) -> bytes:
    lines = (
        b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":%b}' % (number, body(model, number))
        for number in range(count)
    )
    return b"\n".join(lines)


class Desk:
    """A client of a simulator, without HTTP."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def call(self, method: str, path: str, sent: bytes = b"", **headers: str) -> Any:
        reply = self.simulator.respond(method, f"/v1/{path}", headers, sent)
        if reply.status != 200:
            return reply.status, msgspec.json.decode(reply.body)["error"]
        return reply.body if path.endswith("/content") else msgspec.json.decode(reply.body)

    def upload(self, file: bytes, purpose: bytes = b"batch") -> Any:
        form = (
            b'--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n%b\r\n'
            b'--xx\r\nContent-Disposition: form-data; name="file"; filename="f.jsonl"\r\n\r\n%b\r\n--xx--\r\n'
        ) % (purpose, file)
        return self.call("POST", "files", form, **{"content-type": "multipart/form-data; boundary=xx"})

    def create(self, file: bytes, **changes: Any) -> Any:
        wanted: dict[str, Any] = {
            "input_file_id": self.upload(file)["id"],
            "endpoint": CHAT,
            "completion_window": "24h",
            "metadata": {"tag": "t"},
        }
        return self.call("POST", "batches", msgspec.json.encode(wanted | changes))

    def look(self, batch: str) -> Any:
        return self.call("GET", f"batches/{batch}")

    def finish(self, file: bytes) -> Any:
        batch = self.create(file)
        while batch["status"] in {"validating", "in_progress", "finalizing", "cancelling"}:
            batch = self.look(batch["id"])
        return batch

    def lines(self, file_id: str | None) -> list[bytes]:
        found: bytes = self.call("GET", f"files/{file_id}/content") if file_id else b""
        return found.splitlines()


def test_a_batch_passes_through_all_states_as_it_is_looked_at() -> None:
    desk = Desk(Simulator())
    batch = desk.create(content("good?batch_looks=2", 4))
    assert (batch["status"], batch["metadata"]) == ("validating", {"tag": "t"})
    seen = [desk.look(batch["id"]) for _ in range(5)]
    assert [found["status"] for found in seen] == [
        *("in_progress", "in_progress", "finalizing", "completed", "completed")
    ]
    assert [found["request_counts"]["completed"] for found in seen] == [0, 2, 4, 4, 4]


def test_a_batch_can_take_time_instead() -> None:
    now = 1000.0
    desk = Desk(Simulator(clock=lambda: now))
    batch = desk.create(content("good?batch_seconds=100", 4))
    assert batch["created_at"] == 1000
    counts = []
    for now in (1000.0, 1010.0, 1050.0, 1050.0, 1200.0, 1300.0):  # noqa: B007 - the clock reads it
        found = desk.look(batch["id"])
        counts.append(found["request_counts"]["completed"])
    assert counts == [0, 0, 2, 2, 4, 4]
    assert (found["status"], found["completed_at"]) == ("completed", 1300)


def test_a_line_has_the_very_bytes_that_a_call_gets() -> None:
    desk = Desk(Simulator())
    batch = desk.finish(content("good", 20))
    lines = desk.lines(batch["output_file_id"])
    for line in lines:
        number = int(msgspec.json.decode(line)["custom_id"])
        assert b'"body":' + desk.simulator.respond("POST", CHAT, {}, body("good", number)).body in line
    numbers = [int(msgspec.json.decode(line)["custom_id"]) for line in lines]
    assert sorted(numbers) == list(range(20))
    assert numbers != sorted(numbers)


def test_two_simulators_write_the_same_files() -> None:
    found = [Desk(Simulator(rules=BatchRules(duplicated=0.3, foreign=0.3))) for _ in range(2)]
    model = "good?drop=0.1&garbage=0.1&error_500=0.1&expire=0.1"
    batches = [desk.finish(content(model, 50)) for desk in found]
    for place in ("output_file_id", "error_file_id"):
        assert found[0].lines(batches[0][place]) == found[1].lines(batches[1][place]) != []


def test_what_befalls_calls_befalls_lines() -> None:
    desk = Desk(Simulator())
    batch = desk.finish(content("good?drop=0.2&garbage=0.2&error_429=0.1&error_500=0.1&expire=0.2", 200))
    kinds: Counter[object] = Counter()
    for line in desk.lines(batch["output_file_id"]) + desk.lines(batch["error_file_id"]):
        try:
            found = msgspec.json.decode(line)
        except msgspec.DecodeError:
            kinds["garbage"] += 1
        else:
            kinds[found["response"]["status_code"] if found["response"] else found["error"]["code"]] += 1
    assert batch["status"] == "expired"
    assert set(kinds) == {200, 429, 500, "garbage", "batch_expired"}
    assert 120 < sum(kinds.values()) < 190
    assert batch["request_counts"]["failed"] == kinds[429] + kinds[500] + kinds["batch_expired"]


def test_what_failed_is_answered_when_it_is_asked_often_enough() -> None:
    desk = Desk(Simulator())
    file = content("good?drop=0.3&error_500=0.3&expire=0.3", 30)
    batches = [desk.finish(file) for _ in range(4)]
    answered = {
        msgspec.json.decode(line)["custom_id"] for batch in batches for line in desk.lines(batch["output_file_id"])
    }
    assert len(desk.lines(batches[0]["output_file_id"])) < 20
    assert len(answered) == 30


def test_a_request_that_is_wrong_stands_in_the_error_file() -> None:
    desk = Desk(Simulator())
    batch = desk.finish(content("good?context=1", 3))
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    found = [msgspec.json.decode(line)["response"] for line in desk.lines(batch["error_file_id"])]
    assert [response["status_code"] for response in found] == [400] * 3
    assert found[0]["body"]["error"]["code"] == "context_length_exceeded"


def test_lines_can_come_twice_and_unasked() -> None:
    desk = Desk(Simulator(rules=BatchRules(duplicated=1, foreign=1)))
    batch = desk.finish(content("good", 5))
    custom_ids = Counter(msgspec.json.decode(line)["custom_id"] for line in desk.lines(batch["output_file_id"]))
    assert [custom_ids.pop(str(number)) for number in range(5)] == [2] * 5
    assert list(custom_ids.values()) == [1] * 5


@pytest.mark.parametrize(
    ("rules", "code"),
    [(BatchRules(most_requests=3), "too_many_tasks"), (BatchRules(most_enqueued=3), "token_limit_exceeded")],
)
def test_a_batch_beyond_a_limit_fails_before_anything_is_answered(rules: BatchRules, code: str) -> None:
    desk = Desk(Simulator(rules=rules))
    batch = desk.finish(content("good", 4))
    assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", code)
    assert desk.simulator.served.by_model == {}
    assert desk.finish(content("good", 3))["status"] == "completed"


def test_batches_under_way_count_towards_what_may_wait_for_a_model() -> None:
    desk = Desk(Simulator(rules=BatchRules(most_enqueued=3)))
    first, other, second = (desk.create(content(model, 2)) for model in ("good", "weak", "good"))
    assert [desk.look(batch["id"])["status"] for batch in (first, other, second)] == [
        *("in_progress", "in_progress", "failed")
    ]


def test_a_file_beyond_the_limit_is_refused() -> None:
    status, error = Desk(Simulator(rules=BatchRules(most_bytes=10))).upload(b"x" * 11)
    assert (status, error["param"]) == (413, "file")


def test_a_cancelled_batch_gives_what_was_answered_before() -> None:
    desk = Desk(Simulator())
    batch = desk.create(content("good?batch_looks=2", 4))
    desk.look(batch["id"])
    desk.look(batch["id"])
    assert desk.call("POST", f"batches/{batch['id']}/cancel")["status"] == "cancelling"
    batch = desk.look(batch["id"])
    assert (batch["status"], len(desk.lines(batch["output_file_id"]))) == ("cancelled", 2)
    status, error = desk.call("POST", f"batches/{batch['id']}/cancel")
    assert (status, error["message"]) == (400, "Cannot cancel a batch with status 'cancelled'.")


def test_batches_are_listed_in_pages_the_newest_first() -> None:
    desk = Desk(Simulator())
    made = [desk.create(content("good", 1))["id"] for _ in range(5)]
    first = desk.call("GET", "batches?limit=2")
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == (made[:2:-1], True)
    rest = desk.call("GET", f"batches?after={first['last_id']}")
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (made[2::-1], False)
    assert desk.call("GET", "batches?limit=0")[0] == 400
    assert Desk(Simulator()).call("GET", "batches")["data"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"input_file_id": "file-no"},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": "1h"},
        {"metadata": {"long": "x" * 513}},
        {"metadata": {str(number): "" for number in range(17)}},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    assert Desk(Simulator()).create(content("good", 1), **changes)[0] == 400


def test_what_is_not_there_is_not_found() -> None:
    desk = Desk(Simulator())
    assert desk.look("batch_no") == (404, desk.look("batch_no")[1])
    assert desk.call("GET", "files/file-no")[0] == 404
    assert desk.call("GET", "batches?after=batch_no")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "files", 405),
        ("DELETE", "batches", 405),
        ("GET", "batches/b/cancel", 405),
        ("POST", "batches/b", 405),
        ("GET", "files/f/cancel", 404),
        ("GET", "batches/b/content", 404),
    ],
)
def test_other_routes_are_refused(method: str, path: str, status: int) -> None:
    reply = Simulator().respond(method, f"/v1/{path}", {}, b"")
    assert reply.status == status


def test_the_key_is_wanted_here_too() -> None:
    simulator = Simulator(api_key="secret")
    for path in ("files", "batches", "files/f/content"):
        assert simulator.respond("GET", f"/v1/{path}", {}, b"").status == 401
    assert simulator.respond("GET", "/v1/batches", {"authorization": "Bearer secret"}, b"").status == 200


def test_files_for_other_purposes_are_refused() -> None:
    desk = Desk(Simulator())
    assert desk.upload(b"x", b"fine-tune")[1]["param"] == "purpose"
    assert desk.call("POST", "files", b"--xx--", **{"content-type": "multipart/form-data; boundary=xx"})[0] == 400
    kept = desk.upload(b"x")
    assert desk.call("GET", f"files/{kept['id']}") == kept
