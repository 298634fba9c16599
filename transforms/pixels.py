"""Decode once: pixels of shrunk originals are written to a file that every worker maps.

The page cache holds them, so a mapped one costs no copy: to read 9 MB for each result would take three times as long as
to make it. A file is written once and never changed; where it cannot be written there is no sharing, and no error.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from io import SEEK_CUR, FileIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from pyvips import GValue, Image, Target

from transforms.colour_management import PROFILE
from transforms.headers import Header
from transforms.image import pixels, premultiplied, scale
from transforms.opening import METADATA, Opened, told_by
from transforms.operation import Size
from transforms.shrunk import (
    FORMATS_OF_PIXELS,
    HALVED_FROM,
    INTERPRETATIONS,
    LEAST_REDUCED,
    MOST_BYTES,
    REDUCED_MARGIN,
    Layer,
    Shrunk,
    at_least,
    lying,
)
from transforms.turbo import MARGIN
from transforms.wishes import Loading


@dataclass(frozen=True)
class Sharing:
    """Where to leave the pixels of an original, and whom to tell that they are there."""

    path: Path
    reach: Size
    """The largest result, lying, that others want of it."""
    announce: Callable[[dict[str, Any]], None]
    """Told what the file holds, as JSON values, once it is whole."""


def mapped(path: Path, shrunk: Shrunk, header: Header, loading: Loading, target: Size) -> Opened:
    """An original by way of shared pixels that suffice for `target`, lying. Raises OSError and ValueError."""
    layer = shrunk.layer(target, header)
    if layer is None:
        raise ValueError("the shared pixels are too few")
    with path.open("rb") as file:
        data = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    image = _image(data, shrunk, layer)
    blocks = {name: bytes(data[start : start + length]) for name, (start, length) in shrunk.blocks.items()}
    for name, block in blocks.items():
        image.set_type(GValue.blob_type, name, block)
    orientation = header.orientation if loading.upright else 1
    return Opened(
        frames=[image],
        size=lying(Size(header.width, header.height), orientation),
        orientation=orientation,
        metadata={name: blocks[name] for name in METADATA if name in blocks},
        covered=(layer.across, layer.down),
        array=_array(data, shrunk, layer),
    )


def left(opened: Opened, header: Header, sharing: Sharing) -> Opened:
    """The same original with its pixels decoded and left for others, where they can be shared."""
    frame = opened.frames[0]
    if frame.interpretation not in INTERPRETATIONS or frame.format not in FORMATS_OF_PIXELS:
        return opened
    size, margin = Size(frame.width, frame.height), MARGIN
    pixel = frame.bands * FORMATS_OF_PIXELS[frame.format]
    if size.width * size.height * pixel > MOST_BYTES:
        size, margin = _reduced(header, sharing.reach), REDUCED_MARGIN
        if size.width * size.height * pixel > MOST_BYTES or size.width >= 0.8 * frame.width:
            return opened
        opened = dataclasses.replace(opened, frames=[_held(scale(frame, size), frame)], covered=None, array=None)
    elif opened.covered is None:
        opened = dataclasses.replace(opened, frames=[_held(frame, frame)])
    try:
        shrunk = _written(opened, margin, sharing.path)
    except (OSError, pyvips.Error):  # the pixels are in memory, so it is the disk
        sharing.path.unlink(missing_ok=True)
    else:
        sharing.announce(shrunk.to_dict())
    return opened


def _reduced(header: Header, reach: Size) -> Size:
    """The size of a layer that suffices for results up to `reach`, and for usual ones."""
    most = at_least(reach, header, LEAST_REDUCED)
    share = min(1.0, REDUCED_MARGIN * max(most.width / header.width, most.height / header.height))
    return Size(math.ceil(header.width * share), math.ceil(header.height * share))


def _held(image: Image, file: Image) -> Image:
    """Pixels worked out and held in memory, with what the file says beside them."""
    data = image.write_to_memory()
    held = Image.new_from_memory(data, image.width, image.height, image.bands, image.format)
    return told_by(held.copy(interpretation=image.interpretation), file)


def _written(opened: Opened, margin: float, path: Path) -> Shrunk:
    """Write the pixels and the metadata of an original, and say what stands where. Raises OSError and pyvips.Error."""
    frame = image = opened.frames[0]
    across, down = opened.covered or (float(frame.width), float(frame.height))
    layers, blocks = [], {}
    with path.open("xb", buffering=0) as file:
        while True:
            layers.append(Layer(image.width, image.height, file.seek(0, SEEK_CUR), across, down, margin))
            if image is frame and opened.array is not None:
                _write(file, memoryview(opened.array).cast("B"))
            else:
                image.rawsave_target(Target.new_to_descriptor(file.fileno()))
            if image.width * image.height < HALVED_FROM:
                break
            half = _half(image)
            across, down = across * half.width / image.width, down * half.height / image.height
            image, margin = half, REDUCED_MARGIN
        for name in (PROFILE, *METADATA):
            if frame.get_typeof(name):
                block = bytes(frame.get(name))
                blocks[name] = file.seek(0, SEEK_CUR), len(block)
                file.write(block)
    resolution = frame.xres, frame.yres
    return Shrunk(tuple(layers), frame.bands, frame.format, frame.interpretation, resolution, blocks)


def _write(file: FileIO, data: memoryview) -> None:
    """Write all of it, which one call need not do."""
    while data:
        data = data[file.write(data) :]


def _half(image: Image) -> Image:
    """The picture at half its size, by a tent: half as dear as averages, which libvips takes of wide lines."""
    across, down = -(-image.width // 2) / image.width, -(-image.height // 2) / image.height
    half = premultiplied(image, lambda flat: flat.resize(across, vscale=down, kernel="linear"))
    return pixels(half).copy(interpretation=image.interpretation)


def _array(data: memoryview, shrunk: Shrunk, layer: Layer) -> Any:
    """A layer of a mapped file as numpy's rows of pixels, where it has three or one of eight bits."""
    if shrunk.format != "uchar" or (shrunk.interpretation, shrunk.bands) not in (("srgb", 3), ("b-w", 1)):
        return None
    flat = np.frombuffer(data, np.uint8, layer.width * layer.height * shrunk.bands, layer.offset)
    return flat.reshape(layer.height, layer.width, shrunk.bands)


def _image(data: memoryview, shrunk: Shrunk, layer: Layer) -> Image:
    """A layer of a mapped file, which stays mapped for as long as the image lives."""
    part = data[layer.offset : layer.offset + layer.width * layer.height * shrunk.pixel]
    image = Image.new_from_memory(part, layer.width, layer.height, shrunk.bands, shrunk.format)
    across, down = shrunk.resolution
    return image.copy(interpretation=shrunk.interpretation, xres=across, yres=down)
