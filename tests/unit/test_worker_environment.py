"""A command knows its session and its secrets, and neither the worker's key nor another program."""

import pytest

from sessions.runtimes.worker.claim import Claim
from sessions.runtimes.worker.environment import environment, may_be_set
from sessions.runtimes.worker.lease import MARGIN_S_MAX, Lease
from sessions.runtimes.worker.mask import Mask


def claim(**secrets):
    return Claim(session_id="s-1", generation=7, lease_s=30, attempt=2, secrets=secrets)


def test_the_command_gets_the_secrets_and_which_session_it_is():
    inherited = {"PATH": "/bin", "SESSIOND_KEY": "k", "SESSIOND_ADMIN_KEY": "a", "GH_TOKEN": "old"}
    found = environment(inherited, claim(GH_TOKEN="new", db_url="x"), "http://there")
    assert found.left_out == []
    assert found.variables == {
        "PATH": "/bin",
        "GH_TOKEN": "new",
        "db_url": "x",
        "SESSIOND_SESSION": "s-1",
        "SESSIOND_GENERATION": "7",
        "SESSIOND_ATTEMPT": "2",
        "SESSIOND_URL": "http://there",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "LD_PRELOAD", "BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS"),
        *("PERL5OPT", "RUBYOPT", "IFS", "HOME", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GIT_SSH"),
        *("SESSIOND_URL", "SESSIOND_KEY", "path", "a-b", "a.b", "1st", "", "A=B", "Ä"),
        *("SHELL", "CDPATH", "GIT_SSH_COMMAND", "DYLD_INSERT_LIBRARIES"),
    ],
)
def test_a_secret_does_not_choose_what_is_run_or_loaded(name):
    assert not may_be_set(name)
    found = environment({"PATH": "/bin"}, claim(**{name: "/tmp/evil"}), "http://there")
    assert found.left_out == [name]
    assert "/tmp/evil" not in found.variables.values()


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "GIT_TOKEN", "NODE_AUTH_TOKEN", "LDAP_HOST", "AWS_SECRET_KEY", "_x1"]
)
def test_a_name_that_is_one_of_a_secret_is_set(name):
    assert may_be_set(name)


def test_a_value_that_no_variable_can_hold_is_left_out():
    assert environment({}, claim(A="a\0b"), "http://there").left_out == ["A"]


def test_long_values_are_hidden_wherever_they_stand():
    mask = Mask(["hunter2!", "hunter2!-and-more", "short", ".*-.*"])
    assert mask("it is hunter2!-and-more, hunter2! and short") == "it is ***, *** and short"
    assert mask("a-b .*-.*") == "a-b .*-.*"
    assert Mask(["a.c.e.g"])("abcdefg a.c.e.g") == "abcdefg ***"
    assert Mask([])("anything") == "anything"


def test_a_lease_is_over_for_the_worker_before_it_is_for_the_service():
    lease = Lease(100.0, 30.0)
    assert 0 < lease.remaining(128.9) < 1
    assert lease.remaining(130 - MARGIN_S_MAX) <= 0
    lease.renewed(110.0, 30.0)
    assert lease.remaining(130.0) == pytest.approx(9.0)
    # An answer that was overtaken by a later one takes nothing back.
    lease.renewed(105.0, 30.0)
    assert lease.remaining(130.0) == pytest.approx(9.0)
    lease.renewed(120.0, 2.0)
    assert 0 < lease.remaining(121.7) < 0.2
