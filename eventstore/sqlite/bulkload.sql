-- stream_before --
-- Which stream a position belongs to, by its first commit: no index but the table itself.
SELECT first.name, first.position FROM commits AS before
JOIN commits AS first ON first.position = before.stream
WHERE before.position = ?

-- made_later --
SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL

-- first_repeated --
-- The first commit that a unique index refuses.
SELECT min(position) FROM (
    SELECT position, row_number() OVER (PARTITION BY stream, previous ORDER BY position) AS n
    FROM commits
    UNION ALL
    SELECT position, row_number() OVER (PARTITION BY id ORDER BY position) FROM commits
    UNION ALL
    SELECT position, row_number() OVER (PARTITION BY name ORDER BY position) FROM commits
    WHERE name IS NOT NULL
) WHERE n > 1
