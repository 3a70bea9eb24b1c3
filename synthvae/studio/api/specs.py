"""Request models, validated before anything is computed: types, finite numbers, sizes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["LARGEST", "Latent", "NearSpec", "Note", "Number", "PlaceSpec", "Point", "Spec", "Strict", "View", "Whole"]

View = Literal[
    "sound", "sound-pca", "timbre", "timbre-pca", "parameters", "parameters-pca", "latent", "latent-pca"
]  # fmt: skip

#: Far outside any map and what any encoder writes, and far inside what float32 and the decoder take.
LARGEST = 1e6
Number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Whole = Annotated[int, Field(ge=0, le=2**53)]
Note = Annotated[float, Field(allow_inf_nan=False, ge=0.0, le=127.0, description="MIDI number of a key; 60 is C4.")]
Latent = Annotated[list[Number], Field(min_length=1, max_length=4096, description="A number per latent dimension.")]
Point = Annotated[list[Number], Field(min_length=2, max_length=2, description="x and y on a map.")]


class Strict(BaseModel):
    """No unknown fields, and no text where a number is meant."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlaceSpec(Strict):
    """A place on a map: the point that it snaps to, or what lies between the points there."""

    view: View
    x: Number
    y: Number
    between: Annotated[bool, Field(description="Whether to decode a latent interpolated between the points.")] = False
    playable: Annotated[bool, Field(description="Whether to snap to playable points alone.")] = False


class NearSpec(Strict):
    """A place on the local plane around a preset, which POST /plane describes."""

    values: Annotated[dict[str, Number], Field(min_length=1, max_length=256, description="Of the preset, by name.")]
    x: Annotated[float, Field(allow_inf_nan=False, ge=-1.0, le=1.0)]
    y: Annotated[float, Field(allow_inf_nan=False, ge=-1.0, le=1.0)]


class Spec(Strict):
    """Which sound is meant: exactly one of these."""

    point: Annotated[Whole, Field(description="The number of a point of the map.")] | None = None
    decoded: (
        Annotated[Whole, Field(description="The number of a point; of recorded sounds what it is decoded to.")] | None
    ) = None
    imported: Annotated[Whole, Field(description="The number of a recording that was put on the map.")] | None = None
    place: PlaceSpec | None = None
    latent: Latent | None = None
    values: (
        Annotated[
            dict[str, Number],
            Field(min_length=1, max_length=256, description="All of the run's parameters in human units, by name."),
        ]
        | None
    ) = None
    bank: Annotated[Whole, Field(description="The number of a preset in the bank.")] | None = None
    near: NearSpec | None = None

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"point": 3}, {"place": {"view": "sound", "x": 0.5, "y": -1.0}}],
        },
    )

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, data: Any) -> Any:  # noqa: ANN401
        if isinstance(data, dict) and sum(value is not None for value in data.values()) != 1:
            raise ValueError("give exactly one of point, decoded, imported, place, latent, values, bank and near")
        return data
