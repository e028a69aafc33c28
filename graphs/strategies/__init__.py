"""How a team thinks: one file a strategy."""

from cogitate.graphs.strategies.beam_search import DVTS, BeamSearch
from cogitate.graphs.strategies.best_of_n import BestOfN
from cogitate.graphs.strategies.chain_of_thought import ChainOfThought
from cogitate.graphs.strategies.coat import ChainOfActionThought
from cogitate.graphs.strategies.compute_optimal import ComputeOptimal
from cogitate.graphs.strategies.confidence_sampling import ConfidenceSampling
from cogitate.graphs.strategies.critique_tree import CritiqueTree
from cogitate.graphs.strategies.debate import Debate
from cogitate.graphs.strategies.direct import Direct
from cogitate.graphs.strategies.generate_critique_refine import GenerateCritiqueRefine
from cogitate.graphs.strategies.graph_of_thoughts import GraphOfThoughts
from cogitate.graphs.strategies.mcts import MCTS
from cogitate.graphs.strategies.multi_agent_tot import MultiAgentToT
from cogitate.graphs.strategies.multi_model import MultiModelSearch
from cogitate.graphs.strategies.particle_filtering import ParticleFiltering
from cogitate.graphs.strategies.react import ReAct
from cogitate.graphs.strategies.recalling import Recalling
from cogitate.graphs.strategies.reflexion import Reflexion
from cogitate.graphs.strategies.self_consistency import SelfConsistency
from cogitate.graphs.strategies.self_polish import SelfPolish
from cogitate.graphs.strategies.self_refine import SelfRefine
from cogitate.graphs.strategies.speculative_rejection import SpeculativeRejection
from cogitate.graphs.strategies.tree_of_thoughts import TreeOfThoughts
from cogitate.graphs.strategies.universal_self_consistency import UniversalSelfConsistency

__all__ = [
    "DVTS",
    "MCTS",
    "BeamSearch",
    "BestOfN",
    "ChainOfActionThought",
    "ChainOfThought",
    "ComputeOptimal",
    "ConfidenceSampling",
    "CritiqueTree",
    "Debate",
    "Direct",
    "GenerateCritiqueRefine",
    "GraphOfThoughts",
    "MultiAgentToT",
    "MultiModelSearch",
    "ParticleFiltering",
    "ReAct",
    "Recalling",
    "Reflexion",
    "SelfConsistency",
    "SelfPolish",
    "SelfRefine",
    "SpeculativeRejection",
    "TreeOfThoughts",
    "UniversalSelfConsistency",
]
