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
"""Legal values of `NetConfig.fusion`."""
DEFAULT_FUSION = {1: "weighted", 2: "film"}
"""By version of the contract. What words mean for what is felt matters where touch decides; pick,
push and press are done as well without (docs/evaluation.md)."""
