/* +++
name = "data_changes_ordered"
title = "Every change of data comes from a business act or an approved order"
streams = ["db_event", "app_event"]
registers = ["account", "person", "system", "unit", "log_source"]
parameters = ["clock_tolerance_seconds"]
window_days = 30
mode = "append"
+++ */
-- What an account changed in a second, in which seconds an application told of a business act, and that a database was heard at all.
-- A change is a statement that writes rows and did not fail; where nobody counted the rows it may have written some. Own temporary tables
-- are nobody's data.
SELECT kind, source, user_name, slot, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times, sum(rows_) AS rows_,
       arg_max(object, at_) AS object, arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT CASE WHEN writes THEN 'change' ELSE 'heard' END AS kind, at_, source, CASE WHEN writes THEN user_name END AS user_name,
           date_trunc(CASE WHEN writes THEN 'second' ELSE 'day' END, at_) AS slot, CASE WHEN writes THEN rows_ END AS rows_, line,
           CASE WHEN writes THEN concat_ws(' ', verb, object_name) END AS object
    FROM (
        SELECT timestamp AS at_, source, coalesce(user_name, '') AS user_name, rows AS rows_, line, object_name, verb,
               coalesce(event_outcome, '') <> 'failure' AND coalesce(rows, 1) > 0 AND NOT starts_with(lower(coalesce(object_name, '')), 'pg_temp')
               AND (
                   act IN ('write', 'insert', 'update', 'delete', 'merge', 'replace', 'truncate')
                   OR (act NOT IN ('read', 'ddl', 'role', 'error') AND (
                       verb IN ('INSERT', 'UPDATE', 'DELETE', 'MERGE', 'REPLACE', 'TRUNCATE', 'LOAD')
                       OR (verb = 'COPY' AND regexp_matches(said, '^\s*copy\s+[^\s(]+\s*(?:\([^)]*\))?\s*from\b'))
                       OR (verb = 'WITH' AND regexp_matches(said, '\b(?:insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into)\b'))
                   ))
               ) AS writes
        FROM (
            SELECT *, lower(coalesce(event_action, '')) AS act, upper(split_part(coalesce(command, ''), ' ', 1)) AS verb,
                   lower(coalesce(statement, '')) AS said
            FROM db_event
        )
    )
    UNION ALL
    SELECT 'app', timestamp, source, NULL, date_trunc('second', timestamp), NULL, line, NULL
    FROM app_event WHERE coalesce(event_outcome, '') <> 'failure'
)
GROUP BY kind, source, user_name, slot;

-- Art. 14, obligation A14.5. A change is a business act's if an account of the application made it and the application told of an act of its
-- system that near in time. Whoever else changes data does so beside the application and needs an order; no register of orders stands yet,
-- so none is on file. A name that the system's accounts do not hold is nobody's. Where the application tells nothing at all, whether its own
-- account had a reason cannot be said.
WITH
owned AS (SELECT o.code AS source, s.id AS system_id FROM log_source o JOIN system s ON s.id = o.system_id),
app AS (
    SELECT w.system_id, f.slot, min(f.first_at) AS first_at, max(f.last_at) AS last_at
    FROM facts f JOIN owned w ON w.source = f.source WHERE f.kind = 'app' GROUP BY w.system_id, f.slot
),
deed AS (
    SELECT w.system_id, f.user_name, f.slot, min(f.first_at) AS first_at, max(f.last_at) AS last_at, sum(f.times) AS times,
           sum(f.rows_) AS rows_, arg_max(f.object, f.last_at) AS object, arg_max(f.last_line, f.last_at) AS last_line
    FROM facts f JOIN owned w ON w.source = f.source WHERE f.kind = 'change' GROUP BY w.system_id, f.user_name, f.slot
),
named AS (
    SELECT d.*, c.id AS account_id, c.of_application IS TRUE AS of_application, p.code AS person, p.name AS person_name
    FROM deed d LEFT JOIN account c ON c.system_id = d.system_id AND c.name = d.user_name LEFT JOIN person p ON p.id = c.person_id
),
-- The first act that ended no earlier than the tolerance before the change: if that one is too late, every other one is.
beside AS (
    SELECT n.*, a.first_at AS acted_at
    FROM (SELECT * FROM named WHERE of_application) n
    ASOF LEFT JOIN app a ON a.system_id = n.system_id AND n.first_at - to_seconds(CAST($clock_tolerance_seconds AS BIGINT)) <= a.last_at
),
wild AS (
    SELECT system_id, user_name, account_id, person, person_name, first_at, last_at, times, rows_, object, last_line,
           CASE WHEN account_id IS NULL THEN 'data_changed_by_nobody' ELSE 'data_changed_beside_application' END AS code
    FROM named WHERE NOT of_application
    UNION ALL
    SELECT system_id, user_name, account_id, NULL, person_name, first_at, last_at, times, rows_, object, last_line, 'data_changed_without_act'
    FROM beside
    WHERE system_id IN (SELECT system_id FROM app)
      AND (acted_at IS NULL OR acted_at > last_at + to_seconds(CAST($clock_tolerance_seconds AS BIGINT)))
),
untold AS (SELECT DISTINCT system_id FROM named WHERE of_application AND system_id NOT IN (SELECT system_id FROM app)),
heard_of AS (SELECT DISTINCT w.system_id FROM facts f JOIN owned w ON w.source = f.source WHERE f.kind IN ('change', 'heard')),
watch AS (
    SELECT s.id, s.code, s.name, u.code AS unit,
           CASE WHEN h.system_id IS NULL THEN 'database_not_told' WHEN t.system_id IS NOT NULL THEN 'application_not_told' END AS lacks
    FROM system s JOIN unit u ON u.id = s.managing_unit_id LEFT JOIN heard_of h ON h.system_id = s.id LEFT JOIN untold t ON t.system_id = s.id
    WHERE s.state = 'in_service'
)
SELECT 'subject' AS kind, 'system:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE lacks IS NULL
UNION ALL
SELECT 'breach', 'system:' || s.code, any_value(s.name), any_value(u.code), any_value(w.person), any_value(w.code),
       to_json({
           'system': any_value(s.name), 'account': CASE WHEN w.user_name = '' THEN '?' ELSE w.user_name END,
           'person': coalesce(any_value(w.person_name), '?'), 'times': CAST(sum(w.times) AS BIGINT), 'object': arg_max(w.object, w.last_at),
           'at': strftime(max(w.last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'seconds': CAST($clock_tolerance_seconds AS BIGINT)
       }),
       list_concat(
           list(w.last_line ORDER BY w.last_at DESC)[1:16], list_distinct(list('account:' || w.account_id) FILTER (w.account_id IS NOT NULL))
       ), min(w.first_at), w.user_name
FROM wild w JOIN system s ON s.id = w.system_id JOIN unit u ON u.id = s.managing_unit_id GROUP BY s.code, w.user_name
UNION ALL
SELECT 'unknown', 'system:' || code, name, unit, NULL, lacks, to_json({'system': name}), NULL, NULL, ''
FROM watch WHERE lacks IS NOT NULL
ORDER BY ALL
