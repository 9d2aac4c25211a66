"""Conversations as users write them, turned into a list of `{role, content}` messages."""

from typing import Any

from ..errors import UsageError, did_you_mean

Message = dict[str, str]

ROLES = ("system", "developer", "user", "assistant", "tool")


def conversation(value: Any, place: str) -> list[Message]:
    """Return the messages of a prompt: a string is one user message, a list is checked message by message.

    Args:
        value: A string, or a list of objects with `role` and `content`.
        place: Where it stands, for the message of an error, such as "prompts.jsonl, line 3".

    Raises:
        UsageError: It is neither, is empty, or does not end with a turn that a model can answer.
    """
    if isinstance(value, str):
        if not value.strip():
            raise UsageError(f"{place}: the prompt is empty.", "Remove the row or fill it in.")
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise UsageError(
            f"{place}: the prompt is neither a text nor a list of messages.",
            'Write a string, or [{"role": "user", "content": "…"}].',
        )
    messages = [_message(item, number, place) for number, item in enumerate(value, start=1)]
    if messages[-1]["role"] == "assistant":
        raise UsageError(
            f"{place}: the conversation ends with an assistant's turn, so there is nothing to answer.",
            "Cut the last turn off; if it is a known good answer, put it into a 'reference' column.",
        )
    if not messages[-1]["content"].strip():
        raise UsageError(f"{place}: the last message is empty.", "Remove the row or fill it in.")
    return messages


def _message(item: Any, number: int, place: str) -> Message:
    if not isinstance(item, dict) or not isinstance(item.get("role"), str):
        raise UsageError(f"{place}: message {number} has no role.", "Each message needs 'role' and 'content'.")
    role, content = item["role"], item.get("content")
    if role not in ROLES:
        raise UsageError(f"{place}: message {number} has the unknown role '{role}'.", did_you_mean(role, ROLES))
    if not isinstance(content, str):
        raise UsageError(
            f"{place}: message {number} has no text as its content.",
            "Only text is supported; images and parts are not.",
        )
    return {"role": role, "content": content}
