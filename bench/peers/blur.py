"""What Pillow or libvips does in the same time: decode at an eighth, reduce to 32 x 24 cells, blur them by half a cell, enlarge to
the picture's size, write. One thread; prints pictures a second."""

import io
import sys
import time

name, seconds, data = sys.argv[1], float(sys.argv[2]), open(sys.argv[3], "rb").read()

if name == "pillow":
    from PIL import Image, ImageFilter

    def blur():
        image = Image.open(io.BytesIO(data))
        size = image.size
        image.draft("RGB", (size[0] // 8, size[1] // 8))
        cells = image.resize((32, 24), Image.Resampling.BOX)
        small = cells.resize((256, 192), Image.Resampling.NEAREST).filter(ImageFilter.GaussianBlur(4))
        out = io.BytesIO()
        small.resize(size, Image.Resampling.BILINEAR).save(out, "JPEG", quality=90, subsampling="4:2:0")
        return out.getvalue()

else:
    import pyvips

    pyvips.cache_set_max(0)

    def blur():
        image = pyvips.Image.new_from_buffer(data, "", shrink=8, access="sequential")
        cells = image.resize(32 / image.width, vscale=24 / image.height, kernel="linear")
        small = cells.resize(8, kernel="nearest").gaussblur(4)
        large = small.resize(4000 / small.width, vscale=3000 / small.height, kernel="linear")
        assert (large.width, large.height) == (4000, 3000)
        return large.jpegsave_buffer(Q=90, subsample_mode="on")


blur()
done, started = 0, time.perf_counter()
while time.perf_counter() - started < seconds:
    blur()
    done += 1
print(done / (time.perf_counter() - started))
