"""The simulated cell: MuJoCo, tasks, scripted experts, episode generator.

MuJoCo picks its OpenGL library when it is first imported, so the headless default is set here.
"""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "0")
