"""The evaluation that cannot fool itself: rows of senses and baselines, columns of figures.

`task_sets` says what is tried, `rows` by whom and under what condition, `running` runs it and
`store` keeps what is done, `offline` measures the error on recorded demonstrations, `report` makes
the tables. `scene_seeds` says which scenes are for what. No torch, but for corrupted senses.
"""
