"""The blur of the curriculum is a blur, its schedule ends where it says, and training uses it."""

from itertools import pairwise

import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_core.errors import GateConfigError
from sensorium_training.curriculum import BlurCurriculum, blur, blur_images, thin_cloud
from sensorium_training.export import example_inputs
from torch import Tensor

SIGMAS = (0.3, 1.0, 2.5, 6.0, 15.0)


def pictures() -> Tensor:
    return torch.rand(2, 96, 128, 3, generator=torch.Generator().manual_seed(0)) * 255


def inputs(size: int = 3) -> dict[str, Tensor]:
    rows = [example_inputs(tabletop(), seed) for seed in range(size)]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def test_strength_0_changes_nothing_at_all() -> None:
    tensors = inputs()
    assert torch.equal(blur(pictures(), 0.0), pictures())
    assert torch.equal(blur_images(tensors["scene_rgb"], 0.0), tensors["scene_rgb"])
    assert torch.equal(thin_cloud(tensors["cloud"], 0.0), tensors["cloud"])
    for curriculum, progress in ((BlurCurriculum(), 0.0), (BlurCurriculum(8.0, 0.5), 0.5)):
        seen = curriculum.apply(tensors, progress)
        assert all(torch.equal(seen[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_blur_keeps_the_mean_and_the_range(sigma: float) -> None:
    sharp, soft = pictures(), blur(pictures(), sigma)
    assert torch.allclose(sharp.mean((1, 2)), soft.mean((1, 2)), rtol=1e-5)
    assert bool((soft >= sharp.amin((1, 2), keepdim=True) - 1e-3).all())
    assert bool((soft <= sharp.amax((1, 2), keepdim=True) + 1e-3).all())


@pytest.mark.parametrize("sigma", [1.0, 2.5, 6.0])
def test_a_blurred_point_is_a_gaussian_of_that_width(sigma: float) -> None:
    point = torch.zeros(1, 96, 128, 1)
    point[0, 48, 64, 0] = 1.0
    spot = blur(point, sigma)[0, ..., 0]
    for axis, (size, centre) in enumerate(((96, 48.0), (128, 64.0))):
        profile, place = spot.sum(1 - axis), torch.arange(size) - centre
        assert float((profile * place).sum()) == pytest.approx(0.0, abs=1e-2)
        assert float((profile * place.square()).sum()) ** 0.5 == pytest.approx(sigma, rel=0.02)


def test_the_wider_the_blur_and_the_higher_the_frequency_the_more_is_gone() -> None:
    waves = torch.outer(torch.arange(1, 64) * torch.pi / 128, torch.arange(128) + 0.5).cos()
    images = waves[:, None, :, None].expand(-1, 96, -1, 1).contiguous()
    power = images.square().sum((1, 2, 3))
    gains = [(blur(images, s) * images).sum((1, 2, 3)) / power for s in (0.0, *SIGMAS)]
    assert torch.equal(gains[0], torch.ones(63))
    for sharper, softer in pairwise(gains):
        assert bool((softer <= sharper + 1e-6).all())
        assert bool((softer[:10] < sharper[:10]).all())
    for gain in gains[1:]:
        assert bool((gain[1:] <= gain[:-1] + 1e-6).all())
        assert float(gain[-1]) < 0.98 * float(gain[0])


def test_two_blurs_are_one_of_the_variances_sum() -> None:
    twice = blur(blur(pictures(), 3.0), 4.0)
    assert torch.allclose(twice, blur(pictures(), 5.0), atol=1e-3)


def test_the_schedule_falls_from_1_to_0_and_stays_there() -> None:
    curriculum = BlurCurriculum(8.0, 0.4)
    assert curriculum.strength(0.0) == 1.0
    assert curriculum.strength(0.2) == pytest.approx(0.5)
    assert [curriculum.strength(at) for at in (0.4, 0.7, 1.0, 1.2)] == [0.0] * 4
    course = [curriculum.strength(i / 100) for i in range(41)]
    assert all(late < early for early, late in pairwise(course))


@pytest.mark.parametrize(("start", "share"), [(-1.0, 0.5), (float("nan"), 0.5), (1.0, 0.0)])
def test_a_curriculum_that_makes_no_sense_is_refused(start: float, share: float) -> None:
    with pytest.raises(GateConfigError, match="curriculum setting"):
        BlurCurriculum(start, share)


def test_a_thinned_cloud_holds_points_of_the_whole_cloud_first_rows_first() -> None:
    cloud = inputs()["cloud"]
    cloud[2] = 0.0
    counts = cloud[..., 6].sum(1)
    before = counts
    for strength in (0.1, 0.5, 1.0):
        thin = thin_cloud(cloud, strength)
        kept = thin[..., 6].sum(1)
        assert torch.equal(kept, torch.ceil(counts * (1 - strength * 0.875)))
        assert bool((kept <= before).all())
        for row in (0, 1):
            n = int(kept[row])
            assert bool((thin[row, :n, 6] == 1).all())
            assert bool((thin[row, n:] == 0).all())
            assert bool((thin[row, :n, None] == cloud[row]).all(-1).any(-1).all())
            assert len(torch.unique(thin[row, :n], dim=0)) == n
        before = kept
    assert int(thin_cloud(cloud, 1.0)[2].abs().sum()) == 0


def test_the_curriculum_blurs_vision_only_and_leaves_its_inputs_alone() -> None:
    tensors = inputs()
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    seen = BlurCurriculum(6.0, 0.5).apply(tensors, 0.1)
    changed = {name for name in tensors if not torch.equal(seen[name], tensors[name])}
    assert changed == {"scene_rgb", "wrist_rgb", "cloud"}
    for name, copy in copies.items():
        assert torch.equal(copy, tensors[name]), name
        assert seen[name].dtype == copy.dtype
        assert seen[name].shape == copy.shape
