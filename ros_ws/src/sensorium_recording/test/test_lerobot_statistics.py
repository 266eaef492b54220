"""Statistics in bounded memory: exact where they say so."""

import numpy as np
from sensorium_recording.lerobot.statistics import (
    KEPT_NUMBERS,
    QUANTILES,
    ImageStatistics,
    VectorStatistics,
)


def test_quantiles_of_a_long_series_stay_close_in_bounded_memory():
    values = np.random.default_rng(0).normal(size=(300_000, 2))
    statistics = VectorStatistics(2)
    for start in range(0, len(values), 7777):
        statistics.update(values[start : start + 7777])
    found = statistics.result()
    np.testing.assert_allclose(found["std"], values.std(0), rtol=1e-12)
    for name, share in QUANTILES.items():
        below = (values < found[name]).mean(0)
        np.testing.assert_allclose(below, share, atol=0.03)


def test_a_mean_far_from_zero_does_not_spoil_the_deviation():
    values = 1e9 + np.random.default_rng(1).normal(size=(1000, 1))
    statistics = VectorStatistics(1)
    for part in np.array_split(values, 7):
        statistics.update(part)
    np.testing.assert_allclose(statistics.result()["std"], values.std(0), rtol=1e-6)


def test_one_frame_is_enough():
    vector, image = VectorStatistics(2), ImageStatistics()
    vector.update(np.array([[1.0, -2.0]]))
    image.update(np.full((1, 4, 4, 3), 51, np.uint8))
    assert vector.result()["q50"].tolist() == [1.0, -2.0]
    assert vector.result()["std"].tolist() == [0.0, 0.0]
    assert image.result()["max"].ravel().tolist() == [0.2, 0.2, 0.2]
    assert image.result()["std"].ravel().tolist() == [0.0, 0.0, 0.0]


def test_memory_does_not_grow_with_the_series():
    statistics = VectorStatistics(3)
    for _ in range(300):
        statistics.update(np.zeros((1000, 3)))
    assert statistics._thinned.rows().size <= KEPT_NUMBERS
