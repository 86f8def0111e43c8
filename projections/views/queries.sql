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

-- drop_marks --
DELETE FROM __TABLE__ WHERE created IN (SELECT value FROM json_each(?))

-- tenants --
-- One look into the index per tenant, where DISTINCT would walk all of it.
WITH RECURSIVE found (tenant) AS (
    SELECT min(tenant) FROM sessions WHERE deleted = 0
    UNION ALL
    SELECT (SELECT min(s.tenant) FROM sessions AS s WHERE s.deleted = 0 AND s.tenant > f.tenant)
    FROM found AS f WHERE f.tenant IS NOT NULL
)
SELECT tenant FROM found WHERE tenant IS NOT NULL

-- states --
SELECT state FROM __TABLE__ WHERE id IN (SELECT value FROM json_each(?))

-- due --
SELECT id, deadline FROM sessions
WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline LIMIT ?

-- next_deadline --
SELECT min(deadline) FROM sessions WHERE deadline IS NOT NULL

-- tests_out --
SELECT id, created FROM sessions
WHERE tests_running > 0 AND deleted = 0 AND created > ? ORDER BY created LIMIT ?

-- vms_there --
SELECT state FROM vms
WHERE status NOT IN ('stopped', 'lost') AND created > ? ORDER BY created LIMIT ?

-- sessions_with_machines --
SELECT state FROM sessions
WHERE kind = 'vm' AND deleted = 0
AND status IN ('queued', 'starting', 'running', 'blocked', 'pausing', 'resuming')
AND created > ? ORDER BY created LIMIT ?

-- sessions_with_browsers --
SELECT state FROM sessions WHERE browser_open = 1 AND created > ? ORDER BY created LIMIT ?

-- sessions_held --
SELECT state FROM sessions WHERE held = 1 AND created > ? ORDER BY created LIMIT ?

-- snapshots_there --
SELECT state FROM vm_snapshots WHERE deleted = 0 AND created > ? ORDER BY created LIMIT ?
