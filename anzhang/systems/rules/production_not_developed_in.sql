/* +++
name = "production_not_developed_in"
title = "Nobody develops, tests or changes programs in production"
streams = ["file_event", "db_event", "auth_event", "gateway_event"]
registers = ["environment", "system", "unit", "go_live", "approval", "account", "person", "assignment", "log_source"]
parameters = []
window_days = 30
mode = "append"
+++ */
-- What was changed, or who came, in an hour: windows are intervals, so the first and the last of an hour stand for all of it. Besides,
-- that a host tells of its files and of those who log in at all ('told').
SELECT kind, source, host, object, user_name, hour, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'file' AS kind, timestamp AS at_, line, source, lower(host_name) AS host, lower(replace(path, chr(92), '/')) AS object,
           user_name, date_trunc('hour', timestamp) AS hour
    FROM file_event
    WHERE event_action IN ('created', 'modified', 'changed', 'written', 'renamed', 'moved', 'deleted') AND coalesce(event_outcome, '') <> 'failure'
    UNION ALL
    SELECT 'schema', timestamp, line, source, lower(host_name), coalesce(object_name, ''), user_name, date_trunc('hour', timestamp)
    FROM db_event WHERE event_action = 'ddl' AND coalesce(event_outcome, '') <> 'failure'
    UNION ALL
    SELECT 'session', timestamp, line, source, lower(host_name), '', user_name, date_trunc('hour', timestamp)
    FROM auth_event WHERE event_outcome = 'success' AND event_action NOT IN ('log-off', 'session-closed') AND user_name IS NOT NULL
    UNION ALL
    SELECT 'session', timestamp, line, source, lower(target_host), '', user_name, date_trunc('hour', timestamp)
    FROM gateway_event WHERE coalesce(event_outcome, '') <> 'failure' AND target_host IS NOT NULL AND user_name IS NOT NULL
    UNION ALL
    SELECT 'told', timestamp, line, source, lower(host_name), 'file', NULL, date_trunc('day', timestamp) FROM file_event
    UNION ALL
    SELECT 'told', timestamp, line, source, lower(host_name), 'session', NULL, date_trunc('day', timestamp) FROM auth_event
    UNION ALL
    SELECT 'told', timestamp, line, source, lower(target_host), 'session', NULL, date_trunc('day', timestamp) FROM gateway_event
)
GROUP BY kind, source, host, object, user_name, hour;

-- Art. 13, obligation A13.3. Subjects are production environments that tell of changed files and of sessions. A program in the folders of an environment, or the schema of
-- its system's database, changes only inside the window of an approved go-live there; a go-live approved after the change makes it
-- regularized. No session there belongs to somebody whose only post on the system is a developer's. Databases are those whose log
-- sources are the system's, unless their host stands in an environment of another kind. What happened is over after the window of days.
WITH
env AS (
    SELECT e.id, e.code, e.name, e.hosts, e.folders, e.system_id, s.managing_unit_id, s.name AS system_name, u.code AS unit
    FROM environment e JOIN system s ON s.id = e.system_id JOIN unit u ON u.id = s.managing_unit_id
    WHERE e.kind = 'production' AND e.state = 'in_service' AND s.state <> 'retired'
),
host AS (SELECT id AS environment_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM env),
folder AS (
    SELECT environment_id, rtrim(lower(replace(folder, chr(92), '/')), '/') || '/' AS folder
    FROM (SELECT id AS environment_id, unnest(from_json(folders, '["VARCHAR"]')) AS folder FROM env)
),
elsewhere AS (
    SELECT system_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM environment WHERE kind <> 'production' AND state = 'in_service'
),
first_env AS (SELECT system_id, min(id) AS environment_id FROM env GROUP BY system_id),
here AS (
    SELECT h.environment_id, f.* FROM facts f JOIN host h ON h.host = f.host
    WHERE f.kind = 'session' OR (f.kind = 'file' AND EXISTS (
        SELECT 1 FROM folder d WHERE d.environment_id = h.environment_id AND starts_with(f.object, d.folder)
    ))
    UNION ALL
    SELECT coalesce((SELECT min(h.environment_id) FROM host h JOIN env e ON e.id = h.environment_id
                     WHERE h.host = f.host AND e.system_id = o.system_id), x.environment_id), f.*
    FROM facts f JOIN log_source o ON o.code = f.source JOIN first_env x ON x.system_id = o.system_id
    WHERE f.kind = 'schema' AND NOT EXISTS (SELECT 1 FROM elsewhere l WHERE l.system_id = o.system_id AND l.host = f.host)
),
who AS (
    SELECT e.id AS environment_id, c.name AS account, any_value(p.id) AS person_id, any_value(p.code) AS person, any_value(p.name) AS person_name
    FROM env e JOIN account c ON c.system_id = e.system_id JOIN person p ON p.id = c.person_id GROUP BY e.id, c.name
),
post AS (
    SELECT e.id AS environment_id, a.person_id, a.duty, a.valid_from, coalesce(a.valid_to, TIMESTAMP '9999-12-31') AS valid_to
    FROM env e JOIN assignment a ON a.system_id = e.system_id OR (a.system_id IS NULL AND a.unit_id = e.managing_unit_id)
    WHERE a.superseded_at IS NULL AND a.duty NOT IN ('unit_head', 'office_member', 'room_keeper', 'room_attendant', 'endpoint_keeper')
),
granted AS (
    SELECT g.environment_id, e.system_id, g.window_from, least(g.window_to, coalesce(b.valid_to, g.window_to)) AS window_to, g.recorded_at
    FROM go_live g JOIN env e ON e.id = g.environment_id JOIN approval b ON b.id = g.basis_id AND b.superseded_at IS NULL
),
changed AS (
    SELECT h.*, e.code AS environment, e.name AS environment_name, e.system_name, e.unit, w.person, w.person_name,
           EXISTS (
               SELECT 1 FROM granted g WHERE (g.environment_id = e.id OR (h.kind = 'schema' AND g.system_id = e.system_id))
                   AND g.window_from <= h.first_at AND h.last_at < g.window_to AND g.recorded_at <= h.first_at
           ) AS in_time,
           EXISTS (
               SELECT 1 FROM granted g WHERE (g.environment_id = e.id OR (h.kind = 'schema' AND g.system_id = e.system_id))
                   AND g.window_from <= h.first_at AND h.last_at < g.window_to
           ) AS approved
    FROM here h JOIN env e ON e.id = h.environment_id LEFT JOIN who w ON w.environment_id = e.id AND w.account = h.user_name
    WHERE h.kind <> 'session'
),
visit AS (
    SELECT h.*, e.code AS environment, e.name AS environment_name, e.system_name, e.unit, w.person, w.person_name
    FROM here h JOIN env e ON e.id = h.environment_id JOIN who w ON w.environment_id = e.id AND w.account = h.user_name
    WHERE h.kind = 'session' AND EXISTS (
        SELECT 1 FROM post p WHERE p.environment_id = e.id AND p.person_id = w.person_id AND p.duty = 'developer'
            AND p.valid_from <= h.last_at AND h.first_at < p.valid_to
    ) AND NOT EXISTS (
        SELECT 1 FROM post p WHERE p.environment_id = e.id AND p.person_id = w.person_id AND p.duty <> 'developer'
            AND p.valid_from <= h.last_at AND h.first_at < p.valid_to
    )
),
watched AS (  -- environments that tell of both, by sources that still talk
    SELECT h.environment_id FROM host h JOIN facts f ON f.host = h.host AND f.kind = 'told'
    JOIN heard k ON k.source = f.source AND k.last_at > $at - INTERVAL 1 DAY
    GROUP BY h.environment_id HAVING count(DISTINCT f.object) = 2
)
SELECT 'subject' AS kind, 'environment:' || e.code AS key, e.name AS label, e.unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM env e WHERE e.id IN (SELECT environment_id FROM watched)
UNION ALL
SELECT CASE WHEN bool_and(approved) THEN 'regularized' ELSE 'breach' END, 'environment:' || environment, any_value(environment_name), any_value(unit), person,
       kind || '_changed_in_production',
       to_json({
           'environment': any_value(environment_name), 'system': any_value(system_name), 'object': arg_min(object, first_at), 'host': arg_min(host, first_at),
           'person': coalesce(any_value(person_name), arg_min(user_name, first_at), ''), 'times': sum(times),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M:%S')
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), kind || ':' || coalesce(person, '')
FROM changed WHERE NOT in_time GROUP BY kind, environment, person
UNION ALL
SELECT 'breach', 'environment:' || environment, any_value(environment_name), any_value(unit), person, 'developer_in_production',
       to_json({
           'environment': any_value(environment_name), 'system': any_value(system_name), 'person': any_value(person_name), 'times': sum(times),
           'host': arg_max(host, last_at), 'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M:%S')
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), 'session:' || person
FROM visit GROUP BY environment, person
UNION ALL
SELECT 'unknown', 'environment:' || e.code, e.name, e.unit, NULL,
       CASE WHEN e.hosts = '[]' THEN 'environment_without_hosts' WHEN e.folders = '[]' THEN 'environment_without_folders' ELSE 'environment_untold' END,
       to_json({'environment': e.name}), NULL, NULL, ''
FROM env e WHERE e.folders = '[]' OR e.id NOT IN (SELECT environment_id FROM watched)
UNION ALL
SELECT 'unknown', 'system:' || s.code, s.name, u.code, NULL, 'system_without_production', to_json({'system': s.name}), NULL, NULL, ''
FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service' AND s.id NOT IN (SELECT system_id FROM env)
ORDER BY ALL
