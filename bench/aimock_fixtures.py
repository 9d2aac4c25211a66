"""Canned texts for aimock: two writers, one of them plainly better, and a judge that sees it wherever it stands."""

from typing import Any

WRITERS = ["brief", "thorough"]
JUDGE = "referee"

_TEXTS = {"brief": "It depends.", "thorough": "Thoroughly: there are three things to know about this, one by one."}
_REASONING = "One of them says more."
_ASKED = {"pairwise": "compare two responses", "listwise": "rank 2 responses"}


def fixtures() -> dict[str, Any]:
    """Return what `llmock --fixtures` reads; the first fixture that matches answers."""
    answers: list[tuple[str, str, dict[str, object], str]] = [
        ("pairwise", "A", {"verdict": "A"}, "[[A]]"),
        ("pairwise", "B", {"verdict": "B"}, "[[B]]"),
        ("listwise", "A", {"ranking": [["A"], ["B"]]}, "[[A > B]]"),
        ("listwise", "B", {"ranking": [["B"], ["A"]]}, "[[B > A]]"),
    ]
    matched: list[tuple[dict[str, str], object]] = []
    for protocol, label, fields, text in answers:
        match = {"model": JUDGE, "systemMessage": _ASKED[protocol], "userMessage": f"<response_{label}>\nThoroughly"}
        matched.append((match | {"responseFormat": "json_schema"}, {"reasoning": _REASONING, **fields}))
        matched.append((match, f"{_REASONING}\n{text}"))
    matched += [({"model": name}, text) for name, text in {**_TEXTS, JUDGE: "Well."}.items()]
    return {"fixtures": [{"match": match, "response": {"content": content}} for match, content in matched]}
