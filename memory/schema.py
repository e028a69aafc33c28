"""The tables of a run store, and how older files become newer ones.

    runs          a team, a strategy, a budget and a seed, that think about problems
    problems      what is asked, once for all runs
    episodes      one problem in one run; its result is there once it has finished
    sources       who wrote something: agent, role, operation, and the weights
    prompts       messages, once for all thoughts that were asked for with them
    contexts      the token ids of prompts, in the same way
    completions   what models wrote, with the tokens as they were sampled: the journal
    replies       the journal's other lines: scores, ratings and failures
    thoughts, edges, scores     the graphs of finished episodes
    shards, spilled             the files that finished episodes went to, and where they are there
    credits       what credit methods said of thoughts
    experiences ... lessons and solved examples: see `remembered`

A finished episode, its thoughts, edges and scores come with one transaction and never change; its
`digest` is computed from all of them, and every run and every line of the journal has one of its
own, so damage is seen when they are read. What is appended only is protected by triggers.
"""

from cogitate.memory.remembered import EXPERIENCE_TABLES

__all__ = ["MIGRATIONS"]

MIGRATIONS = (
    """
CREATE TABLE runs(
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    strategy TEXT NOT NULL,
    config TEXT NOT NULL,
    verified INTEGER NOT NULL,
    created TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE problems(
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE episodes(
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    problem INTEGER NOT NULL REFERENCES problems,
    number INTEGER NOT NULL,
    finished TEXT,
    result TEXT,
    thoughts INTEGER,
    shard TEXT,
    digest BLOB,
    UNIQUE(run, problem)
);
CREATE INDEX episodes_in_order ON episodes(run, number);
CREATE TABLE sources(
    id INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    role TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    revision TEXT NOT NULL,
    adapter TEXT,
    adapter_revision TEXT NOT NULL
);
CREATE UNIQUE INDEX sources_once ON sources(
    agent, role, operation, model, revision, ifnull(adapter, char(0)), adapter_revision
);
CREATE TABLE prompts(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE contexts(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE completions(
    id INTEGER PRIMARY KEY,
    problem INTEGER NOT NULL REFERENCES problems,
    key BLOB NOT NULL,
    sample INTEGER NOT NULL,
    source INTEGER NOT NULL REFERENCES sources,
    text TEXT NOT NULL,
    reasoning TEXT,
    finish TEXT NOT NULL,
    stop TEXT,
    usage TEXT NOT NULL,
    context INTEGER REFERENCES contexts,
    tokens BLOB,
    logprobs BLOB,
    latency REAL NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE(problem, key, sample)
);
CREATE TABLE replies(
    id INTEGER PRIMARY KEY,
    problem INTEGER NOT NULL REFERENCES problems,
    key BLOB NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE(problem, key)
);
CREATE TABLE thoughts(
    episode INTEGER NOT NULL REFERENCES episodes,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT,
    source INTEGER NOT NULL REFERENCES sources,
    completion INTEGER REFERENCES completions,
    prompt INTEGER REFERENCES prompts,
    answer TEXT,
    accepts INTEGER,
    rest TEXT,
    PRIMARY KEY(episode, number)
) WITHOUT ROWID;
CREATE TABLE edges(
    episode INTEGER NOT NULL,
    child INTEGER NOT NULL,
    place INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    relation TEXT NOT NULL,
    PRIMARY KEY(episode, child, place)
) WITHOUT ROWID;
CREATE TABLE scores(
    episode INTEGER NOT NULL,
    thought INTEGER NOT NULL,
    place INTEGER NOT NULL,
    source TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY(episode, thought, place)
) WITHOUT ROWID;
CREATE TABLE credits(
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes,
    thought TEXT NOT NULL,
    measure TEXT NOT NULL,
    value REAL NOT NULL,
    samples INTEGER NOT NULL,
    low REAL,
    high REAL,
    positive INTEGER,
    trajectory TEXT,
    origin TEXT NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE(episode, digest)
);
CREATE TRIGGER credits_stay BEFORE DELETE ON credits
    BEGIN SELECT RAISE(ABORT, 'credits are append-only'); END;
CREATE TRIGGER credits_keep BEFORE UPDATE ON credits
    BEGIN SELECT RAISE(ABORT, 'credits are append-only'); END;
CREATE TRIGGER finished_episodes_keep BEFORE UPDATE ON episodes WHEN old.digest IS NOT NULL AND (
    new.digest IS NOT old.digest OR new.result IS NOT old.result OR new.run IS NOT old.run
    OR new.problem IS NOT old.problem)
    BEGIN SELECT RAISE(ABORT, 'a finished episode never changes'); END;
CREATE TRIGGER completions_keep BEFORE UPDATE ON completions
    BEGIN SELECT RAISE(ABORT, 'completions are append-only'); END;
""",
    EXPERIENCE_TABLES,
    """
CREATE TABLE shards(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    episodes INTEGER NOT NULL,
    thoughts INTEGER NOT NULL
);
CREATE TABLE spilled(
    episode INTEGER PRIMARY KEY REFERENCES episodes,
    place INTEGER NOT NULL,
    answer TEXT
);
CREATE INDEX episodes_of_problem ON episodes(problem);
CREATE INDEX episodes_unspilled ON episodes(run, number) WHERE digest IS NOT NULL AND shard IS NULL;
""",
)
