"""The arithmetic and the page of the bench; what it measures is not asked here."""

from pathlib import Path

import numpy as np
import pytest

from bench import ssim
from tests import pictures


def test_a_picture_is_like_itself() -> None:
    picture = ssim.decoded(pictures.encoded(pictures.photograph(120, 80), "png"))
    assert ssim.ssim(picture, picture) == pytest.approx(1.0)


def test_flat_pictures_are_compared_by_brightness_alone() -> None:
    """Without variance the index is (2ab + C1) / (a² + b² + C1)."""
    one, other = np.full((20, 30), 100.0), np.full((20, 30), 150.0)
    expected = (2 * 100 * 150 + ssim.C1) / (100**2 + 150**2 + ssim.C1)
    assert ssim.ssim(one, other) == pytest.approx(expected)


def test_a_negative_is_unlike() -> None:
    rising = np.tile(np.linspace(0.0, 255.0, 40), (40, 1))
    assert ssim.ssim(rising, 255.0 - rising) < 0


def test_more_noise_is_less_alike() -> None:
    picture = ssim.decoded(pictures.encoded(pictures.photograph(120, 80), "png"))
    noise = np.random.default_rng(1).normal(0.0, 1.0, picture.shape)
    values = [ssim.ssim(picture, picture + strength * noise) for strength in (2, 8, 32)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.9 > values[-1]


def test_pictures_of_two_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one size"):
        ssim.ssim(np.zeros((20, 20)), np.zeros((20, 21)))


def test_a_rendition_is_compared_with_its_original_at_the_same_size(tmp_path: Path) -> None:
    original = tmp_path / "photo.png"
    photo = pictures.photograph(400, 300)
    original.write_bytes(pictures.encoded(photo, "png"))
    fine = pictures.encoded(photo.resize(0.5, kernel="lanczos3"), "png")
    coarse = photo.resize(0.5, kernel="lanczos3").jpegsave_buffer(Q=10)
    assert ssim.quality(original, coarse) < ssim.quality(original, fine)
    assert ssim.quality(original, fine) > 0.98
