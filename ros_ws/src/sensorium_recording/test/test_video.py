"""The episode video: opens anywhere, shows what was said and judged."""

from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sensorium_core import image_cdr
from sensorium_core.cdr import wrench_layout
from sensorium_core.errors import BagError
from sensorium_recording import messages
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.commands.video import video
from sensorium_recording.panel import HEIGHT, WIDTH
from sensorium_recording.video import frames, make_video

T0, MS = 10**9, 10**6
WRENCH = "geometry_msgs/msg/WrenchStamped"


def _record(path: Path, verdict: str = "success", namespace: str = "") -> Path:
    stamps = T0 + 2 * MS * np.arange(500)
    wave = np.sin(np.arange(3000) / 200).reshape(500, 6) * 6
    wrench = wrench_layout("tool").encode(stamps, wave)
    with BagWriter(path) as bag:
        text = "please be so kind as to push the purple cylinder a good bit to the left"
        for i in range(500):
            now = int(stamps[i])
            if i % 50 == 0:
                for camera in ("scene", "wrist"):
                    picture = np.full((48, 64, 3), 40 + i // 4, np.uint8)
                    payload = image_cdr.encode_image(now, "c", picture, "rgb8")
                    bag.write(
                        f"{namespace}/camera/{camera}/image_raw", image_cdr.TYPE, now, payload
                    )
            if i == 100:
                payload = messages.encode_string(text)
                bag.write(f"{namespace}/instruction", messages.STRING, now, payload)
                for topic, level, words in (
                    ("gate/status", 1, "holding: wrench is 0.21 s old"),
                    ("policy/step", 0, "acting, 1.4 ms"),
                ):
                    status = messages.Status(topic, level, words)
                    payload = messages.encode_diagnostics(now, [status])
                    bag.write(f"{namespace}/{topic}", messages.DIAGNOSTICS, now, payload)
            bag.write(f"{namespace}/wrench", WRENCH, now, wrench[i])
            bag.write(f"{namespace}/touch/left", WRENCH, now, wrench[i])
        words = {"status": verdict, "reason": "the purple cylinder moved 9 cm"}
        payload = messages.encode_diagnostics(now, [messages.Status("sim", 0, "", words)])
        bag.write(f"{namespace}/sim/outcome", messages.DIAGNOSTICS, now, payload)
    return path


def test_the_command_writes_a_video_that_browsers_play(tmp_path: Path) -> None:
    bag = _record(tmp_path / "ep")
    result = CliRunner().invoke(video, [str(bag), "--fps", "10"])
    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / "ep.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in ("h264", "vp9", "mpeg4")
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (WIDTH, HEIGHT)
        assert sum(1 for _ in container.decode(stream)) == 20
    head = (tmp_path / "ep.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("namespace", ["", "/left_arm"])
def test_words_states_and_verdict_appear(tmp_path: Path, namespace: str) -> None:
    pictures = [
        list(frames(_record(tmp_path / verdict, verdict, namespace), 10))
        for verdict in ("running", "success")
    ]
    before, after = pictures[1][0], pictures[1][8]
    states = (960, 580, 1280, 660)
    assert _differ(before, after, states)
    assert _differ(before, after, (0, 540, 960, 720))
    assert _differ(pictures[0][-1], pictures[1][-1], (0, 540, 960, 720))
    assert not _differ(pictures[0][8], pictures[1][8], (0, 0, 1280, 720))


def _differ(a: Image.Image, b: Image.Image, box: tuple[int, int, int, int]) -> bool:
    return not np.array_equal(np.asarray(a.crop(box)), np.asarray(b.crop(box)))


def test_a_film_is_never_written_over_a_recording(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"end it with \.mp4"):
        make_video(tmp_path / "bag", tmp_path / "bag" / "bag_0.mcap")


def test_a_bag_without_pictures_raises_by_name(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "ep") as bag:
        bag.write("/instruction", messages.STRING, 1, messages.encode_string("hi"))
    with pytest.raises(BagError, match="holds no image of the scene camera"):
        list(frames(tmp_path / "ep"))
