"""The names of the fusion operators; what is imported where torch is not wanted."""

FUSIONS = (
    "film",
    "weighted",
    "concatenation",
    "merge_attention",
    "contact_gate",
    "product_of_experts",
    "low_rank_tensor",
)
"""Legal values of `NetConfig.fusion`; the first is the default and the shipped policy's."""
