"""Converts between sRGB values and linear light (IEC 61966-2-1). Only linear values may be added or blurred."""

from __future__ import annotations

import cv2
import numpy as np


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB of any shape, uint8 or float in [0, 1] -> linear light, float32; the curve continues beyond 1."""
    if values.dtype == np.uint8:
        return _OF_BYTES[values]
    values = np.asarray(values, np.float32)
    curve = ((np.maximum(values, 0) + 0.055) / 1.055) ** np.float32(2.4)
    return np.where(values <= 0.04045, values / 12.92, curve)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """Linear light of any shape -> sRGB, float32; the curve continues beyond [0, 1]: clip if needed."""
    values = np.asarray(values, np.float32)
    if not values.size:
        return values
    # cv2.pow takes a fifth of NumPy's time, but needs two dimensions
    flat = cv2.pow(np.maximum(values, 0).reshape(-1, 1), 1 / 2.4).reshape(values.shape)
    return np.where(values <= 0.0031308, values * np.float32(12.92), flat * np.float32(1.055) - np.float32(0.055))


def luminance(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) linear RGB -> (H, W) relative luminance, Rec. 709."""
    return cv2.transform(image, np.array([[0.2126, 0.7152, 0.0722]], np.float32))


_OF_BYTES = srgb_to_linear(np.arange(256, dtype=np.float32) / 255).astype(np.float32)
