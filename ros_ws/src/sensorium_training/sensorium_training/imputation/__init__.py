"""What stands in for a missing sense: the ways beside plain learned tokens, one per module.

`names` lists them without torch, `interface` says what one takes and gives, `config` how they are
trained, `choice` finds the one that a `NetConfig` names. `docs/fusion.md` compares them.
"""
