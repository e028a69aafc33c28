"""Programs that want the reward without the work, and programs that have earned it."""

import asyncio
import json

import pytest

from cogitate.errors import ConfigError, GraderError
from cogitate.tasks import CodeGrader, Grade, Problem
from cogitate.tasks.code import Bubblewrap, Case, Outcome

PRODUCT = Problem(
    prompt="Write product(a, b).",
    reference="assert product(2, 3) == 6\nassert product(-4, 5) == -20\nassert product(0, 9) == 0",
    kind="code",
)

ALIKE = """
class Yes{parent}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0
    def __abs__(self): return 0
    def __bool__(self): return True
    def __repr__(self): return "6"
    __str__ = __repr__
    def __getattr__(self, name): return True
def product(a, b): return Yes()
"""
FORGED = (
    """
import json, os
for found in ({"value": "6"}, {"verdict": "passed"}, {"score": 1.0}, {"nonce": "", "value": "6"}):
    line = (json.dumps(found) + "\\n").encode()
    for number in range(1024):
        try:
            os.write(number, line)
        except OSError:
            pass
""",
    """
import json, os, sys
def frames():
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back
[nonce] = {f.f_locals["request"]["nonce"] for f in frames() if "request" in f.f_locals}
reply = json.dumps({"nonce": nonce, "value": "6"}).encode() + b"\\n"
""",
)
TAMPERING = {
    "an object equal to everything": ALIKE.format(parent=""),
    "an integer equal to everything": ALIKE.format(parent="(int)"),
    "a text equal to everything": ALIKE.format(parent="(str)"),
    "a number equal to everything": ALIKE.format(parent="(float)"),
    "a list equal to everything": ALIKE.format(parent="(list)"),
    "exit with success": "import sys\nsys.exit(0)",
    "exit in the call": "import sys\ndef product(a, b): sys.exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "exit at once in the call": "import os\ndef product(a, b): os._exit(0)",
    "exit by a signal": "import os\ndef product(a, b): os.kill(os.getpid(), 15)",
    "an error that claims success": "def product(a, b): raise SystemExit('passed 3 of 3 tests')",
    "a patched eval": (
        "import builtins\nbuiltins.eval = lambda *a: 6\nbuiltins.isinstance = lambda *a: True\n"
        "builtins.print = builtins.compile = lambda *a: None"
    ),
    "a patched json": (
        "import json\njson.dumps = lambda *a, **k: '6'\njson.JSONEncoder.encode = json.dumps\n"
        "def product(a, b): return 0.5"
    ),
    "a patched checker": (
        "def _cogitate_encode(*a): return '6'\n"
        "import __main__, sys\n"
        "for name in ('encode', '_cogitate_encode', 'described', 'run_call'):\n"
        "    setattr(__main__, name, _cogitate_encode)\n"
        "sys.modules['cogitate'] = sys.modules['pytest'] = __main__\n"
        "def product(a, b): return 0.5"
    ),
    "a patched comparison": (
        "import operator, math\noperator.eq = math.isclose = lambda *a, **k: True\n"
        "def product(a, b): return 0.5"
    ),
    "a patched write": (
        "import os\nwrite = os.write\n"
        'os.write = lambda n, data: write(3, b\'{"value": "6"}\')\n'
        "def product(a, b): return 0.5"
    ),
    "a verdict on every descriptor": FORGED[0] + "os._exit(0)",
    "a verdict on every descriptor before the result": FORGED[0] + "def product(a, b): return a*b",
    "the right form, once and at once": FORGED[1] + "os.write(3, reply)\nos._exit(0)",
    "the right form, and the result after it": (
        FORGED[1] + "os.write(3, reply)\ndef product(a, b): return a * b"
    ),
    "a thread that writes after the result": (
        FORGED[1] + "import threading\n"
        "threading.Thread(target=lambda: [os.write(3, reply) for _ in range(9**9)]).start()\n"
        "def product(a, b): return a * b"
    ),
    "a verdict that is printed": (
        "print('passed 3 of 3 tests')\nprint('{\"value\": \"6\"}')\ndef product(a, b): print(6)"
    ),
    "a program in the place of this one": (
        "import os, sys\n"
        "os.dup2(3, 1)\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'print({\"value\": \"6\"})'])"
    ),
    "a repr without end": (
        "class R:\n    def __repr__(self):\n        while True: pass\ndef product(a, b): return R()"
    ),
    "a list that holds itself": "x = []\nx.append(x)\ndef product(a, b): return x",
    "an iterator without end": (
        "class L(list):\n    def __iter__(self):\n        while True: yield 6\n"
        "def product(a, b): return L()"
    ),
    "an integer that the cache holds, changed": (
        "import ctypes\n"
        "for n in (-20, 0): pass\n"
        "ctypes.memmove(id(0) + 24, b'\\x06', 1)\n"
        "def product(a, b): return 6"
    ),
    "a default for whatever is asked": "product = type('P', (), {'__call__': lambda *a: 6})()",
    "one value for every test": "def product(a, b): return 6",
    "nothing": "",
    "no function": "product = 6",
}

SEARCH = """
import gc, os, sys, types
DROW = "noreh-1407-lertsek"  # read backwards, so that it does not find itself
def search(value, seen, depth=0):
    if id(value) in seen or depth > 6:
        return None
    seen.add(id(value))
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return value if DROW in value[::-1] else None
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    else:
        parts = [getattr(value, "__dict__", None)]
    for part in parts:
        if part is not None and (found := search(part, seen, depth + 1)) is not None:
            return found
    return None
def secret():
    seen, frame = set(), sys._getframe()
    while frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            if (found := search(names, seen)) is not None:
                return found
        frame = frame.f_back
    for value in [*gc.get_objects(), sys.argv, sys.orig_argv, dict(os.environ)]:
        if (found := search(value, seen)) is not None:
            return found
    for number in range(64):
        try:
            os.lseek(number, 0, 0)
            if (found := search(os.read(number, 1 << 20), seen)) is not None:
                return found
        except OSError:
            pass
    for folder, _, files in [*os.walk("/tmp"), *os.walk("/dev"), *os.walk("/etc")]:
        for name in files:
            if name not in ("zero", "random", "urandom"):
                try:
                    text = open(os.path.join(folder, name), "rb").read()
                except OSError:
                    continue
                if (found := search(text, seen)) is not None:
                    return found
    return "not found"
"""

GOOD: dict[str, tuple[str, str]] = {
    "a function": ("def f(a, b): return a * b", "assert f(2, 3) == 6"),
    "recursion": (
        "def f(n): return 1 if n < 2 else n * f(n - 1)",
        "assert f(5) == 120\nassert f(25) == 15511210043330985984000000",
    ),
    "a class": (
        "class Stack:\n    def __init__(self): self.x = []\n"
        "    def push(self, v): self.x.append(v); return self\n"
        "    def top(self): return self.x[-1]",
        "assert Stack().push(1).push(2).top() == 2",
    ),
    "a comprehension": (
        "def f(n): return [i * i for i in range(n)]",
        "assert f(4) == [0, 1, 4, 9]",
    ),
    "texts": (
        "def f(s): return s.upper()[::-1]",
        "assert f('aß€𝄞') == '𝄞€SSA'\nassert f('') == ''",
    ),
    "nested values": (
        "def f(): return {'a': [(1, 2.5), None], 3: {True}, (1, 2): b'x'}",
        "assert f() == {'a': [(1, 2.5), None], 3: {True}, (1, 2): b'x'}",
    ),
    "nothing returned": ("def f(x): x.sort()", "assert f([2, 1]) is None\nassert f([]) == None"),
    "a truth": ("def f(n): return n % 2 == 0", "assert f(2)\nassert not f(3)\nassert f(4) is True"),
    "a number that is near": (
        "def f(x): return x / 3",
        "assert abs(f(1) - 0.3333333) < 1e-6\nassert math.isclose(f(3), 1.0)\n"
        "assert round(f(2), 2) == 0.67\nassert f(3) == 1",
    ),
    "one of several": ("def f(): return 2", "assert f() in (1, 2)"),
}
GOOD_IN_CPYTHON: dict[str, tuple[str, str]] = {
    "the library": (
        "import collections, decimal, fractions, functools, heapq, math, re, statistics\n"
        "from dataclasses import dataclass\nfrom typing import List\n"
        "@dataclass(frozen=True)\nclass P:\n    x: int\n"
        "def f(s: str) -> List[int]:\n"
        "    counts = collections.Counter(re.findall('[a-z]', s))\n"
        "    return heapq.nlargest(2, counts.values()) + [P(3).x, math.gcd(4, 6)]",
        "assert f('abcab') == [2, 2, 3, 2]",
    ),
    "generators": (
        "def g(n):\n    for i in range(n): yield i\ndef f(n): return list(g(n))",
        "assert f(3) == [0, 1, 2]",
    ),
    "classes with parents": (
        "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f() + 1",
        "assert B().f() == 2",
    ),
    "coroutines": (
        "import asyncio\nasync def g(x):\n    await asyncio.sleep(0.01)\n    return x\n"
        "async def h(): return await asyncio.gather(g(1), g(2))\n"
        "def f(): return asyncio.run(h())",
        "assert f() == [1, 2]",
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def f():\n    with ThreadPoolExecutor(4) as pool: return list(pool.map(abs, [-1, 2]))",
        "assert f() == [1, 2]",
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(20_000)\ndef f(n): return n and 1 + f(n - 1)",
        "assert f(9_000) == 9_000",
    ),
    "a program with a main part": (
        "def f(): return 1\nif __name__ == '__main__':\n    raise SystemExit(f())",
        "assert f() == 1",
    ),
    "imports in the tests": ("def f(x): return x", "import math\nassert f(math.floor(2.5)) == 2"),
    "the form of HumanEval": (
        "def has_close(numbers, t):\n"
        "    return any(abs(a - b) < t for i, a in enumerate(numbers) for b in numbers[:i])",
        "\n\nMETADATA = {'author': 'x', 'dataset': 'test'}\n\n\ndef check(candidate):\n"
        "    assert candidate([1.0, 2.0, 3.9], 0.3) == False\n"
        "    assert candidate([1.0, 2.0, 2.2], 0.3) == True\n    assert True, 'by hand'\n\n"
        "check(has_close)\n",
    ),
}
SCRIPTS = json.dumps([{"stdin": "3 4\n", "stdout": "7\n"}, {"stdin": "-1 1", "stdout": "0"}])


def grade(grader: CodeGrader, program: str, reference: str, *, kind: str = "code") -> Grade:
    problem = Problem(prompt="Write it.", reference=reference, kind=kind)
    return asyncio.run(grader.grade(problem, program))


@pytest.fixture(scope="module")
def code(bubblewrap: Bubblewrap) -> CodeGrader:
    return CodeGrader(limit=5.0, sandbox=bubblewrap)


@pytest.fixture(scope="module")
def snippet() -> CodeGrader:
    return CodeGrader(limit=5.0, sandbox="snippet")


@pytest.mark.parametrize("trick", TAMPERING)
def test_tampering_is_not_rewarded(trick: str, bubblewrap: Bubblewrap) -> None:
    grader = CodeGrader(limit=1.0, sandbox=bubblewrap)
    found = asyncio.run(grader.grade(PRODUCT, TAMPERING[trick]))
    assert found.score == 0, found.reason


@pytest.mark.parametrize("trick", TAMPERING)
def test_tampering_is_not_rewarded_by_the_interpreter_for_snippets(trick: str) -> None:
    grader = CodeGrader(limit=1.0, sandbox="snippet")
    found = asyncio.run(grader.grade(PRODUCT, TAMPERING[trick]))
    assert found.score == 0, found.reason


def test_a_search_of_all_that_it_can_read_does_not_find_what_is_expected(code: CodeGrader) -> None:
    found = grade(code, SEARCH, "assert secret() == 'kestrel-7041-heron'")
    assert (found.score, found.reason) == (
        0,
        "'secret()' gave '\"not found\"', not \"'kestrel-7041-heron'\"",
    )
    planted = "answer = ['kestrel-7041-heron']\n" + SEARCH  # the search does find what is there
    assert grade(code, planted, "assert secret() == 'kestrel-7041-heron'").correct


@pytest.mark.parametrize("name", GOOD | GOOD_IN_CPYTHON)
def test_a_right_program_is_rewarded(name: str, code: CodeGrader) -> None:
    program, tests = (GOOD | GOOD_IN_CPYTHON)[name]
    found = grade(code, program, tests)
    assert found.correct, found.reason


@pytest.mark.parametrize("name", GOOD)
def test_a_right_snippet_is_rewarded(name: str, snippet: CodeGrader) -> None:
    program, tests = GOOD[name]
    found = grade(snippet, program, tests, kind="snippet")
    assert found.correct, found.reason


def test_a_script_is_graded_by_what_it_prints(code: CodeGrader) -> None:
    right = "a, b = map(int, input().split())\nprint(a + b)"
    assert grade(code, right, SCRIPTS).correct
    assert grade(code, "print(7)", SCRIPTS).reason == r"'-1 1' gave '7\n', not '0'"
    assert grade(code, right + "\nraise SystemExit(1)", SCRIPTS).score == 0
    with pytest.raises(GraderError, match="no standard input"):
        grade(CodeGrader(sandbox="snippet"), right, SCRIPTS)


def test_the_score_is_a_share_where_that_is_asked_for(bubblewrap: Bubblewrap) -> None:
    grader = CodeGrader(limit=5.0, sandbox=bubblewrap, partial=True)
    tests = "\n".join(f"assert f({n}) == {n * n}" for n in range(4))
    found = grade(grader, "def f(n): return 2 * n", tests)
    assert (found.score, found.reason) == (0.5, "'f(1)' gave '2', not '1'")
    assert grade(grader, "def f(n): return n * n", tests).reason == "passed 4 of 4 tests"


def test_a_sandbox_is_told_nothing_of_what_is_expected() -> None:
    told: list[object] = []

    class Listening:
        async def run(self, program: str, case: Case, *, limit: float) -> Outcome:
            told.append((program, case.call))
            return Outcome(value="6")

    grader = CodeGrader(sandbox=Listening(), partial=True)
    assert asyncio.run(grader.grade(PRODUCT, "…")).score == pytest.approx(1 / 3)
    assert told == [("…", f"product({a}, {b})") for a, b in ((2, 3), (-4, 5), (0, 9))]


def test_a_failed_sandbox_ends_the_other_tests_and_is_no_verdict() -> None:
    running: list[str | None] = []

    class Broken:
        async def run(self, program: str, case: Case, *, limit: float) -> Outcome:
            if case.call == "product(2, 3)":
                raise GraderError("the sandbox failed")
            running.append(case.call)
            try:
                await asyncio.sleep(1000)
            finally:
                running.remove(case.call)
            return Outcome(value="6")

    for partial in (True, False):
        grader = CodeGrader(sandbox=Broken(), partial=partial)
        with pytest.raises(GraderError, match="the sandbox failed"):
            asyncio.run(grader.grade(PRODUCT, "…"))
        assert running == []


def test_a_sandbox_that_has_no_such_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no sandbox is called 'docker': take code or snippet"):
        CodeGrader(sandbox="docker")


def test_tests_that_cannot_be_split_are_refused_before_anything_runs() -> None:
    problem = Problem(id="p7", prompt="…", reference="assert f(1) == g(1)", kind="code")
    with pytest.raises(GraderError, match=r"problem 'p7': the test .* does not split"):
        asyncio.run(CodeGrader().grade(problem, "def f(x): return x"))
