-- count_tables --
SELECT count(*) FROM sqlite_schema

-- make --
-- `created` is the position of a stream's first commit, `snapshot` that at which the state stood so.
-- A snapshot holds the streams that changed since the one before; it counts once it is in
-- `snapshots`.
CREATE TABLE origin (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    epoch   TEXT NOT NULL,
    version TEXT NOT NULL
) STRICT;
CREATE TABLE snapshots (position INTEGER PRIMARY KEY) STRICT;
CREATE TABLE states (
    prefix   TEXT NOT NULL,
    created  INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    id       TEXT NOT NULL,
    state    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX states_by_created ON states (prefix, created, snapshot);
CREATE UNIQUE INDEX states_by_id ON states (prefix, id, snapshot);

-- start --
INSERT INTO origin (id, epoch, version) VALUES (1, ?, ?)

-- origin --
SELECT epoch, version FROM origin WHERE id = 1

-- positions --
SELECT position FROM snapshots ORDER BY position

-- drop_unfinished --
DELETE FROM states WHERE snapshot > (SELECT coalesce(max(position), 0) FROM snapshots)

-- insert_states --
INSERT OR REPLACE INTO states (prefix, created, snapshot, id, state)

-- finish --
INSERT INTO snapshots (position) VALUES (?)

-- states --
SELECT s.state
FROM json_each(?1) AS wanted CROSS JOIN states AS s ON s.rowid = (
    SELECT last.rowid FROM states AS last
    WHERE last.prefix = ?2 AND last.id = wanted.value AND last.snapshot <= ?3
    ORDER BY last.snapshot DESC LIMIT 1
)

-- newest --
SELECT s.state
FROM (
    SELECT created, max(snapshot) AS snapshot FROM states
    WHERE prefix = ?1 AND created < ?2 AND snapshot <= ?3
    GROUP BY created ORDER BY created DESC LIMIT ?4
) AS last
CROSS JOIN states AS s
    ON s.prefix = ?1 AND s.created = last.created AND s.snapshot = last.snapshot
ORDER BY last.created DESC
