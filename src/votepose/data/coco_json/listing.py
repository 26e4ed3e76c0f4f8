"""Lists the images of a COCO json without duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from votepose.data.coco_json.values import identity
from votepose.data.remarks import Remark


@dataclass(frozen=True)
class Listing:
    """Images by id.

    Attributes:
        entries: the json's entries, by the `identity` of their ids.
        same: for an image listed again with another id, its key in `entries`, by that id.
        left_out: remarks on unusable entries.
        remarks: remarks on images that are listed twice, by key.
    """

    entries: dict[int | str, dict[str, Any]]
    same: dict[int | str, int | str]
    left_out: list[Remark]
    remarks: dict[int | str, list[Remark]]

    def key(self, image_id: Any) -> int | str | None:
        """The key in `entries` of the image with this id; None if there is none."""
        found = identity(image_id)
        if found is None:
            return None
        found = self.same.get(found, found)
        return found if found in self.entries else None


def list_pictures(images: Iterable[Any]) -> Listing:
    """The usable entries of a json's images. Those that share an id with another image are left out."""
    listing = Listing({}, {}, [], {})
    places: dict[tuple[str, str], int | str] = {}  # ids by zip and file name
    repeated: dict[int | str, list[str]] = {}
    for entry in images:
        name = _name(entry)
        key = identity(entry.get("id")) if isinstance(entry, dict) else None
        if key is None:
            reason = "has no usable 'id'" if isinstance(entry, dict) and "id" in entry else "lacks 'id'"
            listing.left_out.append(Remark(f"the json's entry {reason}", place=name))
            continue
        first = places.setdefault((str(entry.get("shard", "")), name), key) if "file_name" in entry else key
        if first != key:
            listing.same[key] = first
            remark = Remark(f"listed twice, with ids {first} and {key}; read as one", adjusted=True)
            listing.remarks.setdefault(first, []).append(remark)
        elif key not in listing.entries:
            listing.entries[key] = entry
        elif _name(listing.entries[key]) == name:
            listing.remarks.setdefault(key, []).append(Remark("listed twice; read as one", adjusted=True))
        else:
            repeated.setdefault(key, [_name(listing.entries[key])]).append(name)
    for key, names in repeated.items():
        del listing.entries[key]
        remark = Remark(f"has the same id ({key}) as another image; left out")
        listing.left_out.extend(remark.at(name) for name in names)
    return listing


def _name(entry: Any) -> str:
    return str(entry.get("file_name", "?")) if isinstance(entry, dict) else "?"
