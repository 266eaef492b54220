"""Image augmentation: colour words stay true, small things stay, nothing moves."""

import itertools

import pytest
import torch
from sensorium_core.errors import ShapeError
from sensorium_sim.scene import RGB
from sensorium_training.objectives.augmentation import (
    OPERATIONS,
    ImageAugmentation,
    ImageAugmentationConfig,
)
from torch.nn.functional import normalize

TABLE = (0.62, 0.58, 0.53)
WORDS = tuple(RGB)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def scene(shade=1.0):
    """A table `(48, 48, 3)` with one block of each colour, and a shadow; uint8."""
    image = torch.tensor(TABLE).expand(48, 48, 3).clone()
    for at, word in enumerate(WORDS):
        row, column = 4 + 22 * (at // 3), 2 + 15 * (at % 3)
        image[row : row + 12, column : column + 12] = torch.tensor(RGB[word])
    image[44:] *= 0.3
    return (255 * (image * shade).clamp(0, 1)).round().to(torch.uint8)


def named(image, by_hue=False):
    """The colour word nearest to the middle of each block `(b, h, w, 3)`, by Euclid in RGB.

    By hue both are brought to unit length first: how bright the lamp is names no colour.
    """
    palette = torch.tensor([RGB[word] for word in WORDS])
    palette = normalize(palette, dim=-1) if by_hue else palette
    found = []
    for at in range(len(WORDS)):
        row, column = 4 + 22 * (at // 3), 2 + 15 * (at % 3)
        middle = image[:, row + 4 : row + 8, column + 4 : column + 8].float().mean((1, 2)) / 255
        middle = normalize(middle, dim=-1) if by_hue else middle
        found.append(torch.cdist(middle, palette).argmin(1))
    return torch.stack(found, 1)


def float_scene(shade=1.0):
    return scene(shade).permute(2, 0, 1).unsqueeze(0).float() / 255


@pytest.mark.parametrize("shade", [0.9 * 0.82, 1.0, 1.08])
def test_no_two_operations_at_full_strength_turn_a_colour_word_into_another(shade):
    """Every ordered pair, at every sign; the darkest lamp and the brightest shade too."""
    signs = (-1.0, 1.0)
    for first, second in itertools.product(OPERATIONS, repeat=2):
        for a, b in itertools.product(signs, repeat=2):
            x = first(float_scene(shade), torch.full((1, 1, 1, 1), a)).clamp(0, 1)
            x = second(x, torch.full((1, 1, 1, 1), b)).clamp(0, 1)
            image = (x * 255).permute(0, 2, 3, 1)
            words = named(image, by_hue=shade != 1.0)
            assert words.tolist() == [list(range(len(WORDS)))], (first, a, second, b)


def test_a_colour_inversion_would_be_caught():
    assert named(255 - scene().unsqueeze(0)).tolist() != [list(range(len(WORDS)))]


def test_drawn_augmentations_keep_every_colour_word_and_change_every_image():
    images = scene().unsqueeze(0).repeat(400, 1, 1, 1)
    changed = ImageAugmentation(ImageAugmentationConfig(magnitude=1.0))(images, seeded())
    assert torch.equal(named(changed), torch.arange(len(WORDS)).expand(400, -1))
    assert float((changed != images).flatten(1).any(1).float().mean()) > 0.95
    assert len(torch.unique(changed.flatten(1), dim=0)) > 300


def test_shape_type_and_input_are_kept_and_the_generator_decides():
    images = torch.randint(0, 256, (3, 20, 30, 3), generator=seeded(), dtype=torch.uint8)
    copy = images.clone()
    augment = ImageAugmentation(ImageAugmentationConfig())
    first, again, other = (augment(images, seeded(seed)) for seed in (1, 1, 2))
    assert first.shape == images.shape
    assert first.dtype == torch.uint8
    assert torch.equal(images, copy)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("operations", [0, 2])
def test_nothing_happens_at_magnitude_zero(operations):
    """Within a grey level; zero operations are the identity."""
    images = torch.randint(0, 256, (8, 16, 16, 3), generator=seeded(), dtype=torch.uint8)
    config = ImageAugmentationConfig(operations=operations, magnitude=0.0)
    changed = ImageAugmentation(config)(images, seeded())
    assert int((changed.int() - images.int()).abs().max()) <= (1 if operations else 0)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.__name__)
def test_nothing_moves(operation):
    """What a far change does to a pixel is no geometry: mirrored in, mirrored out."""
    x = torch.rand(2, 3, 12, 12, generator=seeded())
    for strength in (-1.0, 0.6):
        power = torch.full((2, 1, 1, 1), strength)
        for axis in (2, 3):
            there = operation(x.flip(axis), power)
            torch.testing.assert_close(there, operation(x, power).flip(axis), rtol=0, atol=1e-5)
    dot = torch.full((1, 3, 12, 12), 0.5)
    dot[..., 3, 7] = 0.9
    lit = operation(dot, torch.full((1, 1, 1, 1), 1.0))[0, 0]
    assert int(lit.argmax()) == 3 * 12 + 7


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("strength", [-1.0, 1.0])
def test_a_peg_of_two_pixels_does_not_vanish(operation, strength):
    """At least half of its difference from the table is left."""
    x = torch.tensor(TABLE).reshape(1, 3, 1, 1).expand(1, 3, 24, 24).clone()
    x[..., 10:12, 10:12] -= 0.25
    changed = operation(x, torch.full((1, 1, 1, 1), strength))
    difference = (changed[..., 2, 2] - changed[..., 10:12, 10:12].mean((2, 3))).mean()
    assert float(difference) >= 0.125


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.__name__)
def test_each_row_has_its_own_strength(operation):
    x = torch.rand(2, 3, 8, 8, generator=seeded())
    both = operation(x, torch.tensor([-0.7, 0.9]).reshape(2, 1, 1, 1))
    for row, strength in enumerate((-0.7, 0.9)):
        alone = operation(x[row : row + 1], torch.full((1, 1, 1, 1), strength))
        torch.testing.assert_close(both[row : row + 1], alone)


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 3, 8, 8)])
def test_what_is_not_a_batch_of_images_is_refused(shape):
    augment = ImageAugmentation(ImageAugmentationConfig())
    with pytest.raises(ShapeError, match="expected"):
        augment(torch.zeros(shape, dtype=torch.uint8), seeded())
    with pytest.raises(ShapeError, match="float32"):
        augment(torch.zeros(1, 8, 8, 3), seeded())
