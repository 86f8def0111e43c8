"""The archive that a guest starts from: read back, it is what was put in, and nothing else."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.vm import cpio

HEADER = 110
FIELDS = 13


def read(archive):
    """The entries of an archive as its bytes say, by the description of the format."""
    entries: dict[str, object] = {}
    at = 0
    while True:
        header = archive[at : at + HEADER]
        assert header[:6] == b"070701", f"no header at {at}"
        numbers = [int(header[6 + 8 * n : 14 + 8 * n], 16) for n in range(FIELDS)]
        _, mode, uid, gid, _, mtime, size, _, _, major, minor, name_size, check = numbers
        assert (uid, gid, mtime, check) == (0, 0, 0, 0)
        name = archive[at + HEADER : at + HEADER + name_size]
        assert name.endswith(b"\0")
        data_at = -(-(at + HEADER + name_size) // 4) * 4
        data = archive[data_at : data_at + size]
        at = -(-(data_at + size) // 4) * 4
        if name == b"TRAILER!!!\0":
            assert archive[at:].strip(b"\0") == b""
            return entries
        entries[name[:-1].decode()] = (mode, data, (major, minor))


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40)
paths = st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4)


@given(st.dictionaries(paths.map("/".join), st.binary(max_size=600), max_size=8))
def test_what_is_put_in_is_read_back(contents):
    contents.pop("TRAILER!!!", None)
    archive = cpio.archive([cpio.file(name, data) for name, data in contents.items()])
    assert len(archive) % 512 == 0
    wanted = {name: (stat.S_IFREG | 0o644, data, (0, 0)) for name, data in contents.items()}
    assert read(archive) == wanted


def test_every_kind_of_entry_keeps_its_type_and_rights():
    archive = cpio.archive(
        [
            cpio.folder("bin", 0o700),
            cpio.file("bin/tool", b"#!", 0o755),
            cpio.link("bin/alias", "tool"),
            cpio.character_device("console", 5, 1, 0o600),
        ]
    )
    assert read(archive) == {
        "bin": (stat.S_IFDIR | 0o700, b"", (0, 0)),
        "bin/tool": (stat.S_IFREG | 0o755, b"#!", (0, 0)),
        "bin/alias": (stat.S_IFLNK | 0o777, b"tool", (0, 0)),
        "console": (stat.S_IFCHR | 0o600, b"", (5, 1)),
    }


def test_the_same_entries_give_the_same_bytes():
    entries = [cpio.folder("a"), cpio.file("a/b", b"c")]
    assert cpio.archive(entries) == cpio.archive(iter(entries))


@pytest.mark.parametrize("name", ["", "/etc", "a/../b", "..", "./a", "a//b", "a\0b", "TRAILER!!!"])
def test_a_name_that_linux_would_unpack_elsewhere_is_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        cpio.archive([cpio.file(name, b"")])


def test_a_name_may_be_there_once():
    with pytest.raises(ValueError, match="twice"):
        cpio.archive([cpio.file("a", b"1"), cpio.file("a", b"2")])
