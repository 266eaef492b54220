"""The fast half, learned: a small recurrent head that corrects a motion from force alone.

`make` does all of it: contacts by scripted experts, training, rollouts of its own, the file.
"""
