"""The form of an error answer."""

from typing import Any

import httpx


def problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Checks that the answer is an error in its full form with one of these statuses; gives its body."""
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text}"
    assert answer.headers["content-type"].startswith("application/json"), answer.headers
    body = answer.json()
    assert set(body) >= {"result", "name", "message", "code", "uid"}, body
    assert body["result"] == "error"
    assert body["code"] == answer.status_code
    for member in ("name", "message", "uid"):
        assert isinstance(body[member], str) and body[member], body
    return body
