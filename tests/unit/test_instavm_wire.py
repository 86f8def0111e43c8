"""The shapes of InstaVM's API: what is taken, what is refused, what goes out (instavm.md)."""

from typing import Any

import msgspec
import pytest

from projections.folds.session import SECOND_US
from sessions.dialects.instavm import (
    wire_executions,
    wire_files,
    wire_network,
    wire_terminals,
    wire_vms,
)
from sessions.execution_results import Execution
from sessions.failure import Failure

DAY = 20_777 * 86_400 * SECOND_US


def codes(refused: Failure) -> list[tuple[tuple[Any, ...], str]]:
    assert refused.status == 422
    return [(field.path, field.code) for field in refused.fields]


def output(**fields: Any) -> Execution:
    usual: dict[str, Any] = {
        "id": "e",
        "session": "s",
        "tenant": "default",
        "language": "bash",
        "status": "finished",
        "created_at": DAY,
        "timeout_s": 7.0,
        "stdout": b"",
        "stderr": b"",
        "exit_code": 0,
        "duration_ms": 1500,
        "cpu_ms": 20,
    }
    held = {**usual, **fields}
    held.setdefault("stdout_bytes", len(held["stdout"]))
    held.setdefault("stderr_bytes", len(held["stderr"]))
    return Execution(**held)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("session_id", "missing")]),
        ({"session_id": "s"}, [("command", "missing")]),
        ({"session_id": None, "command": "x"}, [("session_id", "string_type")]),
        ({"session_id": "s", "command": 5}, [("command", "string_type")]),
        ({"session_id": "s", "command": "x" * (256 * 1024 + 1)}, [("command", "string_too_long")]),
        ({"session_id": "s", "code": ["x"]}, [("code", "string_type")]),
        ({"session_id": "s", "command": "x", "language": "ruby"}, [("language", "literal_error")]),
        (
            {"session_id": "s", "command": "x", "language": ["bash"]},
            [("language", "literal_error")],
        ),
        ({"session_id": "s", "command": "x", "timeout": 0}, [("timeout", "greater_than_equal")]),
        ({"session_id": "s", "command": "x", "timeout": 601}, [("timeout", "less_than_equal")]),
        ({"session_id": "s", "command": "x", "timeout": "60"}, [("timeout", "int_type")]),
        ({"session_id": "s", "command": "x", "timeout": True}, [("timeout", "int_type")]),
        ({"session_id": "s", "command": "x", "vault_ids": ["v"]}, [("vault_ids", "value_error")]),
        ({"session_id": "s", "command": "x", "vault_ids": "v"}, [("vault_ids", "list_type")]),
    ],
)
def test_4_3_a_wrong_field_is_refused(body: Any, wrong: list[tuple[str, str]]) -> None:
    with pytest.raises(Failure) as refused:
        wire_executions.execute(body)
    assert codes(refused.value) == [(("body", name), code) for name, code in wrong]


def test_4_3_a_program_is_command_or_code() -> None:
    taken = wire_executions.execute
    assert taken({"session_id": "s", "command": "a"}).program == "a"
    assert taken({"session_id": "s", "code": "b"}).program == "b"
    assert taken({"session_id": "s", "command": "a", "code": "b"}).program == "a"
    assert taken({"session_id": "s", "command": "", "code": "b"}).program == ""
    ends = taken({"session_id": "s", "command": "x" * (256 * 1024), "timeout": 600.0})
    assert (len(ends.program), ends.timeout) == (256 * 1024, 600)
    assert taken({"session_id": "s", "command": "a", "vault_ids": []}).vault_ids == []


@pytest.mark.parametrize(
    ("held", "stdout", "stderr"),
    [
        (output(stdout=b"a\n"), "a\n", ""),
        (output(stdout=b"\xff\0\n\xe2\x82\xac"), "\ufffd\0\n\u20ac", ""),
        (
            output(stdout=b"abc", stdout_bytes=10, stderr=b"warned"),
            "abc",
            "warned\n[stdout is cut off after 3 of 10 bytes]\n",
        ),
        (
            output(exit_code=None, timed_out=True, stderr=b"x\n"),
            "",
            "x\n[the program was ended after 7 seconds]\n",
        ),
        (
            output(exit_code=None, status="cut_off", detail="The machine is gone."),
            "",
            "[the program was cut off: The machine is gone.]\n",
        ),
    ],
)
def test_4_3_output_is_text_and_says_what_is_missing(
    held: Execution, stdout: str, stderr: str
) -> None:
    answer = shown(wire_executions.executed(held))
    assert (answer["stdout"], answer["stderr"]) == (stdout, stderr)
    assert (answer["execution_time"], answer["cpu_time"]) == (1.5, 0.02)
    task = shown(wire_executions.task(held))
    assert (task["serialized_stdout"], task["serialized_stderr"]) == (stdout, stderr)
    assert task["is_complete"]


def shown(answer: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(answer))


@pytest.mark.parametrize("around", [-2, -1, 0, 1])
def test_4_3_a_sign_is_whole_wherever_a_large_output_is_divided(around: int) -> None:
    raw = b"x" * (wire_executions.PIECE_BYTES + around) + '\N{SNOWMAN}"\\\n'.encode() + b"\xe2"
    answer = shown(wire_executions.executed(output(stdout=raw, stderr=raw)))
    assert answer["stdout"] == answer["stderr"] == raw.decode(errors="replace")


@pytest.mark.parametrize("status", ["waiting", "running"])
def test_4_3_what_is_not_known_yet_is_null(status: str) -> None:
    task = shown(wire_executions.task(output(status=status, exit_code=None)))
    assert not task["is_complete"]
    for name in ("serialized_stdout", "serialized_stderr", "exit_code", "execution_time"):
        assert task[name] is None


def test_4_3_a_program_without_an_exit_code_does_not_look_like_a_success() -> None:
    """Clients read null as 0."""
    code = wire_executions.executed
    assert code(output(exit_code=0)).exit_code == 0
    assert code(output(exit_code=3)).exit_code == 3
    assert code(output(exit_code=None, timed_out=True)).exit_code == 124
    assert code(output(exit_code=None, status="cut_off")).exit_code == 137


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/etc/a", "/etc/a"),
        ("a.txt", "/workspace/a.txt"),
        ("./a/b c", "/workspace/./a/b c"),
        ("ü/\N{SNOWMAN}", "/workspace/ü/\N{SNOWMAN}"),
        ("..a", "/workspace/..a"),
        ("x" * 255, "/workspace/" + "x" * 255),
    ],
)
def test_4_a_path_names_a_file(path: str, taken: str) -> None:
    form = {"session_id": "s", "remote_path": path}
    assert wire_files.upload(form).remote_path == taken
    assert wire_files.download({"session_id": "s", "filename": path}).filename == taken


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "../",
        "..",
        ".",
        "a/",
        "a/..",
        "../a",
        "/a/../b",
        "a\0b",
        "x" * 256,
        "a/" * 2000 + "a",
    ],
)
def test_7_7_a_path_that_names_no_file_is_refused(path: str) -> None:
    for name, read in (("remote_path", wire_files.upload), ("filename", wire_files.download)):
        with pytest.raises(Failure) as refused:
            read({"session_id": "s", name: path})
        assert codes(refused.value) == [(("body", name), "value_error")]


def test_4_recursive_is_a_word() -> None:
    form = {"session_id": "s", "remote_path": "a"}
    assert wire_files.upload(form).recursive is False
    for word, meaning in (("true", True), ("False", False), ("1", True), ("no", False)):
        assert wire_files.upload({**form, "recursive": word}).recursive is meaning
    with pytest.raises(Failure) as refused:
        wire_files.upload({**form, "recursive": "maybe"})
    assert codes(refused.value) == [(("body", "recursive"), "bool_parsing")]


def test_4_a_download_is_one_object() -> None:
    raw = wire_files.download_head('a"b') + b"eA==" + wire_files.download_tail(1)
    assert msgspec.json.decode(raw) == {"filename": 'a"b', "content": "eA==", "size": 1}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ([], [((), "model_attributes_type")]),
        ({"session_id": 5}, [(("session_id",), "string_type")]),
        ({"vcpu_count": 3}, [(("vcpu_count",), "literal_error")]),
        ({"memory_mb": 127}, [(("memory_mb",), "greater_than_equal")]),
        ({"vm_lifetime_seconds": 19}, [(("vm_lifetime_seconds",), "greater_than_equal")]),
        ({"env": {"A=B": "x"}}, [(("env", "A=B", "[key]"), "value_error")]),
        ({"env": {"A": "\0"}}, [(("env", "A"), "value_error")]),
        ({"metadata": "x"}, [(("metadata",), "dict_type")]),
        ({"share": {"port": 80}}, [(("share",), "value_error")]),
        ({"custom_domain": "a.example"}, [(("custom_domain",), "value_error")]),
        ({"volumes": [{}]}, [(("volumes",), "value_error")]),
        ({"vault_ids": ["v"]}, [(("vault_ids",), "value_error")]),
        ({"egress_policy": {"allow_http": True}}, [(("egress_policy",), "value_error")]),
        ({"egress_policy": 5}, [(("egress_policy",), "dict_type")]),
        ({"image_variant": "nix-dev"}, [(("image_variant",), "literal_error")]),
        ({"snapshot_on_terminate": True}, [(("snapshot_on_terminate",), "value_error")]),
        ({"auto_suspend": True}, [(("auto_suspend",), "value_error")]),
        ({"auto_resume": False}, [(("auto_resume",), "value_error")]),
    ],
)
def test_5_what_a_machine_cannot_be_is_refused(body: Any, wrong: Any) -> None:
    with pytest.raises(Failure) as refused:
        wire_vms.create_vm(body)
    assert codes(refused.value) == [(("body", *path), code) for path, code in wrong]


def test_5_what_asks_for_nothing_is_no_wish() -> None:
    nothing: dict[str, Any] = {
        "share": None,
        "volumes": [],
        "vault_ids": [],
        "auto_suspend": False,
        "egress_policy": {"allow_http": False, "allowed_domains": []},
        "image_variant": "standard",
        "unknown": 5,
    }
    assert wire_vms.create_vm(nothing) == wire_vms.CreateVm()


def test_5_a_change_that_would_not_be_made_is_refused() -> None:
    """Clients read an answer 200 as a change that was made."""
    with pytest.raises(Failure) as refused:
        wire_vms.patch_vm({"vcpu_count": 4, "colour": "red", "memory_mb": 1})
    assert codes(refused.value) == [
        (("body", "memory_mb"), "greater_than_equal"),
        (("body", "colour"), "extra_forbidden"),
        (("body", "vcpu_count"), "extra_forbidden"),
    ]
    patched = wire_vms.patch_vm({"metadata": {"a": 1}, "memory_mb": None, "auto_resume": True})
    assert patched == wire_vms.PatchVm(metadata={"a": 1})


def test_5_staged_values_are_not_repeated() -> None:
    bad = [{"env_name": "A=", "value": "s3cret"}, {"env_name": "B", "value": ["s3cret"]}, {}]
    with pytest.raises(Failure) as refused:
        wire_vms.stage_env({"entries": bad})
    assert codes(refused.value) == [
        (("body", "entries", 0, "env_name"), "value_error"),
        (("body", "entries", 1, "value"), "string_type"),
        (("body", "entries", 2, "env_name"), "missing"),
        (("body", "entries", 2, "value"), "missing"),
    ]
    assert "s3cret" not in refused.value.detail
    twice = {"entries": [{"env_name": "A", "value": "1"}, {"env_name": "A", "value": "2"}]}
    assert wire_vms.stage_env(twice).env == {"A": "2"}


@pytest.mark.parametrize(
    "body",
    [
        {"allow_http": True},
        {"allow_https": "yes"},
        {"allowed_domains": ["example.org"]},
        {"allowed_cidrs": [5]},
        [],
    ],
)
def test_4_nothing_can_be_let_out(body: Any) -> None:
    with pytest.raises(Failure) as refused:
        wire_network.check_egress(body)
    assert refused.value.status == 422
    wire_network.check_egress({"allow_http": False, "allowed_cidrs": []})


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ('{"type":"resize","cols":100,"rows":30}', (100, 30)),
        ('{"type":"resize","cols":1000,"rows":1}', (1000, 1)),
        ('{"type":"resize","cols":0,"rows":30}', None),
        ('{"type":"resize","cols":1001,"rows":30}', None),
        ('{"type":"resize","cols":"100","rows":30}', None),
        ('{"type":"resize"}', None),
        ('{"type":"other","cols":100,"rows":30}', None),
        ("[" * 10_000, None),
        ("\ud800", None),
        ("", None),
    ],
)
def test_5_1_a_text_frame_says_the_size_of_the_window(frame: str, size: Any) -> None:
    found = wire_terminals.control_frame(frame)
    assert (found and (found.cols, found.rows)) == size


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"cols": 0}, "cols"),
        ({"rows": 1001}, "rows"),
        ({"rows": "24"}, "rows"),
        ({"shell": ""}, "shell"),
        ({"command": 5}, "command"),
        ({"id": ""}, "id"),
        ({"id": "../x"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "-"}, "id"),
    ],
)
def test_5_a_terminal_cannot_be_anything(body: Any, name: str) -> None:
    with pytest.raises(Failure) as refused:
        wire_terminals.create_terminal(body)
    assert codes(refused.value)[0][0] == ("body", name)
    assert wire_terminals.create_terminal(None) == wire_terminals.CreateTerminal()
