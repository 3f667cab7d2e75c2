"""Google's own client against another host: prints what it was told as one JSON object."""

import json
import sys

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import vision
from google.cloud.vision_v1.services.image_annotator.transports.rest import ImageAnnotatorRestTransport

address, photo, url = sys.argv[1:]
transport = ImageAnnotatorRestTransport(host=address, url_scheme="http", credentials=AnonymousCredentials())
client = vision.ImageAnnotatorClient(transport=transport)
LABELS = {"type_": vision.Feature.Type.LABEL_DETECTION}
SAFE_SEARCH = {"type_": vision.Feature.Type.SAFE_SEARCH_DETECTION}


def told(response):
    return {
        "labels": [label.description for label in response.label_annotations],
        "safeSearch": "safe_search_annotation" in response,
        "code": response.error.code,
        "message": response.error.message,
    }


def fails(requests):
    try:
        client.batch_annotate_images(requests=requests)
    except GoogleAPICallError as error:
        return {"type": type(error).__name__, "message": error.message}


with open(photo, "rb") as file:
    coffee = vision.Image(content=file.read())
linked = vision.Image(source=vision.ImageSource(image_uri=url))
broken = vision.Image(content=b"no picture at all")

batch = client.batch_annotate_images(
    requests=[{"image": image, "features": [LABELS, SAFE_SEARCH]} for image in (broken, coffee)]
)
print(
    json.dumps(
        {
            "content": told(client.label_detection(image=coffee)),
            "uri": told(client.label_detection(image=linked)),
            "best": told(client.label_detection(image=coffee, max_results=1)),
            "batch": [told(response) for response in batch.responses],
            "incomplete": fails([{"image": coffee}]),
        }
    )
)
