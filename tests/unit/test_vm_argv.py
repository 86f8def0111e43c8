"""The command lines of QEMU, and what a saved state depends on."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.vm.argv import (
    BASE_MB,
    BLOCK_MB,
    MEMORY_MB_MAX,
    Descriptors,
    Shape,
    address_space,
    command,
    own_memory,
    pluggable,
    private_memory,
    shape_key,
    shared_memory,
)

FILES = Descriptors(kernel=3, initrd=4, root=5, scratch=6, control=7, agent=8)
SHAPE = Shape(acceleration="tcg", vcpu_count=2)


def line(shape=SHAPE, memory="ram", files=FILES, *, incoming=True, console=False):
    return command(shape, "vm", memory, files, incoming=incoming, console=console)


def test_a_machine_has_no_network_no_screen_and_all_denials():
    words = line()
    for option, value in (
        ("-nic", "none"),
        ("-display", "none"),
        ("-monitor", "none"),
        ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ):
        assert words[words.index(option) + 1] == value
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(words)
    assert not any(
        "/" in word and not word.startswith("/proc/self/fd/")
        for word in words
        if "/dev/fdset/" not in word and "mem-path" not in word
    )


def test_every_open_file_is_given_and_no_other():
    text = " ".join(line(memory=private_memory(9)))
    for fd in range(3, 10):
        assert f"fd={fd}" in text or f"/proc/self/fd/{fd}" in text
    assert "/proc/self/fd/9,share=off" in text
    assert "share=on" in shared_memory(9)
    assert "fd" not in own_memory()


def test_what_goes_on_from_a_state_has_the_same_devices():
    def devices(words):
        return [word for option, word in itertools.pairwise(words) if option == "-device"]

    fresh, later = line(incoming=False, console=True), line(incoming=True)
    assert devices(fresh) == devices(later)
    assert ("-incoming" in fresh, "-incoming" in later) == (False, True)


def test_the_accelerations_differ_in_nothing_but_the_processor():
    kvm = line(Shape(acceleration="kvm", vcpu_count=2))
    assert kvm[kvm.index("-accel") + 1] == "kvm"
    assert kvm[kvm.index("-cpu") + 1] == "host"
    tcg = line()
    changed = {word for word in (*kvm, *tcg) if (word in kvm) != (word in tcg)}
    assert changed == {"kvm", "host", "max", "tcg,thread=multi,tb-size=64"}


def test_a_key_names_the_shape_the_qemu_and_the_image_and_not_the_open_files():
    shapes = [Shape(acceleration=a, vcpu_count=n) for a in ("tcg", "kvm") for n in (1, 2, 4, 6, 8)]
    keys = {shape_key(s, q, i) for s in shapes for q in ("7.2", "8.0") for i in ("a", "b")}
    assert len(keys) == len(shapes) * 4
    assert shape_key(SHAPE, "7.2", "a") == shape_key(SHAPE, "7.2", "a")
    assert all(key.isalnum() for key in keys)


@given(st.integers(0, 20_000))
def test_plugged_memory_is_whole_blocks_and_enough(memory_mb):
    plugged = pluggable(memory_mb)
    assert plugged % (BLOCK_MB << 20) == 0
    there = BASE_MB + (plugged >> 20)
    assert BASE_MB <= there <= MEMORY_MB_MAX
    assert there >= min(memory_mb, MEMORY_MB_MAX)
    assert there - BLOCK_MB < max(memory_mb, BASE_MB)


@pytest.mark.parametrize("vcpu_count", [1, 8])
def test_the_address_space_holds_all_the_memory(vcpu_count):
    assert address_space(vcpu_count) > (MEMORY_MB_MAX + BASE_MB) << 20
