"""WAVE: sums and files of results. Sections 1.4 and 3.8 of the WAVE contract."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import Commit, Position
from projections.events.test_run import ResultsReplaced, TestCompleted, TestTimedOut
from projections.folds.run import Run, api_of, evolve
from sessions.dialects.wave import wire_imports, wire_results
from sessions.dialects.wave.outcomes import Result, server_timeout, shown

PATHS = st.sampled_from([f"/{api}/{name}.html" for api in ("a", "b c", "é") for name in "xyz"])
SUBTESTS = st.lists(
    st.fixed_dictionaries({"status": st.sampled_from(["PASS", "FAIL", "TIMEOUT", "NOTRUN", "?"])}),
    max_size=4,
).map(tuple)
COMPLETED = st.builds(
    TestCompleted,
    path=PATHS,
    status=st.sampled_from(["OK", "ERROR", "TIMEOUT", "NOTRUN"]),
    message=st.none() | st.text(max_size=5),
    subtests=st.none() | SUBTESTS,
    extra=st.dictionaries(st.sampled_from(["logs", "meta"]), st.integers(0, 9), max_size=2),
)
TIMED_OUT = st.builds(TestTimedOut, path=PATHS)
FACTS = st.lists(COMPLETED | TIMED_OUT, max_size=12, unique_by=lambda fact: fact.path)
WORDS = {"OK": "pass", "ERROR": "fail", "TIMEOUT": "timeout", "NOTRUN": "not_run"}
SUB_WORDS = {"PASS": "pass", "TIMEOUT": "timeout", "NOTRUN": "not_run"}


def commit(position):
    return Commit(
        position=Position(position),
        previous=Position(position - 1),
        stream="session/s",
        id="",
        at=position,
        actor="a",
        tenant="t",
        events=(),
    )


def folded(facts):
    run = Run()
    for position, fact in enumerate(facts, 1):
        run = evolve(run, fact, commit(position))
    return run


def results_of(facts):
    by_api: dict[str, list[Result]] = {}
    for fact in facts:
        result = server_timeout(fact) if isinstance(fact, TestTimedOut) else fact
        by_api.setdefault(api_of(fact.path), []).append(result)
    return by_api


def recount(read):
    """The sums of what is read, counted here once more."""
    sums: Counter[str] = Counter()
    for one in read:
        sums["complete"] += 1
        if "subtests" not in one:
            sums[WORDS[one["status"]]] += 1
        for subtest in one.get("subtests", ()):
            sums[SUB_WORDS.get(subtest["status"], "fail")] += 1
    return sums


@given(FACTS)
def test_compact_is_what_a_recount_of_the_results_gives(facts):
    """Sections 1.4 and 3.8."""
    sums = msgspec.to_builtins(wire_results.compact(folded(facts).counts))
    read = wire_results.selected(results_of(facts), "")
    assert sums.keys() == read.keys()
    for api, found in read.items():
        total = sums[api].pop("total")
        assert total in (0, len(found))
        assert Counter(sums[api]) == recount(found)


@given(FACTS, FACTS)
def test_an_upload_is_counted_as_the_results_it_replaces_would_be(before, uploaded):
    """Sections 1.4, 2.5 and 3.8: whatever came before; what comes after it is added."""
    for api, results in results_of(uploaded).items():
        upload = wire_imports.upload(wire_results.document(results), api)
        replaced = ResultsReplaced(
            api=api,
            sha256="",
            size=0,
            results=upload.counts.complete,
            passed=upload.counts.passed,
            failed=upload.counts.failed,
            timed_out=upload.counts.timed_out,
            not_run=upload.counts.not_run,
        )
        middle = len(before) // 2
        run = folded([*before[:middle], replaced, *before[middle:]])
        later = results_of(before[middle:]).get(api, [])
        sums = msgspec.to_builtins(wire_results.compact(run.counts))[api]
        assert sums.pop("total") == len(results) + len(later)
        assert Counter(sums) == recount(map(shown, [*results, *later]))


@given(FACTS)
def test_files_of_an_export_are_read_back_as_they_were(facts):
    """Section 1.4."""
    for api, results in results_of(facts).items():
        document = wire_results.document(results)
        upload = wire_imports.exported(f"{wire_results.folder(api)}/Ch81.json", document)
        assert upload.api == api
        assert msgspec.json.decode(upload.content) == msgspec.json.decode(document)


@given(st.text(min_size=1, max_size=20))
def test_a_folder_is_one_plain_step(api):
    """Section 1.4: wherever the zip is unpacked."""
    name = wire_results.folder(api)
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>| ')
    assert name.strip(".")


@given(st.lists(st.uuids(version=1).map(str), min_size=1, max_size=5))
def test_a_comparison_has_one_name_in_any_order(tokens):
    """Section 1.4."""
    name = wire_results.comparison(tokens)
    assert name == wire_results.comparison([*reversed(tokens), tokens[0]])
    assert name.startswith("comparison-")
    others = [*tokens, "00000000-0000-1000-8000-000000000000"]
    assert name != wire_results.comparison(others)
