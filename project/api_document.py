"""What every address of the API may answer: OpenAPI has no place to say it once, so it is said of each."""

from typing import Any

PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
NOT_ACCEPTABLE = {"description": "`Accept` has none of the formats that are here.", "content": PROBLEM}
UNSUPPORTED = {"description": "The body has none of the formats that are taken.", "content": PROBLEM}


def add_common_answers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular."""
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("406", NOT_ACCEPTABLE)
            if "requestBody" in operation:
                operation["responses"].setdefault("415", UNSUPPORTED)
    return result
