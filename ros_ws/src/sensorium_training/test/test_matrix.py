"""The matrix on the real closed loop, once, with few trials; and what it makes of its figures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import tabletop
from sensorium_core.errors import CacheError, LoaderError, UnknownNameError
from sensorium_core.hashes import file_sha256
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_training.closed_loop import ClosedLoop
from sensorium_training.evaluation import Case, run_case, task_cases
from sensorium_training.matrix.baselines import repeated, still
from sensorium_training.matrix.comparing import best_single, correlation, difference, differences
from sensorium_training.matrix.measured import Line, Matrix, Plan, labelled
from sensorium_training.matrix.offline import OfflineError
from sensorium_training.matrix.report import pages, summary
from sensorium_training.matrix.rows import (
    ALL,
    EXPERT,
    HOLD_STILL,
    LIFTED,
    PERSISTENCE,
    POLICY,
    SHUFFLED,
    Condition,
    Row,
    chosen,
    corrupted_rows,
    standard_rows,
)
from sensorium_training.matrix.running import Unit, run_trial, run_units, units_of
from sensorium_training.matrix.store import MatrixStore, Result
from sensorium_training.matrix.task_sets import TASK_SETS, Trial, shuffled, task_set
from sensorium_training.scene_seeds import TRIALS

ROOT = Path(__file__).resolve().parents[4]
MODEL, LANGUAGE = ROOT / "models/tabletop", ROOT / "models/language/encoder.onnx"
FAST, SENSES = ROOT / "models/fast", ROOT / "models/senses"
SEEDS = range(TRIALS.start, TRIALS.start + 6)


def unit(actor=POLICY, tasks="tabletop", **condition):
    policy = MODEL if actor in (POLICY, PERSISTENCE) else None
    return Unit(actor, policy, Condition(**condition), tasks, LANGUAGE)


def trial(family="push", tasks="tabletop", seed=TRIALS.start):
    return task_set(tasks).trials(family, range(seed, seed + 1), "train")[0]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    rows = (
        Row(ALL, POLICY, (MODEL,)),
        Row("wrench alone", POLICY, (MODEL,), Condition(("scene_rgb", "cloud", "joints"))),
        Row(EXPERT, EXPERT),
        *corrupted_rows({ALL: (MODEL,)}, [("wrist_rgb", "dropped")], [1.0]),
    )
    store = MatrixStore(tmp_path_factory.mktemp("matrix") / "kept.json")
    made = Matrix(Plan(rows, ("tabletop",), 1, LANGUAGE, "train"), store, "a1")
    made.run(1, lambda done, total: None)
    return made


def test_each_row_scores_what_it_scores(matrix):
    lines = labelled(matrix.lines())
    assert lines[ALL].counts() == lines[EXPERT].counts() == (3, 3)
    assert lines["wrench alone"].counts() == (0, 3)
    assert {r.state for r in lines["wrench alone"].every} == {"holding"}
    assert max(r.moved_m for r in lines["wrench alone"].every) < 0.01
    assert lines[ALL].commits == ("a1",)


def test_what_was_run_is_kept_and_a_larger_matrix_adds_to_it(matrix):
    again = MatrixStore(matrix.store.path)
    totals = []
    Matrix(matrix.plan, again, "b2").run(1, lambda done, total: totals.append(total))
    assert totals == [0]
    assert [line.every for line in Matrix(matrix.plan, again, "b2").lines()] == [
        line.every for line in matrix.lines()
    ]
    more = unit().trials([trial("press"), trial("press", seed=TRIALS.start + 1)])
    missing = [t for t in more if again.get(unit().settings, t) is None]
    assert [t.seed for t in missing] == [TRIALS.start + 1]
    assert again.get(unit(drop=("pads",)).settings, more[0]) is None


def test_an_interrupted_run_keeps_what_was_done(tmp_path):
    store = MatrixStore(tmp_path / "kept.json")
    trials = [trial("press"), trial("push")]

    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_units([(unit(EXPERT), trials)], store, "a1", 1, stop)
    again = MatrixStore(tmp_path / "kept.json")
    kept = [again.get(unit(EXPERT).settings, one) for one in trials]
    assert kept[0] is not None
    assert kept[0].success
    assert kept[1] is None


@pytest.mark.parametrize("model", [MODEL, SENSES])
def test_a_policy_fares_as_in_the_plain_evaluation(model):
    """One of nine families acts in the cell of touch, whatever it is told."""
    case: Case = task_cases("push", 1, "heldout", "train")[0]
    loop = ClosedLoop(Policy(model), LanguageEncoder(LANGUAGE))
    plain, ours = run_case(loop, case), run_trial(replace(unit(), policy=model), trial("push"))
    loop.cell.close()
    assert trial("push").text == case.text
    assert (ours.success, ours.reason, ours.seconds) == (
        plain.success,
        plain.reason,
        plain.seconds,
    )
    assert (ours.moved_m, ours.peak_force_n) == (plain.moved_m, plain.peak_force_n)


def test_the_cell_of_a_trial_is_part_of_what_is_kept_where_it_is_another():
    assert "cell" not in unit().settings
    assert replace(unit(), policy=SENSES).settings["cell"] == "touch"
    assert "cell" not in replace(unit(tasks="touch"), policy=SENSES).settings


def test_a_fast_half_is_for_policies_that_say_what_to_feel_and_is_part_of_what_is_kept():
    plain, fast = unit(), replace(unit(), fast=FAST)
    asked = units_of(Row(ALL, POLICY, (MODEL,)), "tabletop", LANGUAGE, FAST)
    assert asked == [plain], "of contract version 1: as without"
    assert "fast" not in plain.settings
    assert fast.settings == {**plain.settings, "fast": file_sha256(FAST / "correction.onnx")}


def test_baselines_act_behind_the_same_gate():
    still_there = run_trial(unit(HOLD_STILL), trial("press"))
    assert not still_there.success
    assert still_there.moved_m < 1e-3
    assert still_there.seconds >= 12.0
    on_and_on = run_trial(unit(PERSISTENCE), trial("press"))
    assert not on_and_on.success
    assert on_and_on.moved_m > 0.1
    assert on_and_on == run_trial(unit(PERSISTENCE), trial("press"))


def test_required_senses_hold_the_policy_unless_lifted():
    held = run_trial(unit(drop=("scene_rgb",)), trial("push"))
    assert (held.state, held.success) == ("holding", False)
    lifted = run_trial(unit(drop=("scene_rgb",), lifted=True), trial("push"))
    assert lifted.state != "holding"


def test_a_spoilt_sense_reaches_the_policy_in_the_loop():
    def with_cloud(kind, level):
        return run_trial(unit(corruption=("cloud", kind, level)), trial("push"))

    assert with_cloud("dropped", 1.0).state == "holding"
    healthy = run_trial(unit(), trial("push"))
    assert with_cloud("noisy", 0.0) == healthy
    assert with_cloud("noisy", 0.1) == with_cloud("noisy", 0.1) != healthy


def test_a_late_sense_goes_unnoticed_in_the_loop_and_a_stale_one_does_not():
    healthy = run_trial(unit(), trial("push"))
    late, stale = (
        run_trial(unit(corruption=("cloud", kind, 0.9)), trial("push"))
        for kind in ("late", "stale")
    )
    assert stale.state == "holding"
    assert late.state != "holding"
    assert late.moved_m > 0.05
    assert late != healthy


def test_touch_tasks_run_with_their_own_cell_judge_and_expert():
    there = run_trial(unit(EXPERT, "touch"), trial("stack", "touch"))
    assert there.success, there
    assert "stands on" in there.reason
    untaught = run_trial(unit(tasks="touch"), trial("stack", "touch"))
    assert not untaught.success


def test_the_expert_of_a_touch_task_is_corrected_by_the_fast_half():
    (slow,) = units_of(Row(EXPERT, EXPERT), "touch", LANGUAGE)
    (both,) = units_of(Row(EXPERT, EXPERT), "touch", LANGUAGE, FAST)
    assert both == replace(slow, fast=FAST)
    assert units_of(Row(EXPERT, EXPERT), "tabletop", LANGUAGE, FAST) == [unit(EXPERT)]
    held = run_trial(both, trial("hold", "touch"))
    assert held.success, held
    assert held == run_trial(both, trial("hold", "touch"))
    alone = run_trial(slow, trial("hold", "touch"))
    assert not alone.success, alone


def test_an_expert_whose_motion_is_refused_goes_slower_until_the_gate_lets_it_pass():
    scene = TRIALS.start + 1
    feels = run_trial(unit(EXPERT, "touch"), trial("feel", "touch", scene))
    assert feels.success, feels
    assert 0 < feels.refusals < 20


@pytest.mark.parametrize("name", TASK_SETS)
def test_trials_repeat_and_stage_what_they_tell(name):
    tasks = task_set(name)
    for family in tasks.families:
        trials = tasks.trials(family, SEEDS, "train")
        assert trials == tasks.trials(family, SEEDS, "train")
        assert [one.seed for one in trials] == list(SEEDS)
        goals = [tasks.stage(one).goal for one in trials]
        assert len(set(goals)) > 1
        assert all(tasks.stage(one).limit_s > 5 for one in trials)


@pytest.mark.parametrize("name", TASK_SETS)
def test_shuffled_language_is_of_another_goal_and_changes_nothing_else(name):
    tasks = task_set(name)
    trials = [one for f in tasks.families for one in tasks.trials(f, SEEDS, "train")]
    goal_of = {one.text: tasks.stage(one).goal for one in trials}
    for one, told in zip(trials, shuffled(tasks, trials), strict=True):
        assert (told.family, told.seed) == (one.family, one.seed)
        assert tasks.stage(told).goal == tasks.stage(one).goal != goal_of[told.text]
        assert any(o.family == one.family and o.text == told.text for o in trials)
    with pytest.raises(UnknownNameError, match="two goals"):
        shuffled(tasks, trials[:1])


def test_standard_rows_cover_every_sense_and_lift_what_is_required():
    contract, ours = tabletop(), (MODEL,) * 3
    rows = standard_rows(ours, {"concatenation": (MODEL,)}, contract)
    by = {row.label: row for row in rows}
    for sense in contract.senses:
        assert set(by[f"{sense} alone"].condition.drop) == set(contract.senses) - {sense}
        assert by[f"all but {sense}"].condition.drop == (sense,)
        required = sense in contract.required
        assert (f"all but {sense}, {LIFTED}" in by) == required
        assert by[f"{sense} alone, {LIFTED}"].condition.lifted
    assert by["all but wrench + pads"].condition.drop == ("wrench", "pads")
    assert {ALL, SHUFFLED, PERSISTENCE, HOLD_STILL, EXPERT, "concatenation"} <= by.keys()
    assert by[ALL].is_claim
    assert not by["concatenation"].is_claim
    with pytest.raises(LoaderError, match="two rows called 'cloud alone'"):
        standard_rows(ours, {"cloud alone": (MODEL,)}, contract)
    with pytest.raises(UnknownNameError, match="smell"):
        standard_rows(ours, {}, contract, groups=(("smell",),))
    assert [row.label for row in chosen(rows, ["shuffled"])] == [SHUFFLED]
    without = "all but wrench + pads"
    assert [row.label for row in chosen(rows, [without])] == [without]
    assert len(chosen(rows, [without[:-1]])) > 1
    with pytest.raises(UnknownNameError, match="nonsense"):
        chosen(rows, ["nonsense"])


def test_repeated_motion_is_in_the_yaw_frame_and_still_is_none_of_it():
    before = np.array([0.4, 0.0, 0.2, 3.0, 0.5])
    now = np.array([0.4, 0.01, 0.19, -3.2, 0.7])
    chunk = repeated(before, now, 4)
    c, s = np.cos(now[3]), np.sin(now[3])
    np.testing.assert_allclose(np.array([[c, -s], [s, c]]) @ chunk[0, :2], [0.0, 0.01], atol=1e-12)
    np.testing.assert_allclose(chunk[:, :4], np.arange(1, 5)[:, None] * chunk[0, :4])
    assert chunk[0, 3] == pytest.approx(2 * np.pi - 6.2)
    assert (chunk[:, 4] == 0.7).all()
    np.testing.assert_array_equal(still(now, 3)[:, :4], np.zeros((3, 4)))


def line(label, *seeds, error=None, actor=POLICY, condition=None, rows=None):
    """A line whose policy files succeed in so many of 10 trials of one family."""

    def result(ok):
        return Result(ok, "", "acting", 1.0, 0.1, 1.0, 0)

    files = tuple(tuple(result(i < k) for i in range(10)) for k in seeds)
    row = Row(label, actor, (MODEL,) * len(seeds), condition or Condition())
    offline = () if error is None else (OfflineError(error, (0.0,) * 5, 4, rows or {"pick": 4}),)
    return Line(row, {"pick": files}, offline, ())


def test_pooled_counts_and_seeds_are_told_apart():
    ours, other = line(ALL, 9, 10, 9), line("concatenation", 9, 3, 4)
    assert ours.counts() == (28, 30)
    assert ours.by_seed() == [(9, 10), (10, 10), (9, 10)]
    found = difference(ours, other)
    assert found.difference == pytest.approx(12 / 30)
    assert found.interval[0] > 0
    assert found.seeds_apart is False
    assert difference(ours, line("x", 1, 2, 3)).seeds_apart is True
    assert found.mcnemar_p == pytest.approx(2 / 2**12)
    assert difference(ours, line("one seed", 5)).mcnemar_p is None


def test_differences_are_to_the_best_single_sense_and_every_whole_row():
    lifted = Condition(("pads", "cloud"), lifted=True)
    lines = [
        line(ALL, 9),
        line("cloud alone", 2),
        line(f"cloud alone, {LIFTED}", 7, condition=lifted),
        line("concatenation", 8),
        line("all but a + b", 3, condition=Condition(("wrench", "pads"))),
        line(EXPERT, 10, actor=EXPERT),
    ]
    assert best_single(lines) is lines[2]
    found = [(one.against, one.column) for one in differences(lines)]
    assert found == [
        (f"cloud alone, {LIFTED}", "mean"),
        ("concatenation", "mean"),
        ("all but a + b", "mean"),
        ("all but a + b", "pick"),
    ]


def test_correlation_counts_a_row_that_refuses_not_beside_the_one_that_acts():
    lines = [line(f"r{i}", i, error=0.1 * i) for i in range(4)]
    refusing, acting = line("s", 0, error=9.0), line(f"s, {LIFTED}", 5, error=0.5)
    found = correlation([*lines, refusing, acting, line("no error", 1)])
    elsewhere = line("other rows", 0, error=9.0, rows={"pick": 2, "hold": 2})
    assert correlation([*lines, refusing, acting, elsewhere]) == found
    assert found.n == 5
    assert found.pearson == pytest.approx(1.0)
    assert found.spearman == pytest.approx(1.0)
    assert correlation(lines[:2]).pearson is None


def test_tables_and_summary_tell_the_same(matrix):
    made = {page.title: page for page in pages(matrix)}
    success = made["Success"]
    told = {row[0]: dict(zip(success.header, row, strict=True)) for row in success.rows}
    assert told[ALL]["mean"].startswith("3/3 ")
    assert told[ALL]["seeds"] == "1, no claim"
    assert told["wrench alone"]["no motion"] == "3/3"
    assert told["wrench alone"]["failures end"] == "holding 3"
    assert made["Senses that go wrong"].rows[0][:4] == (
        ALL,
        "wrist_rgb",
        "dropped",
        told[ALL]["mean"],
    )
    cost = dict(zip(made["Cost"].header, made["Cost"].rows[0], strict=True))
    assert cost["parameters"] == f"{Policy(MODEL).contract.provenance['parameters']:,}"
    plain = json.loads(json.dumps(summary(matrix)))
    first = plain["lines"][0]
    assert first["success"]["mean"]["by_seed"] == [[3, 3]]
    assert first["claim"] is False


def test_copies_of_one_training_do_not_pass_for_seeds(matrix, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "policy.onnx").write_bytes((MODEL / "policy.onnx").read_bytes())
    row = Row(ALL, POLICY, (MODEL, tmp_path / "copy"))
    with pytest.raises(LoaderError, match="copies of one training are no evidence"):
        Matrix(replace(matrix.plan, rows=(row,)), MatrixStore(), "a1")


def test_a_file_that_is_no_matrix_is_refused(tmp_path):
    for text in ("[]", "{", '{"format": 99, "units": {}, "facts": {}}'):
        path = tmp_path / "kept.json"
        path.write_text(text)
        with pytest.raises(CacheError, match="name another file"):
            MatrixStore(path)


def test_settings_tell_conditions_apart_by_content():
    one = Trial("pick", 1, "a")
    store = MatrixStore()
    store.put(unit().settings, one, Result(True, "", "", 1.0, 0.0, 0.0, 0), "c")
    moved = replace(unit(), policy=MODEL / "policy.onnx")
    assert store.get(moved.settings, one) is not None
    for other in (unit(drop=("pads",)), unit(lifted=True), unit(tasks="touch"), unit(HOLD_STILL)):
        assert store.get(other.settings, one) is None
