"""The transformer: relative positions, queries that know nothing of each other, attention as defined."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from votepose.models.heads.vote_transformer import (
    Attention,
    GroupingTransformer,
    grid_positions,
    phases,
    sine_embedding,
)

CPU = torch.device("cpu")


def transformer(relative: bool, patch: int = 4) -> GroupingTransformer:
    torch.manual_seed(0)
    return GroupingTransformer(
        7, width=32, heads=2, encoder_layers=2, decoder_layers=2, patch=patch, relative=relative
    ).eval()


def features(height: int = 8, width: int = 12, batch: int = 1) -> Tensor:
    return torch.randn(batch, 8, height, width, generator=torch.Generator().manual_seed(1))


def memory_of(network: GroupingTransformer, maps: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The encoder's answer, were the map's tokens moved by `shift`."""
    tokens = network.embed_patches(maps)
    positions = grid_positions(*tokens.shape[-2:], network.patch, CPU)[None] + shift
    x = network._place(tokens.flatten(2).transpose(1, 2), positions)
    for layer in network.encoder:
        x = layer(x, network.angles(positions))
    return network.memory_norm(x), positions


@pytest.mark.parametrize("relative", [True, False])
@torch.no_grad()
def test_a_shift_of_everything_changes_no_relative_answer(relative: bool) -> None:
    network, maps = transformer(relative), features()
    cells, positions = torch.randn(1, 5, 8), torch.rand(1, 5, 2) * 8
    here, there = torch.zeros(2), torch.tensor([4.0, -8.0])  # whole patches
    answers = [network.decode(cells, positions + shift, *memory_of(network, maps, shift)) for shift in (here, there)]
    assert torch.allclose(*answers, atol=1e-4) == relative


@torch.no_grad()
def test_encode_places_tokens_at_the_middles_of_their_patches() -> None:
    network, maps = transformer(True), features()
    memory, positions = network.encode(maps)
    assert positions.tolist() == [[[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]]
    torch.testing.assert_close(memory, memory_of(network, maps, torch.zeros(2))[0])


@pytest.mark.parametrize("relative", [True, False])
@torch.no_grad()
def test_a_query_s_answer_depends_on_no_other_query(relative: bool) -> None:
    network = transformer(relative)
    memory = network.encode(features(batch=2))
    cells, positions = torch.randn(2, 9, 8), torch.rand(2, 9, 2) * 8
    every = network.decode(cells, positions, *memory)
    some = torch.tensor([7, 2, 2])
    torch.testing.assert_close(
        network.decode(cells[:, some], positions[:, some], *memory), every[:, some], atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_plain_attention_is_as_defined() -> None:
    torch.manual_seed(0)
    layer, queries, memory = Attention(8, 2), torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    q, (k, v) = layer.query(queries)[0], layer.key_value(memory)[0].chunk(2, dim=-1)
    heads = [(q[:, s] @ k[:, s].T / 4**0.5).softmax(dim=-1) @ v[:, s] for s in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(layer(queries, None, memory, None)[0], layer.output(torch.cat(heads, dim=-1)))


@torch.no_grad()
def test_rotated_attention_tells_where_a_token_lies() -> None:
    torch.manual_seed(0)
    layer, query, token = Attention(8, 1), torch.randn(1, 1, 8), torch.randn(1, 1, 8)
    answers = [
        layer(query, phases(torch.zeros(1, 1, 2), 4), token, phases(torch.tensor([[[x, 0.0]]]), 4)) for x in (0.0, 3.0)
    ]
    assert (answers[0] - answers[1]).abs().max() > 1e-2  # of one token, so by its rotated value alone


def test_position_codes_differ_cell_by_cell_and_by_axis() -> None:
    positions = grid_positions(16, 16, 1.0, CPU)
    codes = sine_embedding(positions, 32)
    assert codes.shape == (256, 32)
    gaps = torch.cdist(codes, codes) + 10 * torch.eye(256)
    assert gaps.min() > 0.1
    angles = phases(torch.tensor([[3.0, 5.0], [5.0, 3.0]]), 8)
    torch.testing.assert_close(angles[0], angles[1].roll(4))
    turns = phases(torch.tensor([[1.0, 0.0]]), 8)[0] / (2 * torch.pi)
    torch.testing.assert_close(turns[[0, 3, 4]], torch.tensor([1 / 4, 1 / 400, 0]))  # wavelengths of 4 to 400 cells


def test_relative_positions_are_in_units_of_the_pitch() -> None:
    network = GroupingTransformer(7, 32, 2, encoder_layers=1, decoder_layers=1, patch=4, relative=True, pitch=2)
    angles = network.angles(torch.tensor([[3.0, 5.0]]))
    assert angles is not None
    torch.testing.assert_close(angles, phases(torch.tensor([[6.0, 10.0]]), 8))


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_gradient_reaches_every_parameter(patch: int) -> None:
    network = transformer(True, patch).train()
    memory = network.encode(features())
    network.decode(torch.randn(1, 3, 8), torch.rand(1, 3, 2), *memory).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_sparse_memory_holds_the_likeliest_patches() -> None:
    dense, sparse = transformer(relative=True, patch=2), transformer(relative=True, patch=2)
    sparse.load_state_dict(dense.state_dict())
    sparse.sparse = True
    maps = torch.randn(2, 8, 32, 48)
    maps[:, -1] = 0
    maps[0, -1, 5, 9], maps[1, -1, 30, 2] = 1, 1
    (memory, positions), (_, everywhere) = sparse.encode(maps), dense.encode(maps)
    count = everywhere.shape[1] // 4 + 32
    assert (memory.shape[:2], positions.shape) == ((2, count), (2, count, 2))
    patch = sparse.patch
    for image, (row, column) in enumerate(((5, 9), (30, 2))):
        middle = [(cell // patch + 0.5) * patch for cell in (column, row)]
        assert positions[image, 0].tolist() == middle
    small = torch.randn(1, 8, 8, 8)  # fewer patches than a sparse memory holds at least: all of them
    assert sparse.encode(small)[0].shape == dense.encode(small)[0].shape
