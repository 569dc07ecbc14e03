"""The event camera: exact times on a ramp of brightness, refractory time, noise of the stated strength."""

import numpy as np
import pytest

from brainsim.datasets import EventCamera, EventDataset, saccades
from brainsim.datasets.event_camera import brightness
from brainsim.datasets.readers import Recordings
from brainsim.units import ms


def ramp(start: float, stop: float, frames: int = 11) -> np.ndarray:
    """A video of 1 x 2 pixels: the brightness of the first goes straight, the second rests."""
    level = np.exp(np.linspace(np.log(start), np.log(stop), frames))
    return np.stack([level, np.full(frames, start)], axis=1)[:, None, :]


def test_events_are_where_the_thresholds_are_crossed():
    """Brightness rises by 1 in 100 ms, so that the threshold 0.2 is crossed every 20 ms."""
    events = EventCamera(on=0.2)(ramp(50.0, 50.0 * np.exp(1.001)), 10 * ms)
    np.testing.assert_allclose(events.t_us, np.arange(1, 6) * 20_000 / 1.001, atol=1.01)
    assert events.address.tolist() == [2] * 5  # ON, of the first pixel
    events = EventCamera(off=0.25)(ramp(100.0, 100.0 * np.exp(-1.001)), 10 * ms)
    np.testing.assert_allclose(events.t_us, np.arange(1, 5) * 25_000 / 1.001, atol=1.01)
    assert events.address.tolist() == [0] * 4


def test_brightness_is_linear_in_the_dark_and_goes_on_without_a_step():
    np.testing.assert_allclose(
        brightness(np.array([0.0, 10.0, 20.0, 255.0])), [0, np.log(20) / 2, np.log(20), np.log(255)]
    )


def test_refractory_events_are_lost():
    video = ramp(50.0, 50.0 * np.exp(1.001))
    events = EventCamera(on=0.2, t_ref=30 * ms)(video, 10.0)
    np.testing.assert_allclose(events.t_us, np.array([1, 3, 5]) * 20_000 / 1.001, atol=1.01)


def test_noise_has_the_stated_rate():
    dark, light = np.zeros((11, 40, 40)), np.full((11, 40, 40), 255.0)
    counts = [len(EventCamera(shot_hz=5.0)(video, 100.0, seed=1).t_us) / 1600 for video in (dark, light)]
    np.testing.assert_allclose(counts, [10.0, 2.5], rtol=0.05)  # both polarities, 1 s
    leaking = EventCamera(leak_hz=2.5, mismatch=0.03)(light, 100.0)
    assert len(leaking.t_us) / 1600 == 2 and leaking.address.min() >= 1600


def test_seeds_and_mismatch():
    video = ramp(50.0, 100.0)
    camera = EventCamera(mismatch=0.05, shot_hz=20.0)
    one, again, other = (camera(video, 10.0, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.t_us, again.t_us)
    assert not np.array_equal(one.t_us, other.t_us)


def test_a_moving_picture_becomes_a_recording():
    picture = np.zeros((16, 16))
    picture[6:10, 6:10] = 200
    events = EventCamera()(saccades(picture, 30), 10.0)
    data = EventDataset.of_recordings(Recordings.of([events], np.zeros(1, int)), (2, 16, 16), dt=10.0)
    frames = data.batch(np.array([0]))[0]
    assert frames[:, 0, 0].sum() > 50 and frames[:, 0, 1].sum() > 50 and (np.diff(events.t_us) >= 0).all()
    assert not frames[:, 0, :, 0].any()  # nothing moves at the border


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EventCamera(on=0.0), "`on` must be > 0"),
        (lambda: EventCamera()(np.zeros((1, 2, 2)), 1.0), "`video`: expected shape"),
        (lambda: EventCamera()(np.full((2, 2, 2), 256.0), 1.0), "`video` must be <= 255"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
