"""What `sam package` does, without an account: the template with its code in a bucket, as JSON on stdout.

Arguments: the template, the code's s3:// address, NAME=VALUE for each parameter and env:NAME=VALUE for each setting that every
function gets besides. Two gaps of ministack are filled on the way. It expands SAM's part of a template before it looks at the
parameters that it was given, so their values become the defaults as well; and it takes a parameter of type Number for a text,
so its value stands wherever it is named.
"""

import json
import sys

from samtranslator.yaml_helper import yaml_parse

path, code, *values = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    template = yaml_parse(file.read())
functions = template["Globals"]["Function"]
functions["CodeUri"] = code
for given in values:
    name, value = given.split("=", 1)
    if name.startswith("env:"):
        functions["Environment"]["Variables"][name.removeprefix("env:")] = value
    else:
        template["Parameters"][name]["Default"] = value
numbers = {name: int(of["Default"]) for name, of in template["Parameters"].items() if of["Type"] == "Number"}


def with_numbers(value):
    if isinstance(value, list):
        return [with_numbers(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and value.get("Ref") in numbers:
        return numbers[value["Ref"]]
    return {name: with_numbers(inner) for name, inner in value.items()}


json.dump(with_numbers(template), sys.stdout)
