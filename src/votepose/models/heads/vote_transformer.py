"""The grouping transformer (paper III-D): an encoder over the map, and a decoder for any set of cells.

The decoder's queries attend to the encoder's memory but not to each other, so decoding a few cells gives the same
values as decoding all of them.

Positions enter in one of two ways. `absolute`: sine embeddings are added to the tokens, as in DETR. `relative`:
queries, keys *and values* are rotated by their position and the result is rotated back by the query's (rotary
embeddings, Su et al. 2021, extended to values), so that only a token's content and *relative* position matter. Shifting
the image then shifts the votes, and maps may be larger than in training.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SHORTEST, _LONGEST = 4.0, 400.0  # wavelengths of the position codes, in cells
_LEAST_TOKENS = 32  # minimum number of tokens in a sparse memory


def grid_positions(height: int, width: int, step: float, device: torch.device) -> Tensor:
    """Centres (height * width, 2), x first, in cells, of the tokens of a grid; tokens are `step` cells wide."""
    y = (torch.arange(height, device=device) + 0.5) * step
    x = (torch.arange(width, device=device) + 0.5) * step
    return torch.stack([x[None].expand(height, width), y[:, None].expand(height, width)], dim=-1).reshape(-1, 2)


def phases(positions: Tensor, count: int) -> Tensor:
    """Positions (..., 2) in cells -> angles (..., count): half in proportion to x, half to y."""
    ratio = torch.linspace(0, 1, count // 2, device=positions.device)
    frequencies = 2 * math.pi / (_SHORTEST * (_LONGEST / _SHORTEST) ** ratio)
    return torch.cat([positions[..., :1].float() * frequencies, positions[..., 1:].float() * frequencies], dim=-1)


def sine_embedding(positions: Tensor, width: int) -> Tensor:
    """Positions (..., 2) in cells -> absolute position codes (..., width)."""
    angles = phases(positions, width // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (x_i, x_{i + n/2}) of the last dimension."""
    half = cos.shape[-1]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    """Multi-head attention whose tokens may carry angles (relative positions).

    Queries (B, Q, D) with angles (B or 1, Q, head/2), memory (B, T, D) with angles likewise -> (B, Q, D).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.scale = (width // heads) ** -0.5  # the default, which the tracer would compute from shapes
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def keys_values(self, memory: Tensor, angles: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory, each (B, heads, T, head)."""
        both = self._split(self.key_value(memory), 2 * self.heads)
        if angles is not None:
            both = _rotate(both, angles.cos()[:, None].to(both.dtype), angles.sin()[:, None].to(both.dtype))
        return both[:, : self.heads], both[:, self.heads :]

    def attend(self, queries: Tensor, angles: Tensor | None, key: Tensor, value: Tensor) -> Tensor:
        query = self._split(self.query(queries), self.heads)
        if angles is None:
            return self.output(self._merge(F.scaled_dot_product_attention(query, key, value, scale=self.scale)))
        cos, sin = angles.cos()[:, None].to(query.dtype), angles.sin()[:, None].to(query.dtype)
        seen = F.scaled_dot_product_attention(_rotate(query, cos, sin), key, value, scale=self.scale)
        return self.output(self._merge(_rotate(seen, cos, -sin)))

    def forward(self, queries: Tensor, angles: Tensor | None, memory: Tensor, memory_angles: Tensor | None) -> Tensor:
        return self.attend(queries, angles, *self.keys_values(memory, memory_angles))

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.reshape(*x.shape[:2], heads, self.width // self.heads).transpose(1, 2)

    def _merge(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        return x.reshape(*x.shape[:2], self.width)


def mlp(inputs: int, hidden: int, outputs: int, last_std: float | None = None) -> nn.Sequential:
    """Two linear layers; `last_std` is the standard deviation of the second layer's initial weights."""
    last = nn.Linear(hidden, outputs)
    if last_std is not None:
        nn.init.normal_(last.weight, std=last_std)
        nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), last)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and MLP. (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.mlp = nn.Sequential(nn.LayerNorm(width), mlp(width, 4 * width, width))

    def forward(self, x: Tensor, angles: Tensor | None) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, angles, y, angles)
        return x + self.mlp(x)


class DecoderLayer(nn.Module):
    """Pre-norm cross-attention and MLP, without self-attention, so queries are independent."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.mlp = nn.Sequential(nn.LayerNorm(width), mlp(width, 4 * width, width))

    def forward(self, x: Tensor, angles: Tensor | None, memory: Tensor, memory_angles: Tensor | None) -> Tensor:
        x = x + self.attention(self.norm(x), angles, memory, memory_angles)
        return x + self.mlp(x)


class GroupingTransformer(nn.Module):
    """[F;H] -> memory -> decoded cells.

    `encode` maps [F;H] (B, C + 1, h, w) to a memory (B, T, D) of the map in patches of `patch` x `patch` cells, with
    their positions (1 or B, T, 2) in cells; `decode` maps the [F;H] of Q cells (B, Q, C + 1) at positions (B, Q, 2) to
    their decoded features (B, Q, D). Relative positions are in units of 1 / `pitch` cells. With `sparse`, only the
    patches with the highest presence are encoded, since attention costs the square of their number.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        heads: int,
        encoder_layers: int,
        decoder_layers: int,
        patch: int,
        relative: bool,
        pitch: int = 1,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.heads, self.patch, self.relative = width, heads, patch, relative
        self.pitch, self.sparse = pitch, sparse
        self.embed_patches = nn.Conv2d(channels + 1, width, patch, stride=patch)
        self.embed_cell = nn.Linear(channels + 1, width)
        self.encoder = nn.ModuleList(EncoderLayer(width, heads) for _ in range(encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(width, heads) for _ in range(decoder_layers))
        self.memory_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def angles(self, positions: Tensor) -> Tensor | None:
        """Rotation angles (..., head/2) of tokens at these positions; None if positions are absolute."""
        return phases(self.pitch * positions, self.width // self.heads // 2) if self.relative else None

    def _place(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return tokens if self.relative else tokens + sine_embedding(positions, self.width).to(tokens.dtype)

    def encode(self, presence_features: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.embed_patches(presence_features)
        height, width = tokens.shape[-2:]
        positions = grid_positions(height, width, self.patch, tokens.device)[None]
        x = self._place(tokens.flatten(2).transpose(1, 2), positions)
        if self.sparse:
            chosen = self._likeliest(presence_features[:, -1:])[..., None]
            x = x.gather(1, chosen.expand(-1, -1, self.width))
            positions = positions.expand(x.shape[0], -1, -1).gather(1, chosen.expand(-1, -1, 2))
        angles = self.angles(positions)
        for layer in self.encoder:
            x = layer(x, angles)
        return self.memory_norm(x), positions

    def _likeliest(self, presence: Tensor) -> Tensor:
        """(B, T) indices of the patches with the highest presence: a quarter of them, and some more."""
        patches = F.max_pool2d(presence, self.patch).flatten(1)
        return patches.argsort(dim=1, descending=True)[:, : patches.shape[1] // 4 + _LEAST_TOKENS]

    def decode(self, cells: Tensor, positions: Tensor, memory: Tensor, memory_positions: Tensor) -> Tensor:
        x = self._place(self.embed_cell(cells), positions)
        angles, memory_angles = self.angles(positions), self.angles(memory_positions)
        for layer in self.decoder:
            x = layer(x, angles, memory, memory_angles)
        return self.norm(x)
