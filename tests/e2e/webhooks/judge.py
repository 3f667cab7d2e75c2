"""Judges received webhooks: signatures by the official library of Standard Webhooks, bodies by the published JSON Schemas.

In: a JSON list of {"secret", "headers", "body"}, and the folder of the schemas as the argument. Out: a list of verdicts, each
"genuine" or what is wrong.
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook

SCHEMAS = [json.loads(path.read_text()) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json"))]


def verdict(webhook):
    try:
        event = Webhook(webhook["secret"]).verify(webhook["body"], webhook["headers"])
    except Exception as error:  # noqa: BLE001: whatever is wrong is the verdict
        return f"{type(error).__name__}: {error}"
    problems = [[error.message for error in Draft202012Validator(schema).iter_errors(event)] for schema in SCHEMAS]
    return "genuine" if [] in problems else f"no schema takes {event}: {problems}"


print(json.dumps([verdict(webhook) for webhook in json.load(sys.stdin)]))
