"""Who changes the log in the database is found out, at the very commit or between two heads."""

import itertools
import random

import msgspec
import pytest

from eventstore.checkpoint import Signer
from eventstore.merkle import leaf_hash
from eventstore.verification import PAGE
from tests.support.tampering import COLUMNS, COMMITS, HEAD_SIZES, with_flip

FLIPS = 25
SEED = 20_260_131


def test_a_log_that_nobody_touched_holds(copy):
    verified = copy.verified()
    assert verified.holds, verified.findings
    assert (verified.size, verified.position, verified.vouched) == (COMMITS, COMMITS, 270)
    assert verified.heads == len(HEAD_SIZES)
    assert COMMITS > PAGE  # so that there is a whole page and a part of one


@pytest.mark.parametrize("column", COLUMNS)
def test_a_flip_of_one_bit_in_a_column_is_found_at_its_commit(copy, column):
    source = random.Random(f"{SEED}/{column}")
    print("seed", SEED)
    rows = [row for row in copy.rows() if row[1 + COLUMNS.index(column)] is not None]
    for row in source.sample(rows, min(FLIPS, len(rows))):
        position, value = row[0], row[1 + COLUMNS.index(column)]
        flipped = with_flip(value, source)
        update = f"UPDATE OR IGNORE commits SET {column} = ? WHERE position = ?"
        with copy.edited() as connection:
            changed = connection.execute(update, (flipped, position)).rowcount
        if not changed:  # a unique index refused it
            continue
        found = copy.commit_found()
        assert found.position == position, (column, position, value, flipped, found)
        with copy.edited() as connection:
            connection.execute(update, (value, position))
    assert copy.verified().holds


@pytest.mark.parametrize(
    ("column", "other", "words"),
    [
        ("stream", "'x'", "type"),
        ("body", "CAST(body AS TEXT)", "type"),
        ("body", "CAST('{}' AS BLOB)", "no commit"),
        ("body", "CAST('[1' AS BLOB)", "no commit"),
        ("body", "body || x'20'", "hashed"),
        ("body", "body || x'00'", "hashed"),
        ("node", "zeroblob(32)", "hash stored with it"),
        ("id", "zeroblob(16)", "column id"),
        ("name", "'another'", "column name"),
        ("name", "NULL", "column name"),
        ("previous", "99", "column previous"),
        ("stream", "98", "cannot be"),
    ],
)
def test_what_is_wrong_with_a_commit_is_said_in_words(copy, column, other, words):
    # Not STRICT for the moment: types that SQLite itself would refuse can stand in a file.
    first = next(row[0] for row in copy.rows() if row[3] is not None and row[0] > 1)
    with copy.edited() as connection:
        connection.execute("PRAGMA writable_schema = 1")
        strict = "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'commits'"
        connection.execute(strict, (") STRICT", ")"))
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"UPDATE commits SET {column} = {other} WHERE position = ?", (first,))
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(strict, (")\n", ")\n"))
    found = copy.commit_found()
    assert found.position == first
    assert words in found.what, found


def delete(connection, position):
    connection.execute("DELETE FROM commits WHERE position = ?", (position,))


def delete_and_close_the_gap(connection, position):
    delete(connection, position)
    for at in range(position + 1, COMMITS + 1):
        connection.execute("UPDATE commits SET position = ? WHERE position = ?", (at - 1, at))


def insert_a_repeat(connection, position):
    for at in range(COMMITS, position - 1, -1):
        connection.execute("UPDATE commits SET position = ? WHERE position = ?", (at + 1, at))
    connection.execute(
        "INSERT INTO commits SELECT ?1, stream, previous + 1, NULL, randomblob(16), body, node "
        "FROM commits WHERE position = ?1 + 1",
        (position,),
    )


def swap(connection, position):
    for old, new in ((position, -1), (position + 1, position), (-1, position + 1)):
        connection.execute("UPDATE commits SET position = ? WHERE position = ?", (new, old))


def copy_the_body_before(connection, position):
    connection.execute(
        "UPDATE commits SET body = (SELECT body FROM commits WHERE position = ?1 - 1), "
        "node = (SELECT node FROM commits WHERE position = ?1 - 1) WHERE position = ?1",
        (position,),
    )


CHANGES = [delete, delete_and_close_the_gap, insert_a_repeat, swap, copy_the_body_before]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("position", [2, 77, 255, 256, 257, 298])
def test_commits_that_are_missing_added_or_moved_are_found_where_it_begins(copy, change, position):
    with copy.edited() as connection:
        change(connection, position)
    assert copy.commit_found().position == position


def test_a_row_before_the_first_position_is_found(copy):
    with copy.edited() as connection:
        connection.execute("UPDATE commits SET position = -7 WHERE position = ?", (COMMITS,))
    assert copy.commit_found().position == -7


@pytest.mark.parametrize("kept", [0, 1, 39, 40, 269])
def test_a_tail_that_was_cut_off_shows_against_the_heads(copy, kept):
    with copy.edited() as connection:
        connection.execute("DELETE FROM commits WHERE position > ?", (kept,))
    verified = copy.verified()
    (found,) = verified.findings
    first = next(size for size in HEAD_SIZES if size > kept)
    assert (found.subject, found.after, found.until) == ("history", kept, first)
    assert "cut off" in found.what
    assert verified.vouched == max((size for size in HEAD_SIZES if size <= kept), default=0)


def test_what_no_head_vouches_for_can_be_cut_off_unless_somebody_kept_a_later_one(copy, tmp_path):
    name = copy.verified().epoch
    signer = Signer.from_seed(f"sessiond/{name}", bytes(32))
    root = bytes.fromhex(copy.verified().root)
    kept = tmp_path / "kept.checkpoint"
    answer = tmp_path / "kept.json"
    kept.write_text(signer.sign(COMMITS, root))
    answer.write_bytes(msgspec.json.encode({"checkpoint": kept.read_text(), "size": COMMITS}))
    with copy.edited() as connection:
        connection.execute("DELETE FROM commits WHERE position > 280")
    assert copy.verified().holds
    for file in (kept, answer):
        (found,) = copy.verified(kept=(str(file),)).findings
        assert (found.after, found.until) == (280, COMMITS)


def of_another_actor(bodies, at):
    bodies[at - 1] = bodies[at - 1].replace(b'"tester"', b'"teller"')


def of_another_time(bodies, at):
    said = msgspec.json.decode(bodies[at - 1])
    bodies[at - 1] = bodies[at - 1].replace(b"%d" % said["at"], b"%d" % (said["at"] + 1))


def without_it(bodies, at):
    """The log as if commit `at` had never been: those after it move up, chained anew."""
    streams: dict[str, int] = {}
    kept = bodies[: at - 1] + bodies[at:]
    for number, body in enumerate(kept, 1):
        said = msgspec.json.decode(body)
        said["position"], said["previous"] = number, streams.get(said["stream"], 0)
        streams[said["stream"]] = number
        if number >= at:
            kept[number - 1] = msgspec.json.encode(said)
    bodies[:] = kept


@pytest.mark.parametrize("forge", [of_another_actor, of_another_time, without_it])
@pytest.mark.parametrize("at", [1, 40, 41, 256, 257, 270])
def test_who_makes_all_hashes_anew_is_found_between_two_heads(copy, forge, at):
    bodies = [row[5] for row in copy.rows()]
    forge(bodies, at)
    copy.rewrite(bodies)
    verified = copy.verified()
    (found, *tail) = verified.findings
    before, until = next(
        pair for pair in itertools.pairwise((0, *HEAD_SIZES)) if pair[0] < at <= pair[1]
    )
    assert (found.subject, found.after, found.until) == ("history", before, until)
    assert verified.vouched == before
    assert verified.position == verified.size, "by itself the forged log is without fault"
    assert not tail


def test_a_rewrite_that_changes_nothing_holds(copy):
    root = copy.verified().root
    copy.rewrite([row[5] for row in copy.rows()])
    verified = copy.verified()
    assert (verified.holds, verified.root) == (True, root)


def test_a_hash_that_was_changed_is_told_from_a_body_that_was(copy):
    with copy.edited() as connection:
        connection.execute("UPDATE commits SET node = zeroblob(32) WHERE position = 33")
    assert "its body is as it was" in copy.commit_found().what
    bodies = [row[5] for row in copy.rows()]
    of_another_actor(bodies, 33)
    with copy.edited() as connection:
        connection.execute(
            "UPDATE commits SET body = ?, node = ? WHERE position = 33",
            (bodies[32], leaf_hash(bodies[32])),
        )
    found = copy.commit_found()
    assert (found.position, "not the one that was hashed" in found.what) == (34, True)
