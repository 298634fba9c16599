"""A sound as a picture of its wave: pixels, SVG, or the peaks themselves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from pyvips import Image

from transforms.audio.peaks import Values, peaks_of
from transforms.audio.waves import box_of, points
from transforms.facts import Facts
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan
from transforms.wishes import Loading, Waveform

_LEAST: Final = 0.5
"""Half of the pixels that silence is high: a line goes through all of the wave."""
_COLUMNS: Final = 1 << 20
"""Pixels that are drawn at a time."""
_PLAIN: Final = Waveform((51, 102, 204, 255))


def drawn(path: Path, header: Header, loading: Loading, limits: Limits, size: Size) -> Image:
    """The wave of an original's sound at a size, in its colour on nothing. Raises Refusals."""
    wave = loading.waveform or _PLAIN
    heights = _heights(peaks_of(path, header, loading, limits, size.width).values, size.height)
    alpha = Image.new_from_array(_coverage(heights, size.height, wave.colour[3]))
    ground = (Image.black(*size, bands=3) + list(wave.colour[:3])).cast("uchar")
    return ground.copy(interpretation="srgb").bandjoin(alpha.cast("uchar")).copy_memory()


def _heights(values: Values, height: int) -> Values:
    """How far a wave reaches from the middle, in pixels."""
    heights: Values = np.maximum(values * np.float32(height / 2), np.float32(_LEAST))
    return heights


def _coverage(heights: Values, height: int, opacity: int) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    """How much of each pixel the wave covers, from 0 to `opacity`."""
    away = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2)
    alpha = np.empty((height, len(heights)), np.uint8)
    rows = max(1, _COLUMNS // len(heights))
    for top in range(0, height, rows):
        reach = heights[None, :] - away[top : top + rows, None] + 0.5
        alpha[top : top + rows] = np.round(np.clip(reach, 0, 1) * opacity)
    return alpha


def as_svg(values: Values, size: Size, wave: Waveform) -> str:
    """The wave as a drawing of one path: along the top, and back along the bottom."""
    width, height = size
    heights = _heights(values, height).tolist()
    middle = height / 2
    over = "".join(f"V{_short(middle - reach)}h1" for reach in heights)
    back = "".join(f"V{_short(middle + reach)}h-1" for reach in heights[::-1])
    red, green, blue, opacity = wave.colour
    fill = f"#{red:02x}{green:02x}{blue:02x}"
    clear = "" if opacity == 255 else f' fill-opacity="{opacity / 255:.3g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none"><path fill="{fill}"{clear} d="M0 {_short(middle)}{over}{back}z"/></svg>'
    )


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _svg(path: Path, header: Header, plan: Plan, limits: Limits) -> tuple[dict[str, Any], bytes]:
    size = box_of(plan)
    limits.check_result(*size)
    values = peaks_of(path, header, plan.loading, limits, size.width).values
    text = as_svg(values, size, plan.loading.waveform or _PLAIN)
    return {"width": size.width, "height": size.height, "frames": 1}, text.encode()


def _json(path: Path, header: Header, plan: Plan, limits: Limits) -> tuple[dict[str, Any], bytes]:
    number = points(plan)
    limits.check_result(number, 1)
    values, seconds = peaks_of(path, header, plan.loading, limits, number)
    facts: Facts = {
        "seconds": round(seconds, 6),
        "rate": float(f"{number / seconds:.6g}"),
        "peaks": [round(float(value), 3) for value in values],
    }
    return {"facts": facts}, b""


def told(path: Path, header: Header, plan: Plan, form: str, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """The wave in a format that is no pixels, `svg` or `json`: facts about it, and its bytes. Raises Refusals."""
    return _FORMS[form](path, header, plan, limits)


_Form: TypeAlias = Callable[[Path, Header, Plan, Limits], tuple[dict[str, Any], bytes]]
_FORMS: Final[Mapping[str, _Form]] = {
    "svg": _svg,
    "json": _json,
}
