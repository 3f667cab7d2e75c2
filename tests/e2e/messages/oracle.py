"""Twilio's own validator. In: a JSON list of {"token", "url", "params": [[name, value]], "body", "signature"}; `body` is null for a
form. Out: a list of {"made": the signature that Twilio makes, "valid": whether the one that is given is taken}.
"""

import json
import sys

from twilio.request_validator import RequestValidator


class Params(dict):
    """A form whose names may come more than once."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getall(self, name):
        return self[name]


def answer(case):
    validator = RequestValidator(case["token"])
    params = Params(case["params"])
    given = params if case["body"] is None else case["body"]
    made = validator.compute_signature(case["url"], params if case["body"] is None else {})
    return {"made": made, "valid": validator.validate(case["url"], given, case["signature"])}


print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
