"""`python -m sensorium_sim.render_probe`: draws one frame without a screen, or fails saying why.

In a process of its own, because a broken OpenGL can end the process that tries it.
"""

import sys
import time

import mujoco

_SCENE = """
<mujoco>
  <visual><quality shadowsize="0" offsamples="0"/></visual>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="probe" pos="0 -1 1" xyaxes="1 0 0 0 0.7 0.7"/>
    <geom type="plane" size="1 1 0.1" rgba="0.2 0.2 0.2 1"/>
    <geom type="box" size="0.2 0.2 0.2" pos="0 0 0.2" rgba="0.9 0.2 0.2 1"/>
  </worldbody>
</mujoco>
"""


def main() -> None:
    """Draw, check that something can be seen, and write how long a frame takes."""
    model = mujoco.MjModel.from_xml_string(_SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 480, 640) as renderer:
        for _ in range(2):  # The first frame also compiles shaders.
            start_s = time.perf_counter()
            renderer.update_scene(data, "probe")
            image = renderer.render()
            frame_ms = (time.perf_counter() - start_s) * 1e3
    if int(image.max()) - int(image.min()) < 50:
        sys.exit("the frame is blank")
    sys.stdout.write(f"a 640x480 frame in {frame_ms:.1f} ms\n")


if __name__ == "__main__":
    main()
