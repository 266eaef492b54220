"""From the name of a fusion operator to its class."""

from sensorium_core.errors import UnknownNameError

from sensorium_training.fusion.concatenation import Concatenation
from sensorium_training.fusion.contact_gate import ContactGate
from sensorium_training.fusion.film import Film
from sensorium_training.fusion.interface import Fusion
from sensorium_training.fusion.low_rank_tensor import LowRankTensor
from sensorium_training.fusion.merge_attention import MergeAttention
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.fusion.product_of_experts import ProductOfExperts
from sensorium_training.fusion.weighted import Weighted


def fusion_class(name: str) -> type[Fusion]:
    """The operator of a name in `FUSIONS`; made of a `NetConfig`. Raises `UnknownNameError`."""
    classes: dict[str, type[Fusion]] = {
        "weighted": Weighted,
        "concatenation": Concatenation,
        "film": Film,
        "merge_attention": MergeAttention,
        "contact_gate": ContactGate,
        "product_of_experts": ProductOfExperts,
        "low_rank_tensor": LowRankTensor,
    }
    if name not in classes:
        raise UnknownNameError("fusion operator", name, FUSIONS)
    return classes[name]
