"""Senses that go wrong, in physical units: what training and the robustness suite do to inputs.

`amounts` says what can ail a sense and how much, `effects` what that does to one tensor, and
`corruptor` does it to the inputs of the network, validity flags included.
"""
