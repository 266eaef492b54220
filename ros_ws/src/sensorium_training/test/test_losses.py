"""Each loss falls when what it asks for comes nearer; rows that it does not mean are silent."""

from dataclasses import replace

import pytest
import torch
from sensorium_training.losses import WEIGHTS, Labels, policy_losses, total
from sensorium_training.network import NetOutput

ROWS, ANCHORS = 4, 5


def truth(present: float = 1.0) -> Labels:
    """One object at the first anchor of every row."""
    things = torch.zeros(ROWS, 7, 4)
    things[:, 0] = torch.tensor([0.4, 0.0, 0.02, 0.04])
    return Labels(
        chunk=torch.zeros(ROWS, 8, 5),
        target=things[:, 0, :3].clone(),
        extent=things[:, 0, 3].clone(),
        present=torch.full((ROWS,), present),
        done=torch.zeros(ROWS),
        heading=torch.tensor([1.0, 0.0, 1.0]).expand(ROWS, 3).clone(),
        things=things,
        classes=torch.zeros(ROWS, 7, 2, dtype=torch.long),
    )


def answer() -> NetOutput:
    """Undecided about everything; anchors 10 cm apart, the first one on the object."""
    anchors = torch.zeros(ROWS, ANCHORS, 3)
    anchors[..., 0] = 0.4 + 0.1 * torch.arange(ANCHORS)
    anchors[..., 2] = 0.02
    return NetOutput(
        chunk=torch.zeros(ROWS, 8, 5),
        target=anchors[:, 0].clone(),
        present=torch.zeros(ROWS),
        done=torch.zeros(ROWS),
        weights=torch.full((ROWS, 6), 1 / 6),
        attention=torch.zeros(ROWS, ANCHORS),
        anchors=anchors,
        anchor_mask=torch.ones(ROWS, ANCHORS),
        classes=torch.zeros(ROWS, ANCHORS, 12),
        heading=torch.zeros(ROWS, 2),
        tokens=torch.zeros(ROWS, 6, 96),
    )


def attending(anchor: int, logit: float) -> NetOutput:
    attention = torch.zeros(ROWS, ANCHORS)
    attention[:, anchor] = logit
    return replace(answer(), attention=attention)


def test_attention_loss_falls_as_mass_moves_onto_the_target():
    losses = [
        float(policy_losses(attending(0, logit), truth())["attention"])
        for logit in (-4.0, 0.0, 2.0, 4.0, 12.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[1] == pytest.approx(torch.log(torch.tensor(float(ANCHORS))).item(), abs=1e-3)
    assert losses[-1] < 1e-3


def test_attention_on_another_object_costs_more_than_indifference():
    elsewhere = policy_losses(attending(1, 4.0), truth())["attention"]
    assert elsewhere > policy_losses(answer(), truth())["attention"]


@pytest.mark.parametrize(("present", "trains"), [(1.0, True), (0.0, True), (0.5, False)])
def test_presence_is_trained_by_seen_and_absent_targets_but_not_by_hidden_ones(present, trains):
    out = replace(answer(), present=torch.full((ROWS,), 0.3, requires_grad=True))
    policy_losses(out, truth(present))["present"].backward()
    assert bool(out.present.grad.any()) == trains


def test_a_hidden_target_is_moved_towards_but_not_pointed_at():
    chunk = torch.full((ROWS, 8, 5), 0.01)
    aside = answer().target + 0.05
    out = replace(attending(1, 4.0), chunk=chunk, target=aside)
    terms = policy_losses(out, truth(present=0.5))
    assert terms["chunk"] > 0
    assert terms["target"] == terms["attention"] == terms["heading"] == 0


def test_an_absent_target_teaches_no_motion():
    out = replace(answer(), chunk=torch.ones(ROWS, 8, 5), done=torch.full((ROWS,), 5.0))
    terms = policy_losses(out, truth(present=0.0))
    assert terms["chunk"] == terms["target"] == terms["done"] == 0


def test_padded_anchors_name_nothing():
    classes = torch.zeros(ROWS, ANCHORS, 12)
    classes[:, 4] = 50.0 * torch.eye(12)[1]
    mask = torch.ones(ROWS, ANCHORS)
    mask[:, 4] = 0.0
    padded = policy_losses(replace(answer(), classes=classes, anchor_mask=mask), truth())
    plain = policy_losses(replace(answer(), anchor_mask=mask), truth())
    assert padded["colour"] == plain["colour"]


def test_the_total_weighs_every_term():
    terms = policy_losses(answer(), truth())
    assert set(WEIGHTS) - set(terms) == {"intent"}, "which contract version 2 alone has"
    assert set(terms) <= set(WEIGHTS)
    expected = sum(WEIGHTS[name] * float(term) for name, term in terms.items())
    assert float(total(terms)) == pytest.approx(expected, rel=1e-5)


def felt(reach_m: float) -> Labels:
    """Motions that go so far, of the contract that says what to feel."""
    chunk = torch.zeros(ROWS, 8, 5)
    chunk[:, -1, 0] = reach_m
    return replace(truth(), chunk=chunk, intent=torch.zeros(ROWS, 2))


def off_by(error_m: float, labels: Labels) -> float:
    chunk = labels.chunk.clone()
    chunk[..., 1] += error_m
    out = replace(answer(), chunk=chunk, intent=torch.zeros(ROWS, 2))
    return float(policy_losses(out, labels)["chunk"])


def test_where_touch_decides_a_millimetre_of_a_search_costs_more_than_one_of_a_reach():
    search, reach = off_by(0.001, felt(0.003)), off_by(0.001, felt(0.2))
    assert search == pytest.approx(reach / 0.15, rel=1e-4)
    assert off_by(0.001, felt(0.2)) == pytest.approx(off_by(0.001, felt(0.04)))
    plain = replace(felt(0.003), intent=None)
    assert off_by(0.001, plain) == pytest.approx(reach)


def test_where_touch_decides_a_near_miss_is_worth_mending():
    """A miss of 6 mm halved saves half its cost; squared it would save three quarters."""

    def cost(miss_m: float, labels: Labels) -> float:
        out = replace(answer(), target=labels.target + torch.tensor([miss_m, 0, 0]))
        out = replace(out, intent=torch.zeros(ROWS, 2))
        return float(policy_losses(out, labels)["target"])

    assert cost(0.003, truth()) == pytest.approx(cost(0.006, truth()) / 4, rel=1e-3)
    assert cost(0.003, felt(0.1)) > 0.3 * cost(0.006, felt(0.1))
    assert cost(0.0, felt(0.1)) == 0.0


def test_where_touch_decides_what_the_hand_hides_is_located_all_the_same():
    """A well is under the peg when it matters; the tabletop's policy looks before it acts."""
    off = replace(answer(), target=answer().target + 0.01, intent=torch.zeros(ROWS, 2))
    felt_ones = {p: replace(truth(p), intent=torch.zeros(ROWS, 2)) for p in (0.0, 0.5, 1.0)}
    costs = {p: float(policy_losses(off, labels)["target"]) for p, labels in felt_ones.items()}
    mixed = replace(felt_ones[1.0], present=torch.tensor([1.0, 1.0, 0.5, 0.5]))
    assert costs[0.0] == 0.0
    assert costs[1.0] > 0.0
    assert float(policy_losses(off, mixed)["target"]) == pytest.approx(1.5 * costs[1.0])
    assert float(policy_losses(off, truth(0.5))["target"]) == 0.0
