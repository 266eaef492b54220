"""Pretraining of the policy's own sense encoders from bags, without labels."""
