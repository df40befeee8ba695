"""Plant bugs in the rule code, one at a time, and see whether the tests find each of them.

    python benchmarks/mutate_rules.py                     # the modules that are settled: no survivor unexplained
    python benchmarks/mutate_rules.py target sums --jobs 2
    python benchmarks/mutate_rules.py --all               # those too that were never run to the end
    python benchmarks/mutate_rules.py --sample 60         # a seeded sample, for a quick look

Every comparison, boundary, whole number, truth value, logical operator, sign, and min/max/any/all of the rule modules
is changed in turn (Python's own syntax trees; nothing is written to the sources). Each mutant runs the rule tests in a
forked process that loads the changed module in place of the true one. Exit code 1 when a mutant survives that
``benchmarks/mutate_rules_equivalent.json`` does not explain, or when that file explains a mutant that is found or is
no more. Run it on a tree that nobody edits meanwhile: a test broken by hand finds every mutant.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
ROOM = ROOT / "lesiontrack" / "assess"
EQUIVALENT = Path(__file__).with_name("mutate_rules_equivalent.json")
# Run to the end, with every survivor explained: what a run without arguments holds to.
SETTLED = (
    "sums", "target", "nontarget", "overall", "best", "site", "triggers", "local", "timeline", "engine", "durations",
    "progression", "baseline", "measurability", "eligibility", "robustness", "newcomers", "treated_sites", "findings",
    "looks", "phase_reads", "phases", "rebaseline", "targets", "judgement", "organs",
)  # fmt: skip
# Not run to the end as they are now: nothing is claimed of them.
OPEN: tuple[str, ...] = ()
# The fast ones first: most mutants die in them. Each stage is asked only of what the one before let live. The first,
# without tests, assesses the catalogue of named timelines without pytest.
STAGES: tuple[tuple[str, ...], ...] = (
    (),
    (
        "tests/assess/test_best.py",
        "tests/cases",
        "tests/assess/test_engine.py",
        "tests/assess/test_durations.py",
        "tests/assess/test_baseline.py",
        "tests/assess/test_triggers.py",
        "tests/assess/test_visits.py",
        "tests/assess/test_visit_columns.py",
        "tests/assess/test_reference_data.py",
    ),
    (
        "tests/assess/test_machine_defaults.py",
        "tests/assess/test_treated_history.py",
        "tests/assess/test_phases.py",
        "tests/assess/test_targets.py",
        "tests/assess/test_measurability.py",
        "tests/assess/test_rebaseline.py",
        "tests/assess/test_newcomers.py",
        "tests/assess/test_findings.py",
        "tests/assess/test_looks.py",
        "tests/assess/test_phase_reads.py",
        "tests/assess/test_judgement.py",
    ),
    ("tests/assess/test_properties.py",),
)
# The tests that are about a module, asked before all stages: most of its mutants die in them. By default those of its
# own name, where there are any.
OWN = {
    "eligibility": "tests/assess/test_phases.py",
    "robustness": "tests/assess/test_targets.py",
    "treated_sites": "tests/assess/test_treated_history.py",
}
# A mutant that takes three times the CPU time of the true sources, and this beside it, hangs: it is found.
SPARE_CPU_SECONDS = 10

_HEAVY = ("pytest", "numpy", "pandas", "pandera.pandas", "pydantic", "hypothesis", "hypothesis.strategies")

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """One changed place.

    Attributes
    ----------
    name
        What identifies the place while lines move: module and function, the text of the line, the changed expression,
        and which of them where a line has several alike.
    """

    module: str
    line: int
    before: str
    after: str
    source: str
    name: str


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    text = (ROOM / f"{module}.py").read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    idle = {id(node) for node in _never_run(tree)}
    times: Counter[str] = Counter()
    for index, node in enumerate(ast.walk(tree)):
        for change in () if id(node) in idle else _changes(node):
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[index]
            change(target)
            before, after = ast.unparse(node), ast.unparse(target)
            if after == before:
                continue
            line = getattr(node, "lineno", 0)
            name = f"{module}.{_function_at(tree, line)} | {lines[line - 1].strip()} | {before}  ->  {after}"
            times[name] += 1
            name += f" | {times[name]}" if times[name] > 1 else ""
            yield Mutant(module, line, before, after, ast.unparse(changed), name)


def _function_at(tree: ast.AST, line: int) -> str:
    """Return the classes and functions around a line, outermost first, joined by dots."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or line)
    ]
    return ".".join(node.name for node in sorted(around, key=lambda node: node.lineno)) or "(module)"


def _swap_and_or(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _drop_not(node: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)


def _never_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what decides nothing: annotations, the arguments of decorators, and ``strict``, a check of ``zip``."""
    for node in ast.walk(tree):
        parts = [
            getattr(node, "annotation", None),
            getattr(node, "returns", None),
            *getattr(node, "decorator_list", ()),
            node.value if isinstance(node, ast.keyword) and node.arg == "strict" else None,
        ]
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def _changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    if isinstance(node, ast.Compare):
        for position, operator in enumerate(node.ops):
            for other in _COMPARE[type(operator)]:
                yield lambda n, p=position, o=other: n.ops.__setitem__(p, o())  # type: ignore[misc]
    elif isinstance(node, ast.BoolOp):
        yield _swap_and_or
        for position in range(len(node.values)):
            yield lambda n, p=position: n.values.pop(p) if len(n.values) > 1 else None  # type: ignore[misc]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _drop_not
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda n: setattr(n, "op", ast.UAdd())
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        yield lambda n: setattr(n, "op", _BINARY[type(n.op)]())  # type: ignore[attr-defined]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda n: setattr(n, "value", not n.value)  # type: ignore[attr-defined]
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda n: setattr(n, "value", n.value + 1)  # type: ignore[attr-defined]
        yield lambda n: setattr(n, "value", n.value - 1)  # type: ignore[attr-defined]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield lambda n: setattr(n.func, "id", _CALLS[n.func.id])  # type: ignore[attr-defined]
    elif isinstance(node, ast.IfExp):
        yield lambda n: setattr(n, "test", ast.UnaryOp(op=ast.Not(), operand=n.test))  # type: ignore[attr-defined]


class _Loader(importlib.abc.Loader):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, f"<mutant of {self._mutant.module}>", "exec"), module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != f"lesiontrack.assess.{self._mutant.module}":
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(self._mutant))


@dataclass(frozen=True)
class Stage:
    """Some test files, and the CPU time that they take on the true sources."""

    tests: tuple[str, ...]
    cpu_seconds: float


def measured(tests: tuple[str, ...]) -> Stage | None:
    """Run tests on the true sources; None when they fail."""
    code, cpu_seconds = _run(None, tests)
    return Stage(tests, cpu_seconds) if code == 0 else None


def survives(mutant: Mutant, stage: Stage) -> bool:
    """Tell whether the tests of a stage all pass with the mutant in place."""
    return _run(mutant, stage.tests, limit=int(SPARE_CPU_SECONDS + 3 * stage.cpu_seconds))[0] == 0


def _run(mutant: Mutant | None, tests: Sequence[str], *, limit: int | None = None) -> tuple[int, float]:
    """Run tests in a forked process; return its exit code and the CPU seconds that it took."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException), Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            if mutant is not None:
                sys.meta_path.insert(0, _Finder(mutant))
            code = _pytest(tests) if tests else _catalogue()
        os._exit(code)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def _pytest(tests: Sequence[str]) -> int:
    import pytest

    return int(pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests]))


def _catalogue() -> int:
    from tests.cases.every import CASES

    return int(any(case.differences() for case in CASES))


def own_tests(module: str) -> tuple[str, ...]:
    """Return the test file that is about a module, if there is one."""
    path = OWN.get(module, f"tests/assess/test_{module}.py")
    return (path,) if (ROOT / path).is_file() else ()


def _lives(mutant: Mutant, stages: Sequence[Stage]) -> bool:
    lives = all(survives(mutant, stage) for stage in stages)
    if lives:
        print(f"survives: {mutant.module}.py:{mutant.line}  {mutant.name}", file=sys.stderr, flush=True)
    return lives


def _report(todo: Sequence[Mutant], survivors: Sequence[Mutant], *, whole: bool) -> int:
    """Print what survives and why; return 1 when a survivor is unexplained or an explanation excuses nothing."""
    known: dict[str, str] = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    unexplained = [mutant for mutant in survivors if mutant.name not in known]
    killed = len(todo) - len(survivors)
    print(f"{len(todo)} mutants, {killed} killed, {len(survivors)} survive, {len(unexplained)} unexplained")
    for module in dict.fromkeys(mutant.module for mutant in todo):
        made, alive = (sum(mutant.module == module for mutant in group) for group in (todo, survivors))
        print(f"  {module}: {made} mutants, {made - alive} killed, {alive} survive")
    for mutant in survivors:
        print(f"  {mutant.module}.py:{mutant.line}  {mutant.name}")
        print(f"      {known.get(mutant.name, 'NOT EXPLAINED')}")
    # A sample says nothing of the mutants that it leaves out.
    judged = {mutant.module for mutant in todo} if whole else set()
    idle = [name for name in known if name.split(".")[0] in judged and name not in {x.name for x in survivors}]
    for name in idle:
        print(f"  explained, yet found or no more: {name}")
    return 1 if unexplained or idle else 0


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", default=[], help="rule modules; default: the settled ones")
    parser.add_argument("--all", action="store_true", help="every rule module, those too that are not settled")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0, help="judge only so many, chosen by a fixed seed")
    parser.add_argument("--stages", type=int, default=len(STAGES), help="only the first stages, for a quick look")
    options = parser.parse_args()
    modules = options.modules or (SETTLED + OPEN if options.all else SETTLED)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    # Heavy imports once, before the forks; nothing of the room under test.
    for name in (*_HEAVY, "lesiontrack.domain.reads", "lesiontrack.domain.history"):
        with contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module(name)
    own = {module: tests for module in modules if (tests := own_tests(module))}
    stages: dict[tuple[str, ...], Stage] = {}
    for tests in (*STAGES[: options.stages], *own.values()):
        stage = measured(tests)
        if stage is None:
            print("the tests fail without any mutant: nothing to measure", file=sys.stderr)
            return 2
        stages[tests] = stage
    usual = [stages[tests] for tests in STAGES[: options.stages]]
    order = {module: [*([stages[own[module]]] if module in own else []), *usual] for module in modules}
    todo = [mutant for module in modules for mutant in mutants_of(module)]
    whole = not 0 < options.sample < len(todo)
    if not whole:
        todo = random.Random(11).sample(todo, options.sample)
    with ThreadPoolExecutor(options.jobs) as pool:
        alive = list(pool.map(lambda mutant: _lives(mutant, order[mutant.module]), todo))
    code = _report(todo, [mutant for mutant, lives in zip(todo, alive, strict=True) if lives], whole=whole)
    print(f"not judged: {', '.join(module for module in SETTLED + OPEN if module not in modules) or 'none'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
