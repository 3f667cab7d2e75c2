"""boto3 behind two pipes: one call as a JSON line in, its answer as a JSON line out, until stdin ends.

In: {"service": "s3", "operation": "put_object", "params": {...}}; a value {"$bytes": BASE64} or {"$file": PATH} stands for bytes.
Out: {"answer": {...}} with bytes as {"$bytes": BASE64} and times as ISO 8601, or {"error": {"code", "message", "status"}}. The
operation "generate_presigned_url" answers with {"url": ...}.
"""

import base64
import datetime
import json
import pathlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

endpoint, region, key, secret = sys.argv[1:]
session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
# Signature 4 and paths, as everything that is written today does.
config = Config(
    s3={"addressing_style": "path"}, signature_version="v4", retries={"total_max_attempts": 1}, proxies={}, read_timeout=120
)
s3_config = config.merge(Config(signature_version="s3v4"))
clients = {}


def client(service):
    if service not in clients:
        chosen = s3_config if service == "s3" else config
        clients[service] = session.client(service, endpoint_url=endpoint, config=chosen)
    return clients[service]


def decoded(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        if set(value) == {"$file"}:
            return pathlib.Path(value["$file"]).read_bytes()
        return {name: decoded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [decoded(inner) for inner in value]
    return value


def encoded(value):
    if isinstance(value, StreamingBody) or hasattr(value, "read"):
        value = value.read()
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is no JSON")


def answer(call):
    method = getattr(client(call["service"]), call["operation"])
    told = method(**decoded(call.get("params", {})))
    if isinstance(told, str):
        return {"url": told}
    if isinstance(told, dict):
        told.pop("ResponseMetadata", None)
    return told


for line in sys.stdin:
    try:
        reply = {"answer": answer(json.loads(line))}
    except ClientError as error:
        told, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        status = meta.get("HTTPStatusCode", 0)
        reply = {"error": {"code": told.get("Code", ""), "message": told.get("Message", ""), "status": status}}
    except (BotoCoreError, AttributeError, TypeError, ValueError, OSError) as error:
        reply = {"error": {"code": type(error).__name__, "message": str(error), "status": 0}}
    print(json.dumps(reply, default=encoded), flush=True)
