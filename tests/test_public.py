"""What `import cogitate` offers changes only on purpose: then this list changes too."""

import cogitate

PUBLIC = [
    "DVTS",
    "Agent",
    "BeamSearch",
    "BestOfN",
    "Budget",
    "BudgetExhausted",
    "ChainOfThought",
    "CogitateError",
    "ComputeOptimal",
    "ConfidenceSampling",
    "ConfigError",
    "Critic",
    "DataError",
    "Debate",
    "Deliberation",
    "Direct",
    "EngineError",
    "GenerateCritiqueRefine",
    "Generator",
    "GraderError",
    "ParticleFiltering",
    "ReAct",
    "Refiner",
    "Reflexion",
    "Report",
    "Result",
    "SelfConsistency",
    "SelfPolish",
    "SelfRefine",
    "SpeculativeRejection",
    "Strategy",
    "Team",
    "Thought",
    "ThoughtGraph",
    "TreeOfThoughts",
    "UniversalSelfConsistency",
    "Verifier",
    "agents",
    "arun",
    "asolve",
    "graphs",
    "inference",
    "memory",
    "run",
    "solve",
    "strategy",
    "tasks",
    "training",
]


def test_the_public_names_are_these() -> None:
    assert cogitate.__all__ == PUBLIC
    assert [name for name in PUBLIC if not hasattr(cogitate, name)] == []
