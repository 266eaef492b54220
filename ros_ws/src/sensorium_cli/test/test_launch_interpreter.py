"""What a launch file comes to. The cases were compared with ros2/launch and launch_ros (Jazzy)."""

import sys
from pathlib import Path

import yaml
from sensorium_cli.launch.interpreter import declared_arguments
from sensorium_cli.launch.plan import ParameterSet


def parameters(process) -> dict[str, object]:
    merged: dict[str, object] = {}
    for item in process.parameters:
        merged |= item.values
    return merged


def test_node_gets_name_namespace_arguments_and_remaps_in_the_order_of_ros(read):
    (node,) = read("""
        launch:
        - arg: {name: mode, default: fast}
        - node:
            pkg: probe
            exec: dump
            name: first
            namespace: cell
            args: "--a 'b c' $(var mode) x$(var mode)y  --end"
            ros_args: "--log-level warn"
            remap: [{from: chatter, to: $(var mode)/talk}]
    """).processes
    assert node.command[1:] == (
        "--a", "b c", "fast", "xfasty", "--end", "--ros-args", "--log-level", "warn",
        "--ros-args", "-r", "__node:=first", "-r", "__ns:=/cell",
    )  # fmt: skip
    assert node.tail == ("-r", "chatter:=fast/talk")
    assert Path(node.command[0]).name == "dump"


def test_what_a_substitution_gives_stays_one_word(read):
    (process,) = read("""
        launch:
        - arg: {name: text, default: "two words"}
        - executable: {cmd: "echo $(var text) end"}
    """).processes
    assert process.command == ("echo", "two words", "end")


def test_parameters_are_typed_as_ros_types_them(read):
    (node,) = read(
        """
        launch:
        - arg: {name: rate, default: "30"}
        - node:
            pkg: probe
            exec: dump
            name: n
            namespace: /
            param:
            - {name: from_substitution, value: $(var rate)}
            - {name: quoted, value: "30"}
            - {name: forced, value: $(var rate), type: str}
            - {name: widened, value: $(var rate), type: float}
            - {name: gain, value: 1.5}
            - {name: flag, value: true}
            - {name: lists, value: [1, 2]}
            - {name: words, value: [a, $(var rate)b]}
            - {name: listed, value: "[1.0, $(var rate).5]"}
            - {name: empty, value: ""}
            - name: nest
              param:
              - {name: a, value: 1}
              - {name: deep, param: [{name: b, value: z}]}
        """
    ).processes
    assert parameters(node) == {
        "from_substitution": 30, "quoted": "30", "forced": "30", "widened": 30.0, "gain": 1.5,
        "flag": True, "lists": [1, 2], "words": ["a", "30b"], "listed": [1.0, 30.5], "empty": "",
        "nest.a": 1, "nest.deep.b": "z",
    }  # fmt: skip
    assert isinstance(parameters(node)["widened"], float)
    assert {item.node for item in node.parameters} == {"/n"}


def test_parameter_files_keep_their_place_and_inline_ones_survive_yaml(read, tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("/**: {ros__parameters: {a: 1}}")
    (node,) = read(f"""
        launch:
        - node:
            pkg: probe
            exec: dump
            param: [{{from: {path}}}, {{name: a, value: "1: {{x}} 'y' # z"}}]
    """).processes
    line = node.arguments(tmp_path)
    assert line[2:4] == ["--params-file", str(path)]
    written = yaml.safe_load(Path(line[5]).read_text())
    assert written == {"/**": {"ros__parameters": {"a": "1: {x} 'y' # z"}}}


def test_groups_keep_their_changes_to_themselves_unless_told_otherwise(read):
    plan = read("""
        launch:
        - let: {name: x, value: outer}
        - set_env: {name: E, value: outer}
        - group:
          - push_ros_namespace: {namespace: robot}
          - set_parameter: {name: use_sim_time, value: "true"}
          - set_remap: {from: tf, to: /tf}
          - let: {name: x, value: inner}
          - set_env: {name: E, value: inner}
          - group:
            - push-ros-namespace: {namespace: arm}
            - node: {pkg: probe, exec: dump, exec_name: deep, args: $(var x)}
          - node: {pkg: probe, exec: dump, exec_name: absolute, namespace: /abs}
        - node: {pkg: probe, exec: dump, exec_name: after, args: $(var x)}
        - group: {scoped: false, children: [{let: {name: x, value: kept}}]}
        - log: {message: $(var x)}
    """)
    deep, absolute, after = plan.processes
    assert "__ns:=/robot/arm" in deep.command
    assert "inner" in deep.command
    assert deep.environment["E"] == "inner"
    assert deep.parameters == (ParameterSet("/**", {"use_sim_time": True}),)
    assert deep.tail == ("-r", "tf:=/tf")
    assert "__ns:=/abs" in absolute.command
    assert after.command[1:] == ("outer", "--ros-args")
    assert after.environment["E"] == "outer"
    assert (after.parameters, after.tail) == ((), ())
    assert plan.messages == ["kept"]


def test_conditions_choose(read):
    plan = read(
        """
        launch:
        - arg: {name: mode, default: fast}
        - log: {message: a, if: $(equals $(var mode) slow)}
        - log: {message: b, unless: $(equals $(var mode) slow)}
        - group: {if: "0", children: [{log: {message: c}}]}
        """,
        mode="slow",
    )
    assert plan.messages == ["a"]


def test_an_included_file_gets_arguments_and_knows_where_it_is(read, write):
    inner = write(
        """
        launch:
        - arg: {name: word}
        - arg: {name: size, default: "1"}
        - log: {message: "$(var word) $(var size) $(filename)"}
        """,
        "inner.yaml",
    )
    plan = read("""
        launch:
        - include: {file: $(dirname)/inner.yaml, arg: [{name: word, value: hi}]}
        - log: {message: $(filename)}
    """)
    assert plan.messages == [f"hi 1 {inner}", str(plan.file)]


def test_environment_changes_reach_what_comes_after(read):
    first, second = read("""
        launch:
        - set_env: {name: A, value: "1"}
        - append_env: {name: A, value: "2"}
        - append_env: {name: A, value: "0", prepend: true, separator: ","}
        - executable: {cmd: a, env: [{name: B, value: b}], cwd: /tmp}
        - unset_env: {name: A}
        - executable: {cmd: a}
    """).processes
    assert (first.environment["A"], first.environment["B"]) == ("0,1:2", "b")
    assert first.cwd == Path("/tmp")
    assert not {"A", "B"} & second.environment.keys()
    assert (first.label, second.label) == ("a", "a-2")


def test_process_options_are_taken_over(read):
    (process,) = read("""
        launch:
        - executable:
            cmd: a
            output: screen
            respawn: "true"
            respawn_delay: 0.5
            respawn_max_retries: 3
            on_exit: shutdown
            sigterm_timeout: 1.0
            sigkill_timeout: 2.0
    """).processes
    assert (process.output, process.respawn, process.respawn_delay_s) == ("screen", True, 0.5)
    assert (process.respawn_max, process.ends_launch) == (3, True)
    assert (process.sigterm_after_s, process.sigkill_after_s) == (1.0, 2.0)


def test_arguments_are_listed_with_default_and_choices(write):
    path = write("""
        launch:
        - arg: {name: a, description: "what a is"}
        - group: [{arg: {name: b, default: "$(var a)", choice: [{value: x}]}}]
    """)
    a, b = declared_arguments(path)
    assert (a.name, a.description, a.default) == ("a", "what a is", None)
    assert (b.default, b.choices) == ("$(var a)", ("x",))


def test_an_entry_point_runs_where_colcon_has_made_no_script(read):
    (node,) = read("launch:\n- node: {pkg: sensorium_cli, exec: sensorium}").processes
    expected = (sys.executable, "-m", "sensorium_cli.entry", "sensorium_cli.main:main")
    assert node.command[:4] == expected
