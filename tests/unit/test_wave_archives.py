"""WAVE: zips that nobody has to take. Section 1.4 of the WAVE contract (import)."""

import io
import stat
import struct
import warnings
import zipfile

import pytest

from sessions.dialects.wave.archives import (
    DIRECTORY_BYTES_MAX,
    ENTRIES_MAX,
    ENTRY_BYTES_MAX,
    TOTAL_BYTES_MAX,
    Archive,
    BadArchive,
    pack,
)

END = struct.Struct("<4sHHHHLLH")


def opened(content):
    return Archive(io.BytesIO(content))


def written(*names, **options):
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", **options) as archive:
        warnings.simplefilter("ignore")
        for name in names:
            archive.writestr(name, b"{}")
    return made.getvalue()


def test_what_is_packed_is_there_again_and_always_the_same():
    entries = [("info.json", b"{}"), ("é/a b.json", bytes(100_000))]
    content = pack(entries)
    assert content == pack(iter(entries))
    assert len(content) < 1000
    archive = opened(content)
    assert [(name, archive.read(name)) for name in archive.names] == entries


def test_folders_are_no_files():
    assert opened(written("a/", "a/b.json")).names == ("a/b.json",)


NAMES = [
    *("../a", "a/../b", "/a", "a//b", "./a", "a/.", "..", "a\\b", "C:a", "a\nb", "\u202ea"),
    *("a" * 513, "a/..", "//", "/"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(BadArchive):
        opened(written("info.json", name))


def test_one_name_is_one_file():
    with pytest.raises(BadArchive, match="two files"):
        opened(written("a", "a"))


def test_a_directory_is_not_read_if_it_is_too_large():
    """Also where the numbers of files are told wrong: its size is what would be read."""
    fat = written(*(f"{n:0500}" for n in range(DIRECTORY_BYTES_MAX // 500)))
    few = fat[: -END.size] + END.pack(*_with_count(fat, 1))
    for content in (fat, few):
        with pytest.raises(BadArchive, match="too many"):
            opened(content)
    with pytest.raises(BadArchive, match="too many"):
        opened(written(*map(str, range(ENTRIES_MAX + 1))))
    assert len(opened(written(*map(str, range(ENTRIES_MAX)))).names) == ENTRIES_MAX


def _with_count(content, count):
    end = list(END.unpack(content[-END.size :]))
    end[3] = end[4] = count
    return end


def test_a_directory_behind_a_second_end_is_not_read_either():
    """The larger form of a directory tells its size elsewhere."""
    content = written("a")
    at = len(content) - END.size
    locator = b"PK\6\7" + bytes(16)
    with pytest.raises(BadArchive, match="too many"):
        opened(content[:at] + locator + content[at:])


def test_a_comment_may_follow_but_not_hide_the_directory():
    content = bytearray(written("a"))
    content[-2:] = struct.pack("<H", 5)
    assert opened(bytes(content) + b"hello").names == ("a",)
    with pytest.raises(BadArchive):
        opened(bytes(content) + b"PK\5\6")


def test_what_is_encrypted_or_packed_otherwise_is_refused():
    content = bytearray(written("a"))
    for at in (content.index(b"PK\1\2") + 8, content.index(b"PK\3\4") + 6):
        content[at] |= 1
    with pytest.raises(BadArchive, match="packed"):
        opened(bytes(content))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(BadArchive, match="packed"):
            opened(written("a", compression=method))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_is_refused_and_so_is_what_is_no_file(kind):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("css/Ch81.json")
        entry.create_system = 3
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, b"/etc/passwd")
    with pytest.raises(BadArchive, match="link"):
        opened(made.getvalue())


def test_sizes_in_the_larger_form_are_believed_no_more_than_others():
    """An entry may tell its size in 64 bits: what it tells is checked, and so is what comes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"{}")
    assert opened(made.getvalue()).read("a") == b"{}"
    told = b"{}" * 1000
    for size in (1 << 40, (1 << 64) - 1):
        with pytest.raises(BadArchive, match="too large"):
            opened(with_size_of_64_bits(told, size)).read("a")
    for size in (0, 1):
        with pytest.raises(BadArchive, match="cannot be read"):
            opened(with_size_of_64_bits(told, size)).read("a")
    assert opened(with_size_of_64_bits(told, len(told))).read("a") == told


def with_size_of_64_bits(content, size):
    """A zip of one file, whose directory has the sizes where those that are large stand."""
    plain = pack([("a", content)])
    at = plain.index(b"PK\1\2")
    packed = struct.unpack_from("<L", plain, at + 20)[0]
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    entry = bytearray(plain[at : at + 46])
    struct.pack_into("<LL", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", entry, 30, len(extra))
    directory = bytes(entry) + b"a" + extra
    end = END.pack(b"PK\5\6", 0, 0, 1, 1, len(directory), at, 0)
    return plain[:at] + directory + end


def test_bytes_are_counted_as_they_come_out():
    with pytest.raises(BadArchive, match="too large"):
        opened(pack([("a", bytes(ENTRY_BYTES_MAX + 1))]))
    files = TOTAL_BYTES_MAX // ENTRY_BYTES_MAX
    archive = opened(pack((str(n), bytes(ENTRY_BYTES_MAX)) for n in range(files + 1)))
    for n in range(files):
        assert len(archive.read(str(n))) == ENTRY_BYTES_MAX
    with pytest.raises(BadArchive, match="too large"):
        archive.read(str(files))


def test_a_file_that_is_not_there_or_not_whole_cannot_be_read():
    content = pack([("a", bytes(range(256)))])
    with pytest.raises(BadArchive, match="there is no b"):
        opened(content).read("b")
    broken = bytearray(content)
    broken[40] ^= 0xFF
    with pytest.raises(BadArchive, match="cannot be read"):
        opened(bytes(broken)).read("a")


def test_no_damage_is_an_error_of_another_kind():
    """Each byte of a small zip changed in turn, and each beginning of it."""
    content = pack([("info.json", b'{"a": 1}'), ("css/Ch81.json", b"{}" * 40)])
    damaged = [content[:size] for size in range(len(content))]
    for at in range(len(content)):
        for flipped in (0xFF, 0x01, 0x80):
            one = bytearray(content)
            one[at] ^= flipped
            damaged.append(bytes(one))
    refused = 0
    for tried in damaged:
        try:
            archive = opened(tried)
            for name in archive.names:
                archive.read(name)
        except BadArchive:
            refused += 1
    assert refused > len(content)
