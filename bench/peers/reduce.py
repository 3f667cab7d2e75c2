"""What libvips does in the same time: shrink on load, resize, write. One thread; prints pictures a second."""

import sys
import time

import pyvips

pyvips.cache_set_max(0)
seconds, data = float(sys.argv[1]), open(sys.argv[2], "rb").read()


def reduce():
    return pyvips.Image.thumbnail_buffer(data, 640, height=480).jpegsave_buffer(Q=90)


reduce()
done, started = 0, time.perf_counter()
while time.perf_counter() - started < seconds:
    reduce()
    done += 1
print(done / (time.perf_counter() - started))
