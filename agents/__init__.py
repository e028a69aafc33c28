"""Who thinks: agents, their prompts and parsers, and the team they form."""

from cogitate.agents.agent import Agent, Critic, Generator, Refiner, Rendered, Verifier
from cogitate.agents.calculator import Calculator
from cogitate.agents.lessons import Examples, Lesson, Lessons, Provenance
from cogitate.agents.parse import (
    Parser,
    parse_choice,
    parse_critique,
    parse_proposals,
    parse_solution,
    parse_verdict,
)
from cogitate.agents.prompt import Brief, Passage, Prompt, Shot, Template
from cogitate.agents.quote import neutralise, quote
from cogitate.agents.reply import Critique, Reply, Solution, Verdict
from cogitate.agents.retrieve import Document, Retriever
from cogitate.agents.team import Team
from cogitate.agents.tool import Observation, Tool, use

__all__ = [
    "Agent",
    "Brief",
    "Calculator",
    "Critic",
    "Critique",
    "Document",
    "Examples",
    "Generator",
    "Lesson",
    "Lessons",
    "Observation",
    "Parser",
    "Passage",
    "Prompt",
    "Provenance",
    "Refiner",
    "Rendered",
    "Reply",
    "Retriever",
    "Shot",
    "Solution",
    "Team",
    "Template",
    "Tool",
    "Verdict",
    "Verifier",
    "neutralise",
    "parse_choice",
    "parse_critique",
    "parse_proposals",
    "parse_solution",
    "parse_verdict",
    "quote",
    "use",
]
