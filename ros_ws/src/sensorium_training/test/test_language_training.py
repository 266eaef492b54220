"""The language network: trainable whole, exported faithfully, taught nothing that is held out."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from sensorium_core.codebook import CLASSES, NOTHING, SLOTS, goal_classes, goal_tokens
from sensorium_core.goal import ALL_FAMILIES, SHAPES, Goal
from sensorium_core.language import MAX_PIECES, REASONS, Command
from sensorium_core.understanding import check
from sensorium_core.wordpiece import WordPiece
from sensorium_sim.refusals import RefusalGrammar
from sensorium_training.language.bank import TokenBank
from sensorium_training.language.card import shares
from sensorium_training.language.corpus import (
    NAMED_FREELY,
    NAMINGS,
    Line,
    accepted,
    joined,
    lacking,
    naming,
    refused,
    sort_batches,
    to_example,
    unmark,
)
from sensorium_training.language.export import quantise, to_onnx
from sensorium_training.language.fit import FitConfig, collate, fit, loss_of
from sensorium_training.language.measure import measure
from sensorium_training.language.network import BodyConfig, LanguageNet
from sensorium_training.language.pretrained import pruned_rows

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{c}" for c in LETTERS)]
WORDS = ["pick", "push", "red", "cube", "the", "left", "throw", "don", "t", "up", "to", "ball"]


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece(VOCABULARY + WORDS)


@pytest.fixture
def net(tokenizer) -> LanguageNet:
    return new_net(tokenizer)


def new_net(tokenizer) -> LanguageNet:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    size = len(tokenizer.vocabulary)
    return LanguageNet(BodyConfig(size, width=128, layers=2, heads=2, inner=192))


@pytest.fixture(scope="module")
def examples(tokenizer):
    rng = np.random.default_rng(0)
    lines = accepted(40, rng, "train", noise=True)
    lines += refused(40, rng, RefusalGrammar("train"), noise=True)
    return [to_example(line, tokenizer) for line in lines]


@pytest.fixture(scope="module")
def exported(tokenizer):
    return to_onnx(new_net(tokenizer))


def test_onnx_is_torch_for_any_batch_and_length(net, exported, examples):
    session = ort.InferenceSession(exported.SerializeToString())
    net.eval()
    for size in (1, 7):
        ids = collate(examples[:size]).ids
        with torch.no_grad():
            wanted = net(ids)
        got = session.run(None, {"ids": ids.numpy()})
        for ours, theirs in zip(wanted, got, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_eight_bits_are_close_to_floats(exported, examples):
    small = onnx.ModelProto()
    small.CopyFrom(exported)
    quantise(small)
    assert small.ByteSize() < exported.ByteSize() / 2
    ids = collate(examples).ids.numpy()
    exact, rounded = (
        ort.InferenceSession(model.SerializeToString()).run(None, {"ids": ids})
        for model in (exported, small)
    )
    for ours, theirs in zip(exact, rounded, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_padding_changes_nothing(net, examples):
    net.eval()
    alone = collate(examples[:1]).ids
    padded = torch.cat([alone, torch.zeros((1, 9), dtype=torch.int64)], dim=1)
    with torch.no_grad():
        for ours, theirs in zip(net(alone)[:-1], net(padded)[:-1], strict=True):
            torch.testing.assert_close(ours, theirs)


def test_every_parameter_learns(net, examples):
    before = {name: weight.clone() for name, weight in net.named_parameters()}
    fitting = FitConfig(batch=40, frozen_layers=0, pretrained=False, warmup=0.5)
    fit(net, examples, fitting, np.random.default_rng(0), 1, lambda *_: None)
    still = [name for name, weight in net.named_parameters() if torch.equal(before[name], weight)]
    assert not [name for name in still if not name.endswith("key.bias")]


def test_a_pretrained_body_keeps_its_words_and_lowest_layer(net, examples):
    words, lowest = net.body.words.weight.clone(), net.body.layers[0].up.weight.clone()
    top = net.body.layers[1].up.weight.clone()
    fit(net, examples, FitConfig(), np.random.default_rng(0), 1, lambda *_: None)
    assert torch.equal(words, net.body.words.weight)
    assert torch.equal(lowest, net.body.layers[0].up.weight)
    assert not torch.equal(top, net.body.layers[1].up.weight)


def test_training_is_the_same_twice(tokenizer, examples):
    losses = []
    for _ in range(2):
        torch.manual_seed(1)
        net = LanguageNet(BodyConfig(len(tokenizer.vocabulary), 64, 1, 2, 64))
        seen: list[float] = []
        report = lambda step, steps, loss, into=seen: into.append(loss)  # noqa: E731
        fit(net, examples, FitConfig(batch=16), np.random.default_rng(2), 1, report)
        losses.append(seen)
    assert losses[0] == losses[1]


def test_what_a_refusal_names_does_not_teach_the_slots(net, tokenizer):
    net.eval()
    said = to_example(Line("push the red ball", None, "incomplete"), tokenizer)
    assert tuple(said.slots) == tuple(CLASSES[slot].index(NOTHING[slot]) for slot in SLOTS)
    loss_of(net, collate([said])).backward()
    assert net.classifiers[SLOTS.index("colour")].weight.grad.abs().max() == 0
    assert net.classifiers[-1].weight.grad.abs().max() > 0


def test_what_lacks_a_word_teaches_the_slots_and_not_the_reason(tokenizer):
    named = {"family": "stack", "colour": "red", "shape": "cube", "onto_colour": "blue"}
    line = Line("stack the red cube on the blue one", None, "incomplete", named=named)
    example = to_example(line, tokenizer)
    assert REASONS[example.reason] == "ok"
    said = dict(zip(SLOTS, example.slots, strict=True))
    assert {slot: CLASSES[slot][at] for slot, at in said.items()} == {**NOTHING, **named}


def test_lines_that_lack_a_word_are_refused_by_their_slots_alone():
    rng = np.random.default_rng(0)
    for line in lacking(200, rng, "train", noise=False):
        assert line.goal is None
        kind, words = check(line.named, {})
        assert kind == "incomplete"
        assert "?" in (words or "")


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_joined_lines_hold_two_commands_of_different_objects(split):
    lines = joined(60, np.random.default_rng(0), split)
    assert len(lines) == 60
    for line in lines:
        assert line.goal is None
        assert line.reason == "multiple"
        assert " and " in line.text
        assert "{" not in line.text


def test_every_family_is_taught_and_measured():
    rng = np.random.default_rng(0)
    for split in ("train", "heldout"):
        lines = accepted(400, rng, split, noise=False)
        counts = Counter(line.goal.family for line in lines)
        assert set(counts) == set(ALL_FAMILIES)
        assert min(counts.values()) >= 10


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_shape_alone_is_taught_and_measured_as_often_as_a_colour_alone(split):
    lines = accepted(3000, np.random.default_rng(0), split, noise=False)
    goals = [line.goal for line in lines if line.goal.family in NAMED_FREELY]
    for family in NAMED_FREELY:
        counts = Counter(naming(goal) for goal in goals if goal.family == family)
        said = {name: count / counts.total() for name, count in counts.items()}
        assert said == pytest.approx({"both": 0.6, "colour": 0.2, "shape": 0.2}, abs=0.06)
    shapes = Counter(goal.shape for goal in goals if naming(goal) == "shape")
    assert set(shapes) == set(SHAPES)
    assert max(shapes.values()) < 1.5 * min(shapes.values())


def test_what_names_an_object():
    assert naming(Goal("pick", "red", "cube")) == "both"
    assert naming(Goal("pick", None, "ball")) == "shape"
    assert naming(Goal("push", "red", None, "left")) == "colour"
    assert naming(Goal("feel", quality="soft")) == "quality"


def test_a_score_counts_each_way_of_naming_in_picks_and_pushes():
    goals = [Goal("pick", "red", "cube"), Goal("pick", None, "ball"), Goal("press", "red")]

    class Sure:
        def encode(self, text):
            return Command(text, goal_tokens(goals[0]), {}, goals[0], True, "ok")

    score = measure(Sure(), [Line("say", goal) for goal in goals])
    assert score.namings == {"both": (1, 1), "shape": (0, 1)}
    table = shares("named by", score.namings, NAMINGS)
    assert table.splitlines()[2:] == ["| both | 100.0 % (1/1) |", "| shape | 0.0 % (0/1) |"]


def test_a_score_counts_each_family_by_itself():
    goals = [Goal("feel", quality="soft"), Goal("feel", quality="hard"), Goal("press", "red")]

    class Deaf:
        def encode(self, text):
            goal = Goal("feel", quality="soft")
            return Command(text, goal_tokens(goal), {}, goal, True, "ok")

    lines = [Line("say", goal) for goal in goals] + [Line("no", None, "negation")]
    score = measure(Deaf(), lines)
    assert score.families == {"feel": (1, 2), "press": (0, 1)}
    assert (score.right, score.wrongly_accepted, score.wrongly_refused) == (1, 1, 0)
    assert score.mistaken[-1] == ("no", "negation", "feel soft")
    wanted = {"n": 4, "right": 1, "wrongly_accepted": 1, "wrongly_refused": 0, "share": 0.25}
    assert score.summary() == wanted


def test_marks_become_pieces(tokenizer):
    plain, marks = unmark("please <throw> the <red> ball")
    assert plain == "please throw the red ball"
    example = to_example(Line(plain, None, "unknown_skill", marks), tokenizer)
    pieces = [tokenizer.vocabulary[at] for at in example.ids[example.pointed]]
    assert pieces == ["throw", "red"]
    assert example.reason == REASONS.index("unknown_skill")


def test_batches_hold_every_example_once(examples):
    batches = sort_batches(examples, 7, np.random.default_rng(0))
    assert sorted(id(e) for batch in batches for e in batch) == sorted(map(id, examples))
    assert max(len(example.ids) for example in examples) <= MAX_PIECES


def test_pruning_keeps_ids_of_special_pieces_and_every_letter():
    vocabulary = [
        "[PAD]",
        "[unused0]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "é",
        "rare",
        "z",
    ]
    kept = [vocabulary[row] for row in pruned_rows(vocabulary, 8)]
    assert kept == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "z"]


def test_the_bank_gives_tokens_of_the_goal_asked_for(tmp_path):
    red, blue = Goal("pick", "red", "cube"), Goal("pick", "blue", "cube")
    tokens = np.stack([goal_tokens(red), goal_tokens(blue)])
    classes = np.asarray([goal_classes(red), goal_classes(blue)])
    TokenBank(np.asarray(["a", "b"]), tokens, classes).save(tmp_path / "bank.npz")
    bank, rng = TokenBank.load(tmp_path / "bank.npz"), np.random.default_rng(0)
    text, found = bank.sample(blue, rng)
    assert text == "b"
    np.testing.assert_array_equal(found, goal_tokens(blue))
    assert bank.command_tokens([red, blue, red], rng).shape == (3, 7, 32)
    absent = Goal("press", "green")
    np.testing.assert_array_equal(bank.sample(absent, rng)[1], goal_tokens(absent))
