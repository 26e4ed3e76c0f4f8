#!/usr/bin/env bash
# PyAV: a stream declared as BT.709 is tagged so, but RGB frames are converted to it by BT.601.
#
# Printed on 2026-11-27, Python 3.11, 2 CPU cores:
#     PyAV 18.1.0, numpy 2.4.6
#     grey (128, 128, 128), BT.709 set on stream only: file says 1, read back as (128, 128, 128)
#     grey (128, 128, 128), BT.709 set on stream and frame: file says 1, read back as (128, 128, 128)
#     green (0, 200, 0), BT.709 set on stream only: file says 1, read back as (0, 169, 0)
#     green (0, 200, 0), BT.709 set on stream and frame: file says 1, read back as (0, 200, 0)
#     red (200, 0, 0), BT.709 set on stream only: file says 1, read back as (217, 19, 0)
#     red (200, 0, 0), BT.709 set on stream and frame: file says 1, read back as (201, 0, 1)
#     expected: encode() converts RGB as the stream declares, so colours come back within rounding
#     seen:     the file says BT.709 and holds BT.601: colours shift, greys do not, so tests with greys pass
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import io
import sys

import av
import numpy as np

BT709, LIMITED_RANGE = 1, 1


def there_and_back(color, tag_frame):
    """A lossless video of one colour, written and read by PyAV -> the file's colour space and the colour read."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=10)  # lossless: what changes, the conversion changed
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = BT709
        stream.codec_context.color_range = LIMITED_RANGE
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), color, np.uint8), format="rgb24")
        if tag_frame:
            frame.colorspace = BT709
        container.mux([*stream.encode(frame), *stream.encode()])
    file.seek(0)
    with av.open(file) as container:
        frame = next(container.decode(video=0))
    return int(frame.colorspace), tuple(frame.to_ndarray(format="rgb24")[32, 32].tolist())


def error(color, tag_frame):
    return max(abs(a - b) for a, b in zip(color, there_and_back(color, tag_frame)[1], strict=True))


print(f"PyAV {av.__version__}, numpy {np.__version__}")
COLORS = {"grey": (128, 128, 128), "green": (0, 200, 0), "red": (200, 0, 0)}
for name, color in COLORS.items():
    for tag_frame in (False, True):
        space, back = there_and_back(color, tag_frame)
        where = "stream and frame" if tag_frame else "stream only"
        print(f"{name} {color}, BT.709 set on {where}: file says {space}, read back as {back}")
print("expected: encode() converts RGB as the stream declares, so colours come back within rounding")
plain = {name: error(color, False) for name, color in COLORS.items()}
tagged = max(error(color, True) for color in COLORS.values())
seen = plain["grey"] <= 2 and plain["green"] > 20 and plain["red"] > 10 and tagged <= 2
print("seen:     the file says BT.709 and holds BT.601: colours shift, greys do not, so tests with greys pass" if seen else "changed")
sys.exit(not seen)
PY
