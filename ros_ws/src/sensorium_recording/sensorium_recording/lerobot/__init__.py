"""LeRobotDataset v3.0 on disk, written without lerobot and without torch.

`export` reads bags through the aligner; the other modules know only arrays and files. Needs
pyarrow, which robots do not install: import this package where it is used, not at start-up.
"""
