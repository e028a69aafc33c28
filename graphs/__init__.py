"""How they think: thought graphs, deliberations, budgets and strategies."""

from cogitate.graphs.budget import Budget
from cogitate.graphs.chain import split_steps
from cogitate.graphs.coat_text import (
    Action,
    Meta,
    coat_actions,
    coat_text,
    parse_coat,
    write_coat,
)
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.episode import Episode
from cogitate.graphs.gather import gather
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.in_order import in_order
from cogitate.graphs.operation import OPERATIONS, Operation
from cogitate.graphs.plan import Bin, Measured, Plan, Signal
from cogitate.graphs.run import Report, arun, run
from cogitate.graphs.solve import Result, asolve, best_thought, solve
from cogitate.graphs.strategies import (
    DVTS,
    MCTS,
    BeamSearch,
    BestOfN,
    ChainOfActionThought,
    ChainOfThought,
    ComputeOptimal,
    ConfidenceSampling,
    CritiqueTree,
    Debate,
    Direct,
    GenerateCritiqueRefine,
    GraphOfThoughts,
    MultiAgentToT,
    MultiModelSearch,
    ParticleFiltering,
    ReAct,
    Recalling,
    Reflexion,
    SelfConsistency,
    SelfPolish,
    SelfRefine,
    SpeculativeRejection,
    TreeOfThoughts,
    UniversalSelfConsistency,
)
from cogitate.graphs.strategy import Method, Strategy, methods, strategy, strategy_named
from cogitate.graphs.thought import Link, Relation, Source, Thought, ThoughtKind, Tokens
from cogitate.graphs.vote import Ballot, vote

__all__ = [
    "DVTS",
    "MCTS",
    "OPERATIONS",
    "Action",
    "Ballot",
    "BeamSearch",
    "BestOfN",
    "Bin",
    "Budget",
    "ChainOfActionThought",
    "ChainOfThought",
    "ComputeOptimal",
    "ConfidenceSampling",
    "CritiqueTree",
    "Debate",
    "Deliberation",
    "Direct",
    "Episode",
    "GenerateCritiqueRefine",
    "GraphOfThoughts",
    "Link",
    "Measured",
    "Meta",
    "Method",
    "MultiAgentToT",
    "MultiModelSearch",
    "Operation",
    "ParticleFiltering",
    "Plan",
    "ReAct",
    "Recalling",
    "Reflexion",
    "Relation",
    "Report",
    "Result",
    "SelfConsistency",
    "SelfPolish",
    "SelfRefine",
    "Signal",
    "Source",
    "SpeculativeRejection",
    "Strategy",
    "Thought",
    "ThoughtGraph",
    "ThoughtKind",
    "Tokens",
    "TreeOfThoughts",
    "UniversalSelfConsistency",
    "arun",
    "asolve",
    "best_thought",
    "coat_actions",
    "coat_text",
    "gather",
    "in_order",
    "methods",
    "parse_coat",
    "run",
    "solve",
    "split_steps",
    "strategy",
    "strategy_named",
    "vote",
    "write_coat",
]
