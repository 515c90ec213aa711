"""The sections of docs/reliability.md."""

from collections import Counter

from counter.steps import Step
from tests.chaos.mutations import MUTATIONS
from tests.chaos.oracle import Tally
from tests.chaos.plan import Kind
from tests.chaos.report import Caught, Result, render, render_mutations, with_section


def test_section_is_replaced_and_the_rest_stays():
    """A run writes its own section and nothing else."""
    document = "# Reliability\n\nWords.\n\n## Faults\n\nold\n\n## Mutations\n\nkept\n"
    changed = with_section(document, "Faults", "new")
    assert changed == "# Reliability\n\nWords.\n\n## Faults\n\nnew\n\n## Mutations\n\nkept\n"
    assert with_section(changed, "Mutations", "too").endswith("## Faults\n\nnew\n\n## Mutations\n\ntoo\n")
    assert with_section("# A\n", "B", "c") == "# A\n\n## B\n\nc\n"


def test_rounds_are_summed_up():
    """Faults, hits and recovery times of all rounds stand in the section."""
    tally = Tally(acknowledged=600, refused=1, unknown=2, stored=601, lost=0, doubled=0)
    recovered = [[("KILL_REDIS", 0.5)], [("KILL_REDIS", 1.5), ("several", 3.0)]]
    results = [
        Result(seed, [], tally, 700, Counter({Kind.KILL_REDIS: 2}), Counter({Step.BASES_MADE.name: 1}), times)
        for seed, times in enumerate(recovered, start=5)
    ]
    text = render(results)
    assert "4 faults in 2 rounds, seeds 5 to 6" in text
    assert "lost 0, doubled 0, and no total fell in 1,400 readings" in text
    assert "| acknowledged: each is stored once | 1,200 |" in text
    assert "| `kill -9` of Redis | 4 | 1.0 s | 1.5 s |  |  |" in text
    assert "BASES_MADE 2" in text


def test_mutations_are_listed():
    """Each mutation that was found stands with its seed."""
    assert "| no token | 3 | a page has 2 views |" in render_mutations(
        [Caught("no token", 3, "a page has 2 views")]
    )


def test_each_mutation_names_what_the_program_says(here):
    """What is to be taken away is there, once; else the check of the harness would check nothing."""
    texts = [(here / mutation.file).read_text(encoding="utf-8").count(mutation.old) for mutation in MUTATIONS]
    assert texts == [1] * len(MUTATIONS)
