/* +++
name = "production_runs_approved"
title = "What runs in production, and whom it serves, was approved to go live"
streams = ["process_event", "file_event", "flow_event"]
registers = ["environment", "system", "unit", "release", "go_live", "approval", "account", "person"]
parameters = []
window_days = 184
mode = "append"
+++ */
-- What was seen on a Beijing day: a digest at a place of a host, a place that was emptied, the net of clients that an address served.
SELECT kind, source, host, hash, path, user_name, net, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'artifact' AS kind, timestamp AS at_, line, source, lower(host_name) AS host, lower(file_hash) AS hash, executable AS path,
           user_name, NULL AS net, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM process_event WHERE regexp_full_match(lower(file_hash), '[0-9a-f]{64}') AND coalesce(event_outcome, '') <> 'failure'
    UNION ALL
    SELECT 'artifact', timestamp, line, source, lower(host_name), lower(file_hash), coalesce(nullif(new_path, ''), path), user_name, NULL,
           CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM file_event WHERE regexp_full_match(lower(file_hash), '[0-9a-f]{64}') AND coalesce(event_action, '') <> 'deleted'
    UNION ALL
    SELECT 'deleted', timestamp, line, source, lower(host_name), '', path, NULL, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM file_event WHERE event_action = 'deleted' AND coalesce(event_outcome, '') <> 'failure'
    UNION ALL
    SELECT 'flow', timestamp, line, source, destination_ip, '', NULL, NULL, regexp_replace(source_ip, '[.][0-9]+$', ''),
           CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM flow_event WHERE coalesce(event_outcome, '') <> 'failure' AND destination_ip IS NOT NULL
)
GROUP BY kind, source, host, hash, path, user_name, net, day;

-- Art. 13, obligation A13.6. Subjects are the production environments that the logs show digests of. An artifact is judged by the
-- instant at which it was first seen there: inside the window [from, to) of a go-live whose approval stood then and names its digest.
-- What was noted as put live, or whose window lies before all that is read, restarts freely. It stops counting when something else, or
-- nothing, is in its place, when it is started anew inside an approved window, and when nobody saw it for thirty days. Where an
-- environment names the folders of its programs, only what lies there counts. The addresses of a system's own environments are no
-- clients; clients are looked at by net, since their number is without bound.
WITH
env AS (
    SELECT e.id, e.code, e.name, e.hosts, e.addresses, e.folders, e.system_id, s.name AS system_name, u.code AS unit
    FROM environment e JOIN system s ON s.id = e.system_id JOIN unit u ON u.id = s.managing_unit_id
    WHERE e.kind = 'production' AND e.state = 'in_service' AND s.state <> 'retired'
),
host AS (SELECT id AS environment_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM env),
folder AS (
    SELECT environment_id, rtrim(lower(replace(folder, chr(92), '/')), '/') || '/' AS folder
    FROM (SELECT id AS environment_id, unnest(from_json(folders, '["VARCHAR"]')) AS folder FROM env)
),
seen AS (
    SELECT h.environment_id, f.* FROM (SELECT *, lower(replace(coalesce(path, ''), chr(92), '/')) AS place FROM facts) f
    JOIN host h ON h.host = f.host
    WHERE f.kind <> 'flow' AND (
        NOT EXISTS (SELECT 1 FROM folder d WHERE d.environment_id = h.environment_id)
        OR EXISTS (SELECT 1 FROM folder d WHERE d.environment_id = h.environment_id AND starts_with(f.place, d.folder))
    )
),
present AS (  -- the digest that is last seen in each place
    SELECT environment_id, host, place, arg_max(hash, last_at) AS hash FROM seen GROUP BY environment_id, host, place
),
artifact AS (
    SELECT environment_id, hash, min(first_at) AS began_at, max(last_at) AS last_at, sum(times) AS times, arg_min(path, first_at) AS path,
           arg_min(host, first_at) AS host, arg_min(user_name, first_at) AS user_name, arg_min(first_line, first_at) AS first_line,
           arg_max(last_line, last_at) AS last_line
    FROM seen s WHERE kind = 'artifact' AND EXISTS (
        SELECT 1 FROM present p WHERE p.environment_id = s.environment_id AND p.hash = s.hash
    )
    GROUP BY environment_id, hash
),
granted AS (
    SELECT g.environment_id, g.operator_id, g.window_from, g.window_to, g.done_at, g.recorded_at, g.id,
           coalesce(b.valid_to, TIMESTAMP '9999-12-31') AS stands_to, unnest(from_json(g.digests, '["VARCHAR"]')) AS hash
    FROM go_live g JOIN approval b ON b.id = g.basis_id AND b.superseded_at IS NULL
),
of_release AS (
    SELECT id, system_id, label, artifact, developers, unnest(from_json(digests, '["VARCHAR"]')) AS hash FROM release
),
known AS (
    SELECT a.environment_id, a.hash, any_value(r.artifact || ' ' || r.label) AS release, any_value(r.developers) AS developers
    FROM artifact a JOIN env e ON e.id = a.environment_id JOIN of_release r ON r.system_id = e.system_id AND r.hash = a.hash
    GROUP BY a.environment_id, a.hash
),
way AS (  -- what each grant says of an artifact
    SELECT a.environment_id, a.hash, g.id, g.window_from, g.window_to, g.operator_id,
           g.stands_to > a.last_at AS stands,
           g.window_to <= $since OR (g.done_at IS NOT NULL AND g.done_at <= a.began_at)
           OR (g.window_from <= a.began_at AND a.began_at < g.window_to)
           OR EXISTS (
               SELECT 1 FROM seen s WHERE s.environment_id = a.environment_id AND s.hash = a.hash AND (
                   (g.window_from <= s.first_at AND s.first_at < g.window_to) OR (g.window_from <= s.last_at AND s.last_at < g.window_to)
               )
           ) AS covers,
           g.recorded_at <= greatest(a.began_at, g.window_from) OR g.window_to <= $since AS in_time
    FROM artifact a JOIN granted g ON g.environment_id = a.environment_id AND g.hash = a.hash
),
actor AS (
    SELECT a.environment_id, a.hash, any_value(p.id) AS person_id, any_value(p.code) AS person, any_value(p.name) AS person_name
    FROM artifact a JOIN env e ON e.id = a.environment_id
    JOIN account c ON c.system_id = e.system_id AND c.name = a.user_name JOIN person p ON p.id = c.person_id
    GROUP BY a.environment_id, a.hash
),
judged AS (
    SELECT a.*, e.code AS environment, e.name AS environment_name, e.unit, e.system_name, k.release, k.developers,
           w.person_id, w.person, w.person_name,
           EXISTS (SELECT 1 FROM granted g WHERE g.environment_id = a.environment_id) AS any_granted,
           EXISTS (SELECT 1 FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash) AS is_granted,
           EXISTS (SELECT 1 FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash AND y.stands) AS stands,
           EXISTS (SELECT 1 FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash AND y.stands AND y.covers) AS covered,
           EXISTS (
               SELECT 1 FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash AND y.stands AND y.covers AND y.in_time
           ) AS in_time,
           EXISTS (
               SELECT 1 FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash AND y.stands AND y.covers
                   AND (w.person_id IS NULL OR y.operator_id = w.person_id)
           ) AS by_operator,
           (SELECT list(DISTINCT 'go_live:' || y.id) FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash) AS grants,
           (SELECT max(y.window_from) FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash) AS window_from,
           (SELECT max(y.window_to) FROM way y WHERE y.environment_id = a.environment_id AND y.hash = a.hash) AS window_to
    FROM artifact a JOIN env e ON e.id = a.environment_id
    LEFT JOIN known k ON k.environment_id = a.environment_id AND k.hash = a.hash
    LEFT JOIN actor w ON w.environment_id = a.environment_id AND w.hash = a.hash
    WHERE a.last_at > $at - INTERVAL 30 DAY
),
told AS (
    SELECT *, CASE
        WHEN NOT is_granted AND any_granted THEN 'runs_other_artifact'
        WHEN NOT is_granted THEN 'runs_without_go_live'
        WHEN NOT stands THEN 'runs_after_revocation'
        WHEN NOT covered THEN 'live_outside_window'
        WHEN person IS NOT NULL AND list_contains(from_json(developers, '["VARCHAR"]'), person) THEN 'live_by_developer'
        WHEN NOT by_operator THEN 'live_by_other'
        WHEN NOT in_time THEN 'live_approved_later'
    END AS code FROM judged
),
address AS (SELECT id AS environment_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM env),
own AS (  -- nets in which the system itself stands
    SELECT e.id AS environment_id, regexp_replace(o.ip, '[.][0-9]+$', '') AS net
    FROM env e JOIN (SELECT system_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM environment) o ON o.system_id = e.system_id
),
served AS (
    SELECT a.environment_id, min(f.first_at) AS began_at, max(f.last_at) AS last_at, sum(f.times) AS times,
           arg_min(f.first_line, f.first_at) AS first_line, arg_max(f.last_line, f.last_at) AS last_line
    FROM facts f JOIN address a ON a.ip = f.host
    WHERE f.kind = 'flow' AND NOT EXISTS (SELECT 1 FROM own o WHERE o.environment_id = a.environment_id AND o.net = f.net)
    GROUP BY a.environment_id
),
service AS (
    SELECT s.*, e.code AS environment, e.name AS environment_name, e.unit, e.system_name,
           EXISTS (
               SELECT 1 FROM granted g WHERE g.environment_id = s.environment_id AND g.stands_to > s.last_at AND g.window_from <= s.last_at
           ) AS is_granted,
           EXISTS (
               SELECT 1 FROM granted g WHERE g.environment_id = s.environment_id AND g.stands_to > s.last_at
                   AND ((g.window_from <= s.began_at AND g.recorded_at <= s.began_at) OR g.window_to <= $since)
           ) AS in_time
    FROM served s JOIN env e ON e.id = s.environment_id WHERE s.last_at > $at - INTERVAL 30 DAY
),
watched AS (  -- environments of which a source that still talks has told digests
    SELECT DISTINCT s.environment_id FROM seen s JOIN heard k ON k.source = s.source AND k.last_at > $at - INTERVAL 1 DAY
    WHERE s.kind = 'artifact'
)
SELECT 'subject' AS kind, 'environment:' || e.code AS key, e.name AS label, e.unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM env e WHERE e.id IN (SELECT environment_id FROM watched)
UNION ALL
SELECT CASE WHEN code = 'live_approved_later' THEN 'regularized' ELSE 'breach' END, 'environment:' || environment, environment_name, unit, person,
       code,
       to_json({
           'environment': environment_name, 'system': system_name, 'release': coalesce(release, ''), 'digest': hash[1:12], 'path': path,
           'host': host, 'person': coalesce(person_name, user_name, ''), 'at': strftime(began_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M:%S'),
           'last': strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'begin': strftime(window_from + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'end': strftime(window_to + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list_concat(list_distinct([first_line, last_line]), coalesce(grants, [])), began_at, 'artifact:' || hash
FROM told WHERE code IS NOT NULL
UNION ALL
SELECT CASE WHEN is_granted THEN 'regularized' ELSE 'breach' END, 'environment:' || environment, environment_name, unit, NULL,
       CASE WHEN is_granted THEN 'served_before_approval' ELSE 'serves_without_approval' END,
       to_json({
           'environment': environment_name, 'system': system_name, 'at': strftime(began_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M:%S'),
           'last': strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': times
       }),
       list_distinct([first_line, last_line]), began_at, 'service'
FROM service WHERE NOT in_time
UNION ALL
SELECT 'unknown', 'environment:' || e.code, e.name, e.unit, NULL,
       CASE WHEN e.hosts = '[]' THEN 'environment_without_hosts' ELSE 'environment_not_watched' END, to_json({'environment': e.name}), NULL, NULL, ''
FROM env e WHERE e.id NOT IN (SELECT environment_id FROM watched)
UNION ALL
SELECT 'unknown', 'system:' || s.code, s.name, u.code, NULL, 'system_without_production', to_json({'system': s.name}), NULL, NULL, ''
FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service' AND s.id NOT IN (SELECT system_id FROM env)
ORDER BY ALL
