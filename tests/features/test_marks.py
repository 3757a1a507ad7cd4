"""What a fourth channel marks 0 does not count."""

import torch

from algan_ad.features.marks import averaged, counted, marked_map, on_finest_grid


def images(marks: torch.Tensor) -> torch.Tensor:
    """uint8 (N, S, S, 4) with these marks, bool (N, S, S)."""
    return torch.cat([torch.full((*marks.shape, 3), 90), 255 * marks[..., None].int()], 3).to(torch.uint8)


def left_half(n: int = 1, side: int = 16) -> torch.Tensor:
    marks = torch.zeros(n, side, side, dtype=torch.bool)
    marks[:, :, : side // 2] = True
    return marks


def test_without_marks_everything_counts() -> None:
    assert counted(images(left_half())[..., :3], (4, 4)) is None


def test_positions_count_whose_pixels_mostly_do() -> None:
    marks = left_half()
    marks[:, :, 8:9] = True  # a quarter of the next position
    assert counted(images(marks), (4, 4))[0].tolist() == [[True, True, False, False]] * 4  # type: ignore[index]


def test_of_a_speck_the_fullest_position_counts_and_of_nothing_none() -> None:
    marks = torch.zeros(2, 16, 16, dtype=torch.bool)
    marks[0, 3:5, 3:4] = True
    marks[0, 4:6, 4:6] = True
    found = counted(images(marks), (4, 4))
    assert found is not None
    assert found[0].nonzero().tolist() == [[1, 1]]
    assert not found[1].any()


def test_means_and_maxima_are_those_of_what_counts() -> None:
    found = torch.arange(16.0).reshape(1, 4, 4)
    found[:, :, 2:] = 1e6
    counts = counted(images(left_half()), (4, 4))
    torch.testing.assert_close(averaged(found, counts)[:, :, :2], averaged(found[:, :, :2], None))
    assert averaged(found, counts).isneginf()[:, :, 2:].all()


def test_the_map_is_lowest_where_nothing_counts() -> None:
    found = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0)) - 5
    found[:, :, 2:] = 1e6
    marked = images(left_half(2, 64))
    heat = marked_map(found, marked, counted(marked, (4, 4)))
    assert heat.shape == (2, 64, 64)
    assert (heat[:, :, 32:] == heat.amin((1, 2))[:, None, None]).all()
    assert heat.max() < -4


def test_an_image_without_a_pixel_that_counts_is_never_the_worst() -> None:
    marked = images(torch.zeros(1, 64, 64, dtype=torch.bool))
    counts = counted(marked, (4, 4))
    assert averaged(torch.ones(1, 4, 4), counts).amax() == -torch.inf
    assert marked_map(torch.ones(1, 4, 4), marked, counts).isfinite().all()


def test_what_does_not_count_weighs_nothing_between_the_positions_of_a_coarse_level() -> None:
    fine, coarse = torch.rand(1, 8, 8), torch.rand(1, 4, 4)
    marked = images(left_half())
    wanted = on_finest_grid([fine, coarse], marked)
    coarse[:, :, 2:] = 1e6
    torch.testing.assert_close(on_finest_grid([fine, coarse], marked)[..., :4], wanted[..., :4])
    everything = on_finest_grid([fine, coarse], images(torch.ones(1, 16, 16, dtype=torch.bool)))
    torch.testing.assert_close(everything, on_finest_grid([fine, coarse], marked[..., :3]))
