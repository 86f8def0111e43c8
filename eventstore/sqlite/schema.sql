-- The log. One row per commit; `body` is the commit as JSON, the exact bytes that are the leaf of
-- the Merkle tree. The other columns repeat what SQLite must find or refuse by itself.

CREATE TABLE log (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE commits (
    position INTEGER PRIMARY KEY,
    stream   INTEGER NOT NULL, -- the position of the stream's first commit
    previous INTEGER NOT NULL CHECK (previous >= 0 AND previous < position),
    name     TEXT,             -- the stream's name, on its first commit only
    id       BLOB NOT NULL CHECK (length(id) = 16),
    body     BLOB NOT NULL,
    node     BLOB NOT NULL CHECK (length(node) = 32),
    CHECK ((previous = 0) = (name IS NOT NULL)),
    CHECK ((previous = 0) = (stream = position))
) STRICT;

-- The whole of optimistic concurrency: a stream goes on from each of its commits only once.
CREATE UNIQUE INDEX commits_by_stream ON commits (stream, previous);
CREATE UNIQUE INDEX commits_by_name ON commits (name) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX commits_by_id ON commits (id);

CREATE TRIGGER commits_are_gapless BEFORE INSERT ON commits
WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM commits)
BEGIN SELECT RAISE(ABORT, 'positions have no gap'); END;

CREATE TRIGGER commits_are_not_updated BEFORE UPDATE ON commits
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER commits_are_not_deleted BEFORE DELETE ON commits
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- One row per event, to be read in a plain sqlite3 shell.
CREATE VIEW events AS
SELECT
    c.position,
    e.key AS n,
    json_extract(c.text, '$.stream') AS stream,
    json_extract(e.value, '$.type') AS type,
    json_extract(e.value, '$.v') AS v,
    json_extract(e.value, '$.data') AS data,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(c.text, '$.at') / 1e6, 'unixepoch') AS at,
    json_extract(c.text, '$.actor') AS actor,
    json_extract(c.text, '$.tenant') AS tenant
FROM (SELECT position, CAST(body AS TEXT) AS text FROM commits) AS c,
    json_each(c.text, '$.events') AS e;
