-- count_tables --
SELECT count(*) FROM sqlite_schema

-- make_checkpoint --
CREATE TABLE checkpoint (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      TEXT NOT NULL,
    version    TEXT NOT NULL,
    position   INTEGER NOT NULL,
    generation INTEGER NOT NULL
) STRICT

-- start_checkpoint --
INSERT INTO checkpoint (id, epoch, version, position, generation) VALUES (1, ?, ?, 0, 0)

-- checkpoint --
SELECT epoch, version, position, generation FROM checkpoint WHERE id = 1

-- set_checkpoint --
UPDATE checkpoint SET position = ? WHERE id = 1

-- drop_labels --
DELETE FROM session_labels__NEXT__ WHERE created IN (SELECT value FROM json_each(?))

-- insert_labels --
INSERT INTO session_labels__NEXT__ (created, label, tenant)

-- states --
SELECT state FROM __TABLE__ WHERE id IN (SELECT value FROM json_each(?))

-- due --
SELECT id, deadline FROM sessions
WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline LIMIT ?

-- next_deadline --
SELECT min(deadline) FROM sessions WHERE deadline IS NOT NULL
