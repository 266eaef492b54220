"""How the tokens of the senses become one: the policy's fusion operators, one per module.

`names` lists them without torch, `interface` says what one takes and gives, `choice` finds the
class that a `NetConfig` names. `docs/fusion.md` compares them.
"""
