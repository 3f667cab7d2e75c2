"""The peer of `bench classify`: Pillow and onnxruntime on one thread, decode to labels.

usage: classify.py MODEL.onnx SECONDS PICTURE...
Goes round the pictures until SECONDS have passed and prints images a second and the top class of each picture.
"""

import sys
import time

import numpy
import onnxruntime
from PIL import Image

model, seconds, pictures = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name


def classify(path):
    picture = Image.open(path).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - 224) // 2, (height - 224) // 2
    pixels = numpy.asarray(picture.crop((left, top, left + 224, top + 224)), dtype=numpy.float32)
    return session.run(None, {name: ((pixels - 127) / 128).transpose(2, 0, 1)[None]})[0][0]


tops = [int(classify(path).argmax()) for path in pictures]
done, started = 0, time.monotonic()
while time.monotonic() - started < seconds:
    classify(pictures[done % len(pictures)])
    done += 1
print(done / (time.monotonic() - started), *tops)
