"""The live simulator plays scenes of touch: their truth, their pictures and their judge."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sensorium_core.errors import EpisodeError
from sensorium_core.trajectory import Trajectory
from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.layout import sample_scene
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.scene_markers import scene_markers
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_tasks import target_of

rclpy = pytest.importorskip("rclpy")

from rclpy.context import Context  # noqa: E402
from rclpy.experimental import EventsExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.task import Future  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sensorium_cli.nodes.cell_client import CellClient  # noqa: E402
from sensorium_core.nodes.messages import stamp_to_ns, trajectory_to_message  # noqa: E402
from sensorium_sim.nodes.sim_node import SimNode  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

DOMAIN = 40 + os.getpid() % 60
SEED, WIDTH, HEIGHT = 3, 128, 96
OTHER = 40
"""Two pictures differ in a pixel that is so much brighter or darker: noise alone is less."""
OPEN_M, CLOSED_M = 0.0425, 0.0
pytestmark = pytest.mark.timeout(120)


class RunningSim:
    """The simulator's node; one thread makes, spins and ends it, as its pictures ask for."""

    def __init__(self, cell: str) -> None:
        words = [f"cell:={cell}", f"camera_width:={WIDTH}", f"camera_height:={HEIGHT}",
                 "camera_rate_hz:=10.0", f"episode.seed:={SEED}"]  # fmt: skip
        rclpy.init(args=["--ros-args", *[w for word in words for w in ("-p", word)]],
                   domain_id=DOMAIN)  # fmt: skip
        self.ended, self.thread = Future(), ThreadPoolExecutor(1)
        self.life = self.thread.submit(self._live)

    def _live(self) -> None:
        node, executor = SimNode(), EventsExecutor()
        try:
            node.start_up()
            executor.add_node(node)
            while not self.ended.done():
                executor.spin_until_future_complete(self.ended, timeout_sec=0.1)
            executor.remove_node(node)
        finally:
            executor.shutdown()
            node.destroy_node()

    def close(self) -> None:
        self.ended.set_result(None)
        self.thread.shutdown()
        rclpy.try_shutdown()
        self.life.result()


class Person(CellClient):
    """Sets episodes, says words, moves the arm, and looks at what comes."""

    def __init__(self) -> None:
        super().__init__(DOMAIN)
        self.markers: list[Marker] = []
        self.pictures: list[Image] = []
        self.listen(MarkerArray, "sim/ground_truth", self._on_markers)
        self.listen(Image, "camera/scene/image_raw", self.pictures.append)
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.hand = Node("hand", context=self.context)
        self.arm = self.hand.create_publisher(
            JointTrajectory, "arm_controller/joint_trajectory", 10
        )

    def _on_markers(self, message: MarkerArray) -> None:
        if message.markers[0].action == Marker.DELETEALL:
            self.markers = []
        else:
            self.markers = list(message.markers)

    def until(self, condition: Callable[[], bool], limit_s: float = 30.0) -> None:
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, self.reports
            self.spin(0.05)

    def sim(self) -> dict[str, str]:
        return self.reports["sim"].values if "sim" in self.reports else {}

    def begin(self, seed: int, goal: str) -> None:
        """Set an episode; what came before is forgotten."""
        self.set_episode(seed, goal)
        self.spin(0.1)
        self.reports.clear()
        self.markers = []
        begun_ns = time.time_ns()
        self.until(lambda: bool(self.markers) and self.sim().get("status") == "waiting")
        self.until(lambda: any(stamp_to_ns(p.header.stamp) > begun_ns for p in self.pictures))

    def picture(self) -> np.ndarray:
        return np.array(self.pictures[-1].data, np.uint8).reshape(HEIGHT, WIDTH, 3)

    def close(self) -> None:
        self.hand.destroy_node()
        rclpy.try_shutdown(context=self.context)
        super().close()


def test_the_cell_of_the_tabletop_refuses_touch_in_words() -> None:
    running = RunningSim("tabletop")
    try:
        with CellClient(DOMAIN) as person, pytest.raises(EpisodeError, match="cell:=touch"):
            person.set_episode(SEED, "hold")
    finally:
        running.close()


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    running = RunningSim("touch")
    with Person() as person:
        person.until(lambda: person.arm.get_subscription_count() > 0 and bool(person.sim()))
        yield person
    running.close()


@pytest.fixture(scope="module")
def drawn() -> Iterator[TouchCell]:
    """A cell of this process, to know what is to be seen and where things are."""
    cell = TouchCell(WIDTH, HEIGHT, ("scene",))
    yield cell
    cell.close()


def truth(cell: TouchCell, scene: Scene) -> SceneState:
    cell.reset(scene)
    return cell.ground_truth()


def differing(picture: np.ndarray, cell: TouchCell, scene: Scene) -> int:
    """Pixels in which a picture is not that of a scene at its start."""
    cell.reset(scene)
    far = np.abs(picture.astype(int) - cell.render("scene")[0]).max(axis=2)
    return int((far > OTHER).sum())


@pytest.mark.parametrize("family", ["hold", "insert", "put", "feel"])
def test_a_scene_of_touch_comes_up_with_its_truth_and_is_seen(person, drawn, family) -> None:
    scene, goal = ALL_TASKS[family].reset(SEED)
    person.begin(SEED, family)
    told = person.sim()
    assert (told["goal"], told["family"], told["seed"]) == (goal.words, family, str(SEED))
    assert float(told["time_limit_s"]) == ALL_TASKS[family].time_limit_s
    solids = scene_markers(truth(drawn, scene))
    assert [(m.ns, m.text) for m in person.markers] == [(s.namespace, s.text) for s in solids]
    for marker, solid in zip(person.markers, solids, strict=True):
        at, size = marker.pose.position, marker.scale
        np.testing.assert_allclose([at.x, at.y, at.z], solid.position_m, atol=1e-3)
        np.testing.assert_array_equal([size.x, size.y, size.z], solid.size_m)
    seen = person.picture()
    assert differing(seen, drawn, scene) < 10
    assert differing(seen, drawn, sample_scene(SEED)) > 50


def test_after_touch_a_tabletop_scene_has_nothing_of_it(person, drawn) -> None:
    person.begin(SEED, "put")
    person.begin(SEED, "pick")
    assert {m.ns for m in person.markers} == {"objects", "buttons"}
    assert differing(person.picture(), drawn, ALL_TASKS["pick"].reset(SEED)[0]) < 10


def move(person: Person, cell: TouchCell, way: list[tuple[float, list[float], float]]) -> None:
    """Move the tool along `(time [s], pose x y z yaw, opening [m])`, from where the arm is."""
    joints = [cell.setpoint()[:6]]
    for _, pose, _ in way:
        joints.append(cell.kinematics.ik(joints[-1], np.array(pose)))
    positions = np.array([[*q, w[2]] for q, w in zip(joints[1:], way, strict=True)])
    times = np.array([w[0] for w in way])
    person.arm.publish(trajectory_to_message(Trajectory(0, cell.joint_names, times, positions)))


def verdict(person: Person) -> tuple[str, str]:
    person.until(lambda: person.sim().get("done") == "true")
    return person.sim()["status"], person.sim()["reason"]


def test_the_judge_of_touch_sees_which_one_was_lifted(person, drawn) -> None:
    scene, goal = ALL_TASKS["feel"].reset(SEED)
    state = truth(drawn, scene)
    person.begin(SEED, goal.words)
    person.say(goal.text)
    person.until(lambda: person.sim()["status"] == "running")
    item = state.objects[target_of(goal, state)]
    x, y = item.position[:2]
    heights = ((1.2, 0.12, OPEN_M), (2.0, 0.02, OPEN_M), (2.6, 0.02, CLOSED_M), (3.4, 0.14, 0.0))
    move(person, drawn, [(t, [x, y, z, item.yaw], opening) for t, z, opening in heights])
    assert verdict(person) == ("success", f"the {goal.quality} one was lifted")


def test_the_judge_of_touch_feels_how_hard_a_button_was_pressed(person, drawn) -> None:
    scene, goal = ALL_TASKS["hold"].reset(SEED)
    assert goal.manner == "gently"
    state = truth(drawn, scene)
    person.begin(SEED, goal.words)
    person.say(goal.text)
    person.until(lambda: person.sim()["status"] == "running")
    x, y, top = state.buttons[target_of(goal, state)].position
    way = [(1.2, [x, y, 0.08, 0.0], CLOSED_M), (1.8, [x, y, top - 0.008, 0.0], CLOSED_M)]
    move(person, drawn, way)
    status, reason = verdict(person)
    assert status == "failure"
    assert reason.startswith("pressed with ")
    assert reason.endswith("which is not gently")
