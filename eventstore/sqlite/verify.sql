-- page --
SELECT position, stream, previous, name, id, body, node FROM commits
WHERE position > ? AND position <= ? ORDER BY position

-- first --
SELECT coalesce(min(position), 1) FROM commits

-- last --
SELECT max(0, coalesce(max(position), 0)) FROM commits

-- log_rows --
SELECT id, epoch, created_at FROM log

-- schema --
SELECT CAST(type || ' ' || name AS TEXT), CAST(coalesce(sql, '') AS TEXT) FROM sqlite_schema
WHERE name NOT LIKE 'sqlite_stat_'

-- node --
SELECT node FROM commits WHERE position = ?

-- integrity --
PRAGMA integrity_check(10)
