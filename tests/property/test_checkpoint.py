"""A signed note opens only as it was signed, and others read ours as we read theirs."""

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import example, given
from hypothesis import strategies as st
from tlog_scales import signing as elsewhere
from tlog_scales.tlog import Checkpoint as CheckpointElsewhere

from eventstore.checkpoint import (
    NOTE_CHARS_MAX,
    SIGNATURES_MAX,
    Checkpoint,
    Signer,
    Verifier,
    parse_checkpoint,
)
from eventstore.errors import BadCheckpoint

ROOT = bytes(range(32))
SIGNER = Signer.from_seed("sessiond/one", b"1" * 32)
VERIFIER = SIGNER.verifier
WITNESS = Signer.from_seed("witness.example/w", b"2" * 32)
NOTE = SIGNER.sign(7, ROOT)
SAID = Checkpoint("sessiond/one", 7, ROOT)

# Published by others: the key of Go's checksum database and what it signed over the years, and
# the key and the note in the documentation of golang.org/x/mod/sumdb/note.
GO_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_ORIGIN = "go.sum database tree"
GO_HEADS = {
    756113: (
        "k9nFMBuXq8uk+9SQNxs/Vadri2XDkaoo96u4uMa0qE0=",
        "Az3grgIHxiDLRpsKUElIX5vJMlFS79SqfQDSgHQmON922lNdJ5zxF8SSPPcah3jhIkpG8LSKNaWXiy7IldOSDCt4Pwk=",
    ),
    6476701: (
        "mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=",
        "Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=",
    ),
    10680630: (
        "k1UQFwFXWQa7MF1BREWVQxIhScvUdgRepXuyRS3sRuE=",
        "Az3grqgyWctiMcdUtITQpkGSxEoEvbaAq7J3FpbaVlW1Zo47LX/jmeeE7LiBktpmR2d/1RsdocLU9HMXYXxHCVyf/AQ=",
    ),
    28891140: (
        "++pUIeKTwGvykMUkmM3AT97PwQipMT6H/p7t86E0Sp0=",
        "Az3grqNvOILDz7xwAKugtVFZwd+I9IyB/mHrUYzcVaS9zKsRVdRLNGLFpnAcLhyoBBkdIYEzK/+7Eu4wanYttLrPsQo=",
    ),
}
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NEUMANN_NOTE = (
    f"{NEUMANN_TEXT}\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

names = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Z"), blacklist_characters="+"), min_size=1
)
hashes = st.binary(min_size=32, max_size=32)


def line_of(note):
    """The signature line of a note with one signature."""
    return note.rpartition("\n\n")[2]


def refused(note, words=None, verifier=VERIFIER):
    with pytest.raises(BadCheckpoint, match=words):
        verifier.open(note)


@given(names, hashes, st.integers(0, 10**19 - 1), hashes)
def test_what_was_signed_opens_and_no_other_key_opens_it(name, seed, size, root):
    signer = Signer.from_seed(name, seed)
    note = signer.sign(size, root)
    for verifier in (signer.verifier, Verifier.parse(signer.verifier.vkey)):
        assert verifier.open(note) == Checkpoint(name, size, root)
    flipped = bytes([seed[0] ^ 1]) + seed[1:]
    refused(note, "no signature of it", Signer.from_seed(name, flipped).verifier)
    refused(note, "no signature of it", Signer.from_seed(f"{name}x", seed).verifier)


@given(names, hashes)
def test_a_private_key_comes_back_from_its_line(name, seed):
    signer = Signer.from_seed(name, seed)
    back = Signer.parse(signer.private_line())
    assert back.verifier.vkey == signer.verifier.vkey
    assert back.sign(3, ROOT) == signer.sign(3, ROOT)


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_a_note_can_be_changed(bit):
    raw = NOTE.encode()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << bit
        refused(changed.decode(errors="replace"))
        refused(changed.decode(errors="surrogateescape"))


@pytest.mark.parametrize("more", ["", "\n", " ", "\r", "0", "=", "\u2014", "\x00"])
def test_no_character_of_a_note_can_be_replaced_added_or_left_out(more):
    for place in range(len(NOTE) + 1):
        if more:
            refused(NOTE[:place] + more + NOTE[place:])
        for changed in {NOTE[:place] + more + NOTE[place + 1 :]} - {NOTE}:
            refused(changed)


@given(st.text())
@example("")
@example("\n\n")
@example("\u2014 a b\n")
def test_any_text_is_refused_in_words(text):
    for note in (text, f"{SAID.text()}\n{text}", f"{text}\n\n{line_of(NOTE)}"):
        if note != NOTE:
            refused(note)


def test_signatures_of_others_are_ignored_wherever_they_stand():
    others = "".join(line_of(WITNESS.sign(7, bytes([n]) * 32)) for n in range(SIGNATURES_MAX - 1))
    assert VERIFIER.open(NOTE + others) == SAID
    assert VERIFIER.open(f"{SAID.text()}\n{others}{line_of(NOTE)}") == SAID
    refused(f"{NOTE}{others}{line_of(NOTE)}", "no signed note")
    post_quantum = f"\u2014 pq.example/w {'AAAA' * 1700}\n"
    assert VERIFIER.open(NOTE + 16 * post_quantum) == SAID
    refused(NOTE + 99 * f"\u2014 pq.example/w {'AAAA' * (NOTE_CHARS_MAX // 360)}\n", "too long")


def test_the_same_name_or_the_same_id_alone_is_another_key():
    same_name = Signer.from_seed(SIGNER.verifier.name, b"3" * 32)
    assert VERIFIER.open(NOTE + line_of(same_name.sign(8, ROOT))) == SAID
    same_id = line_of(NOTE).replace("sessiond/one", "sessiond/two")
    assert VERIFIER.open(NOTE + same_id) == SAID
    refused(f"{SAID.text()}\n{same_id}", "no signature of it")


def test_a_key_that_signed_twice_must_be_right_twice():
    assert VERIFIER.open(NOTE + line_of(NOTE)) == SAID
    other = line_of(SIGNER.sign(8, ROOT))
    refused(NOTE + other, "does not match")
    refused(f"{SAID.text()}\n{other}{line_of(NOTE)}", "does not match")


@pytest.mark.parametrize(
    "line",
    [
        "\u2014 a\n",
        "\u2014  AAAAAAAA\n",
        "\u2014 a AAAAAAAA \n",
        "\u2014 a  AAAAAAAA\n",
        "\u2014 a+b AAAAAAAA\n",
        "\u2014 a\u00a0b AAAAAAAA\n",
        "\u2014 a AAAAAA==\n",
        "\u2014 a AAAAAAB=\n",
        "\u2014 a AAAA-_AA\n",
        "-- a AAAAAAAA\n",
        "a AAAAAAAA\n",
    ],
)
def test_one_malformed_line_spoils_the_note(line):
    refused(NOTE + line)
    refused(f"{SAID.text()}\n{line}{line_of(NOTE)}")


def test_a_well_formed_line_of_the_same_kind_does_not():
    assert VERIFIER.open(NOTE + "\u2014 a AAAAAAAA\n") == SAID


@pytest.mark.parametrize(
    "text",
    [
        f"sessiond/one\n07\n{SAID.text().split()[2]}\n",
        f"sessiond/one\n-7\n{SAID.text().split()[2]}\n",
        f"sessiond/one\n+7\n{SAID.text().split()[2]}\n",
        f"sessiond/one\n\u0667\n{SAID.text().split()[2]}\n",
        f"sessiond/one\n\n{SAID.text().split()[2]}\n",
        f"sessiond/one\n{'9' * 20}\n{SAID.text().split()[2]}\n",
        "sessiond/one\n7\nAAAA\n",
        "sessiond/one\n7\n!\n",
        "sessiond/one\n7\n",
        f"\n7\n{SAID.text().split()[2]}\n",
        f"{SAID.text()}\nmore\n",
        SAID.text()[:-1],
        "",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)


def test_lines_after_the_third_are_not_ours_to_read_but_are_signed():
    note = SIGNER.sign(7, ROOT, ["an extension"])
    assert VERIFIER.open(note) == SAID
    refused(note.replace("an extension", "no extension"), "does not match")


def test_a_head_of_another_log_is_refused_though_the_key_signed_it():
    go = Verifier.parse(GO_KEY)
    root, signature = GO_HEADS[756113]
    note = f"{GO_ORIGIN}\n756113\n{root}\n\n\u2014 sum.golang.org {signature}\n"
    refused(note, "not of sum.golang.org", go)
    with pytest.raises(BadCheckpoint, match="not of another"):
        go.open(note, "another")


@pytest.mark.parametrize("size", GO_HEADS)
def test_the_heads_of_gos_checksum_database_open(size):
    root, signature = GO_HEADS[size]
    note = f"{GO_ORIGIN}\n{size}\n{root}\n\n\u2014 sum.golang.org {signature}\n"
    said = Verifier.parse(GO_KEY).open(note, GO_ORIGIN)
    assert (said.size, said.text()) == (size, note.partition("\n\n")[0] + "\n")
    refused(note.replace(str(size), str(size + 1)), "does not match", Verifier.parse(GO_KEY))


def test_the_note_of_gos_package_opens_and_its_private_key_is_ours_to_read():
    assert Verifier.parse(NEUMANN_KEY).text(NEUMANN_NOTE) == NEUMANN_TEXT
    signer = Signer.parse(NEUMANN_PRIVATE)
    assert signer.verifier.vkey == NEUMANN_KEY
    assert signer.private_line().strip() == NEUMANN_PRIVATE


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a",
        GO_KEY.replace("033de0ae", "033de0af"),
        GO_KEY.replace("033de0ae", "033DE0AE"),
        GO_KEY.replace("sum.", "som."),
        GO_KEY.replace("+Ac4", "+Bc4"),
        GO_KEY[:-4],
        f"{GO_KEY}AAAA",
        f"\x01{GO_KEY}",
        f"a b{GO_KEY}",
    ],
)
def test_a_changed_public_key_is_refused(key):
    with pytest.raises(BadCheckpoint):
        Verifier.parse(key)


@pytest.mark.parametrize("part", ["PRIVATE", "KEY", "PeterNeumann", "c74f20a3", "AYEK"])
def test_a_changed_private_key_is_refused(part):
    for changed in ("", "x", part.swapcase()):
        with pytest.raises(BadCheckpoint):
            Signer.parse(NEUMANN_PRIVATE.replace(part, changed))


def test_an_independent_implementation_reads_our_notes():
    key = elsewhere.Vkey.from_string(VERIFIER.vkey)
    assert key.serialize() == VERIFIER.vkey
    read = CheckpointElsewhere.from_text(NOTE)
    read.verify(key)
    assert (read.origin, read.size, read.root_hash) == (SAID.origin, SAID.size, SAID.root)
    with pytest.raises(InvalidSignature):
        CheckpointElsewhere.from_text(NOTE.replace("\n7\n", "\n8\n")).verify(key)


def test_we_read_the_notes_of_an_independent_implementation():
    ours = elsewhere.PlainEd25519Signer("sessiond/one", b"1" * 32)
    witness = elsewhere.PlainEd25519Signer("witness.example/w", b"2" * 32)
    made = CheckpointElsewhere.make_signed("sessiond/one", 7, ROOT, [witness, ours])
    assert VERIFIER.open(made.serialize()) == SAID
    assert WITNESS.verifier.open(made.serialize(), "sessiond/one") == SAID
    assert CheckpointElsewhere.make_signed("sessiond/one", 7, ROOT, [ours]).serialize() == NOTE
