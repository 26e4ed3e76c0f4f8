"""OpenAPI schemas of the responses of /v1/poses: the record of `Poses.to_record`, and the one-line error."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

# OpenAPI 3.0 knows no type null
FileName = Annotated[str | None, WithJsonSchema({"type": "string", "nullable": True})]


class Keypoint(BaseModel):
    """One joint, in pixels of the image with its EXIF orientation applied."""

    x: float
    y: float
    confidence: float = Field(ge=0, le=1, description="expected OKS of the keypoint")
    seen: bool = Field(description="true if visible, false if inferred from the rest of the body")


class Person(BaseModel):
    """One person."""

    score: float = Field(ge=0, le=1)
    box: list[float] = Field(min_length=4, max_length=4, description="x1, y1, x2, y2 of the keypoints' hull, in pixels")
    keypoints: dict[str, Keypoint]


class Record(BaseModel):
    """The people in one image, best first, as written by `votepose predict --format records`."""

    image: FileName = Field(description="file name sent by the client")
    width: int
    height: int
    people: list[Person]


class Problem(BaseModel):
    """Reason why a request failed."""

    detail: str = Field(description="one line of text")


class Failure(BaseModel):
    """An image of a batch that failed, with the status and reason as from /v1/poses."""

    image: FileName = Field(description="file name sent by the client")
    status: int
    detail: str = Field(description="one line of text")


class Batch(BaseModel):
    """One entry per image, in order."""

    results: list[Record | Failure]


_NOSE = {"x": 223.28, "y": 115.43, "confidence": 0.9671, "seen": True}
_HIP = {"x": 149.24, "y": 530.77, "confidence": 0.4154, "seen": False}
_PERSON = {"score": 0.7741, "box": [11.48, 90.31, 404.85, 530.77], "keypoints": {"nose": _NOSE, "left_hip": _HIP}}
EXAMPLE = {"image": "astronaut.jpg", "width": 512, "height": 512, "people": [_PERSON]}

_ERRORS = {
    400: ("No image in the request", "the form holds no file; send the image in a field named file"),
    401: (
        "Missing or invalid API key",
        "this server needs an API key; send it in the header X-API-Key, or as Authorization: Bearer",
    ),
    408: ("The upload took too long", "the upload took longer than 30 s"),
    413: ("Too many bytes or pixels", "the image is over the limit of 16 MiB; send a smaller one"),
    415: ("Not an image", "this is not an image of a known format: JPEG, PNG, WEBP, GIF, TIFF, BMP, AVIF"),
    422: (
        "A broken image, or an option that is unknown or out of range",
        "threshold: no such option; did you mean score_threshold?",
    ),
    503: ("All slots are taken; Retry-After says when to try again", "the server is busy; try again in 2 s"),
    504: ("The time limit was reached", "no result within the time limit of 30 s; send a smaller image or try later"),
}

_BINARY = {"type": "string", "format": "binary"}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": _BINARY}},
            "encoding": {"file": {"contentType": "image/*"}},
        },
        "image/*": {"schema": _BINARY},
    },
}

BATCH_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": {"type": "array", "items": _BINARY}}},
            "encoding": {"file": {"contentType": "image/*"}},
        }
    },
}


def responses() -> dict[int | str, dict[str, Any]]:
    """The `responses` of the route, with an example for each status."""
    pictures = {kind: {"schema": _BINARY} for kind in ("image/png", "image/jpeg")}
    found = {"description": "The people, best first, or a drawing of them", "model": Record}
    return {200: found | {"content": {"application/json": {"example": EXAMPLE}, **pictures}}, **_errors()}


def batch_responses() -> dict[int | str, dict[str, Any]]:
    """The `responses` of the route for several images."""
    failure = {"image": "notes.txt", "status": 415, "detail": _ERRORS[415][1]}
    example = {"results": [EXAMPLE, failure]}
    found = {"description": "The people or an error for each image, in order", "model": Batch}
    return {200: found | {"content": {"application/json": {"example": example}}}, **_errors()}


def _errors() -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": text, "model": Problem, "content": {"application/json": {"example": {"detail": line}}}}
        for status, (text, line) in _ERRORS.items()
    }
