-- head --
SELECT coalesce(max(position), 0) FROM commits

-- epoch --
SELECT epoch FROM log WHERE id = 1

-- start_log --
INSERT INTO log (id, epoch, created_at) VALUES (1, ?, ?)

-- nodes --
SELECT node FROM commits WHERE position IN (SELECT value FROM json_each(?)) ORDER BY position

-- hashes --
-- A negative number asks for the leaf at that position, a positive one for the stored node.
SELECT value, iif(value > 0, node, leaf_hash(body))
FROM json_each(?) CROSS JOIN commits ON position = abs(value)

-- stream_heads --
SELECT
    first.name,
    first.position,
    (
        SELECT last.position FROM commits AS last
        WHERE last.stream = first.position ORDER BY last.previous DESC LIMIT 1
    )
FROM commits AS first
WHERE first.name IN (SELECT value FROM json_each(?))

-- read --
-- One row for the whole page: every row that Python fetches costs a turn at the interpreter lock.
SELECT '[' || group_concat(body, ',') || ']'
FROM (SELECT body FROM commits WHERE position > ? ORDER BY position LIMIT ?)

-- unread --
SELECT body FROM commits WHERE position > ? ORDER BY position LIMIT ?

-- read_stream --
-- The position to read after may be of another stream: begin at the commit that it falls behind.
WITH named AS MATERIALIZED (SELECT position AS stream FROM commits WHERE name = ?1)
SELECT '[' || group_concat(body, ',') || ']'
FROM (
    SELECT body FROM commits
    WHERE stream = (SELECT stream FROM named) AND position > ?2 AND previous >= (
        SELECT coalesce(max(before.previous), 0) FROM commits AS before
        WHERE before.stream = (SELECT stream FROM named) AND before.previous < ?2
    ) AND previous < ?3 AND position <= ?3
    ORDER BY previous LIMIT ?4
)

-- find --
SELECT body FROM commits WHERE id = ?

-- find_many --
SELECT id, body FROM commits WHERE id IN

-- checkpoint --
PRAGMA wal_checkpoint(TRUNCATE)

-- insert_commits --
INSERT INTO commits (position, stream, previous, name, id, body, node)

-- created_at --
SELECT created_at FROM log WHERE id = 1

-- rows --
SELECT position, stream, previous, name, id, body, node FROM commits
WHERE position > ? AND position <= ? ORDER BY position

-- bodies --
SELECT body FROM commits WHERE position > ? AND position <= ? ORDER BY position

-- stream_bodies --
SELECT body FROM commits
WHERE stream = (SELECT position FROM commits WHERE name = ?) AND position > ? AND position <= ?
ORDER BY previous

-- by_stream --
-- All of a stream before any of the next: the index gives the order.
SELECT stream, body FROM commits INDEXED BY commits_by_stream
WHERE position <= ? ORDER BY stream, previous

-- streams --
SELECT stream FROM commits WHERE position > ? AND position <= ?

-- commits_of --
SELECT body FROM commits WHERE stream = ? AND position > ? AND position <= ? ORDER BY previous

-- first_bodies --
-- Of the streams whose names begin alike.
SELECT body FROM commits WHERE name >= ? AND name < ? ORDER BY name

-- row --
SELECT position, stream, previous, name, id, body, node FROM commits WHERE position = ?

-- position_at --
-- Where the clock went backwards there may be several answers, and this is one of them.
WITH RECURSIVE search (low, high) AS (
    SELECT 0, coalesce(max(position), 0) FROM commits
    UNION ALL
    SELECT
        iif(json_extract(CAST(body AS TEXT), '$.at') <= ?1, position, low),
        iif(json_extract(CAST(body AS TEXT), '$.at') <= ?1, high, position - 1)
    FROM search JOIN commits ON position = (low + high + 1) / 2
    WHERE low < high
)
SELECT low FROM search WHERE low >= high
