"""Python in a machine (contract of VM sessions, section 4.3): one process, variables that stay."""

import asyncio
import signal

import pytest

from tests.support.guest import MIB, alive, gone, running, until, written

LOST = b"its variables are lost\n"


@pytest.fixture
async def guest(tmp_path):
    async with running(tmp_path) as started:
        yield started


async def test_variables_functions_and_imports_stay(guest):
    assert (await guest.python("import math\nx = 6\ndef f(y):\n    return x * y")).exit_code == 0
    assert (await guest.python("print(f(7), math.pi)")).stdout == b"42 3.141592653589793\n"


async def test_an_exception_is_a_traceback_of_the_program_alone(guest):
    outcome = await guest.python("def g():\n    1 / 0\n\ng()")
    assert (outcome.exit_code, outcome.stdout) == (1, b"")
    text = outcome.stderr.decode()
    assert text.startswith(
        'Traceback (most recent call last):\n  File "<program 1>", line 4, in <module>'
    )
    assert "    1 / 0\n" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert "interpreter.py" not in text
    assert (await guest.python("print('on')")).stdout == b"on\n"


LEAVING = [
    ("import sys; sys.exit()", (0, b"")),
    ("import sys; sys.exit(7)", (7, b"")),
    ("import sys; sys.exit(256 + 5)", (5, b"")),
    ("import sys; sys.exit('no')", (1, b"no\n")),
    ("exit(3)", (3, b"")),
    ("raise SystemExit(True)", (1, b"")),
]


async def test_leaving_is_an_exit_code(guest):
    await guest.python("kept = 1")
    for code, ended in LEAVING:
        outcome = await guest.python(code)
        assert (outcome.exit_code, outcome.stderr) == ended, code
    assert (await guest.python("print(kept)")).stdout == b"1\n"


WRONG = [
    ("x = = 1", b"SyntaxError: invalid syntax\n"),
    ("raise KeyboardInterrupt", b"KeyboardInterrupt\n"),
    ("def f(): f()\nf()", b"RecursionError"),
    ("'a' 'b\0'", b"null bytes"),
    (
        "class E(Exception):\n  def __str__(self): raise ValueError\nraise E",
        b"E: <exception str() failed>",
    ),
    ("input()", b"EOFError"),
    ("print('\\udcff\\ud800')", b"UnicodeEncodeError"),
]


async def test_whatever_goes_wrong_is_told_and_python_goes_on(guest):
    await guest.python("kept = 1")
    for code, says in WRONG:
        outcome = await guest.python(code)
        assert outcome.exit_code == (130 if "Keyboard" in code else 1)
        assert says in outcome.stderr
    assert (await guest.python("print(kept)")).stdout == b"1\n"


async def test_programs_run_as_main_and_can_be_pickled_and_asked_for_their_source(guest):
    code = """
import pickle, inspect
class A:
    pass
def f():
    return 1
assert type(pickle.loads(pickle.dumps(A()))) is A
assert __name__ == "__main__"
print(inspect.getsource(f), end="")
"""
    outcome = await guest.python(code)
    assert (outcome.stdout, outcome.stderr) == (b"def f():\n    return 1\n", b"")


async def test_it_starts_at_home_and_finds_modules_there(guest):
    (guest.home / "mine.py").write_text("word = 'found'")
    outcome = await guest.python(
        "import os, mine; print(os.getcwd(), mine.word); os.mkdir('d'); os.chdir('d')"
    )
    assert outcome.stdout.decode() == f"{guest.home} found\n"
    assert (await guest.python("print(os.getcwd())")).stdout.decode() == f"{guest.home}/d\n"


async def test_the_environment_reaches_a_python_that_runs_already(guest):
    await guest.python("import os; os.environ['OWN'] = 'kept'; os.environ['SET'] = 'old'")
    await guest.channel.setenv({"SET": 'a b "c" $HOME\né', "TZ": "UTC-5"})
    outcome = await guest.python("print(os.environ['SET'], os.environ['OWN'], os.getenv('HOME'))")
    assert outcome.stdout.decode() == f'a b "c" $HOME\né kept {guest.home}\n'
    assert (await guest.python("import time; print(time.strftime('%z'))")).stdout == b"+0500\n"


async def test_what_python_reads_at_its_start_reaches_one_that_is_warm(guest):
    (guest.home / "far").mkdir()
    (guest.home / "far" / "away.py").write_text("here = 1")
    await guest.channel.warm()
    await guest.channel.setenv({"PYTHONPATH": f"{guest.home}/far"})
    assert (await guest.python("import away; print(away.here)")).stdout == b"1\n"


async def test_output_is_in_order_with_what_children_print(guest):
    code = "import os\nprint('a')\nos.system('echo b')\nprint('c')"
    assert (await guest.python(code)).stdout == b"a\nb\nc\n"


async def test_every_byte_comes_through(guest):
    code = "import sys\nsys.stdout.buffer.write(bytes(range(256)))\nprint('é', file=sys.stderr)"
    outcome = await guest.python(code)
    assert (outcome.stdout, outcome.stderr.decode()) == (bytes(range(256)), "é\n")


async def test_a_program_that_spoils_its_outputs_spoils_only_itself(guest):
    for code in (
        "import sys; sys.stdout.close()",
        "import os; os.close(1); os.close(2)",
        "sys.stdout = None",
    ):
        await guest.python(code)
        assert (await guest.python("print('on')")).stdout == b"on\n"


async def test_a_time_out_ends_python_and_what_it_started_and_says_so(guest):
    code = "import subprocess\np = subprocess.Popen(['sleep', '600'])\nprint(p.pid)"
    pid = int((await guest.python(code)).stdout)
    outcome = await guest.python("p.wait()", timeout_s=0.3)
    assert (outcome.exit_code, outcome.timed_out) == (None, True)
    assert outcome.stderr == b"python was ended after 0.3 s; " + LOST
    assert outcome.stderr_bytes == len(outcome.stderr)
    await gone(pid)
    assert (await guest.python("print('p' in globals())")).stdout == b"False\n"


async def test_one_program_waits_for_the_other_within_its_own_time(guest):
    first = asyncio.create_task(
        guest.python(
            "import time, os; open('begun', 'w').write('1')\n"
            "while not os.path.exists('go'): time.sleep(.01)\n"
            "print('first')"
        )
    )
    await written(guest.home / "begun")
    second = asyncio.create_task(guest.python("print('second')"))
    late = await guest.python("print('never')", timeout_s=0.1)
    assert (late.timed_out, late.exit_code, late.stdout) == (True, None, b"")
    assert late.stderr.endswith(b"it never started\n")
    (guest.home / "go").touch()
    assert [(await task).stdout for task in (first, second)] == [b"first\n", b"second\n"]


async def test_a_caller_that_leaves_ends_the_program(guest):
    task = asyncio.create_task(
        guest.python("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    )
    pid = int(await written(guest.home / "pid"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)
    assert (await guest.python("print('on')")).stdout == b"on\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "end"),
    [
        ("import os; print('x', flush=True); os._exit(9)", 9, b"with exit code 9"),
        ("import os; print('x'); os.kill(os.getpid(), 11)", 128 + signal.SIGSEGV, b"by signal 11"),
        ("import os; print('x'); os.closerange(3, 64); exit(4)", 4, b"with exit code 4"),
    ],
)
async def test_a_python_that_is_gone_says_so_and_the_next_is_fresh(guest, code, exit_code, end):
    outcome = await guest.python(code)
    assert (outcome.exit_code, outcome.stdout) == (exit_code, b"x\n")
    assert outcome.stderr == b"python was ended " + end + b"; " + LOST
    assert (await guest.python("print('os' in globals())")).stdout == b"False\n"


async def test_a_python_that_went_between_programs_says_so(guest):
    pid = int((await guest.python("import os; print(os.getpid())")).stdout)
    assert (await guest.bash(f"kill -9 {pid}")).exit_code == 0
    await gone(pid)
    await until(lambda: pid not in guest.children)
    outcome = await guest.python("print('on')")
    assert (outcome.exit_code, outcome.stdout) == (0, b"on\n")
    assert outcome.stderr == b"python ended by signal 9 since the last program; " + LOST
    assert (await guest.python("print('on')")).stderr == b""


async def test_a_fork_that_comes_to_the_end_of_a_program_ends_there(guest):
    code = "import os\npid = os.fork()\nif pid: os.wait()\nprint('parent' if pid else 'child')"
    outcome = await guest.python(code)
    assert (outcome.exit_code, outcome.stdout) == (0, b"child\nparent\n")
    assert (await guest.python("print(pid > 0)")).stdout == b"True\n"


async def test_results_that_a_program_makes_up_do_not_hurt_the_agent(guest):
    code = (
        "import os, time\nfor fd in range(3, 64):\n"
        "  try: os.write(fd, b'\\xff' * 64)\n  except OSError: pass\n"
        "time.sleep(600)"
    )
    outcome = await guest.python(code, timeout_s=20)
    assert outcome.exit_code == 137
    assert (await guest.python("print('on')")).stdout == b"on\n"


async def test_output_beyond_what_is_wanted_is_counted(guest):
    outcome = await guest.python("for i in range(200): print('x' * 99_999)", most=MIB)
    assert (len(outcome.stdout), outcome.stdout_bytes) == (MIB, 20_000_000)


async def test_what_a_child_prints_after_its_program_goes_nowhere(guest):
    child = "echo early; until [ -e go ]; do sleep .01; done; echo late; echo x >said"
    code = f"import subprocess; p = subprocess.Popen('{child}', shell=True)"
    await guest.python(code)
    (guest.home / "go").touch()
    await written(guest.home / "said")
    assert (await guest.python("print('mine')")).stdout == b"mine\n"


async def test_long_programs_and_many_of_them(guest):
    outcome = await guest.python(f"x = '{'y' * (MIB - 100)}'; print(len(x))")
    assert outcome.stdout == f"{MIB - 100}\n".encode()
    before = guest.descriptors
    for number in range(100):
        assert (await guest.python(f"print({number})")).stdout == b"%d\n" % number
    assert guest.descriptors == before


async def test_processor_time_is_of_the_program_alone(guest):
    busy = await guest.python("sum(range(2_000_000))")
    idle = await guest.python("pass")
    assert busy.cpu_ms > idle.cpu_ms
    assert busy.cpu_ms <= busy.duration_ms + 20


async def test_the_python_ends_with_the_agent(tmp_path):
    async with running(tmp_path) as guest:
        pid = int((await guest.python("import os; print(os.getpid())")).stdout)
        assert alive(pid)
    await gone(pid)
