"""Self-supervised objectives for pretraining, one per module; `compose` builds their sum."""
