/* +++
name = "artifacts_scanned"
title = "What runs in production belongs to a release and was scanned, digest by digest"
streams = ["process_event", "file_event"]
registers = ["environment", "system", "unit", "release", "code_scan", "account", "person"]
parameters = []
window_days = 184
mode = "append"
+++ */
-- What was seen on a Beijing day: a digest at a place of a host, and a place that was emptied.
SELECT kind, source, host, hash, path, user_name, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'artifact' AS kind, timestamp AS at_, line, source, lower(host_name) AS host, lower(file_hash) AS hash, executable AS path,
           user_name, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM process_event WHERE regexp_full_match(lower(file_hash), '[0-9a-f]{64}') AND coalesce(event_outcome, '') <> 'failure'
    UNION ALL
    SELECT 'artifact', timestamp, line, source, lower(host_name), lower(file_hash), coalesce(nullif(new_path, ''), path), user_name,
           CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM file_event WHERE regexp_full_match(lower(file_hash), '[0-9a-f]{64}') AND coalesce(event_action, '') <> 'deleted'
    UNION ALL
    SELECT 'deleted', timestamp, line, source, lower(host_name), '', path, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM file_event WHERE event_action = 'deleted' AND coalesce(event_outcome, '') <> 'failure'
)
GROUP BY kind, source, host, hash, path, user_name, day;

-- Art. 13, obligation A13.2. A digest on a production host belongs to a release of that host's system; one of a live release, or one seen
-- running, has a scan of the same digest, and the newest scan of each tool leaves no high or critical result open. What is no longer in
-- its place, or was not seen for thirty days, has stopped. Folders narrow what counts, as in production_runs_approved.
WITH
env AS (
    SELECT e.id, e.code, e.name, e.hosts, e.folders, e.system_id, s.name AS system_name, u.code AS unit
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
    WHERE NOT EXISTS (SELECT 1 FROM folder d WHERE d.environment_id = h.environment_id)
        OR EXISTS (SELECT 1 FROM folder d WHERE d.environment_id = h.environment_id AND starts_with(f.place, d.folder))
),
present AS (SELECT environment_id, host, place, arg_max(hash, last_at) AS hash FROM seen GROUP BY environment_id, host, place),
artifact AS (
    SELECT environment_id, hash, min(first_at) AS began_at, max(last_at) AS last_at, sum(times) AS times, arg_min(path, first_at) AS path,
           arg_min(host, first_at) AS host, arg_min(user_name, first_at) AS user_name, arg_min(first_line, first_at) AS first_line,
           arg_max(last_line, last_at) AS last_line
    FROM seen s WHERE kind = 'artifact' AND EXISTS (
        SELECT 1 FROM present p WHERE p.environment_id = s.environment_id AND p.hash = s.hash
    )
    GROUP BY environment_id, hash HAVING max(last_at) > $at - INTERVAL 30 DAY
),
of_release AS (
    SELECT r.id, r.code, r.system_id, r.artifact || ' ' || r.label AS name, r.state, r.live_at, u.code AS unit, s.name AS system_name,
           unnest(from_json(r.digests, '["VARCHAR"]')) AS hash
    FROM release r JOIN system s ON s.id = r.system_id JOIN unit u ON u.id = s.managing_unit_id WHERE s.state <> 'retired'
),
runs AS (
    SELECT a.*, e.code AS environment, e.name AS environment_name, e.unit, e.system_name, e.system_id, r.id AS release_id
    FROM artifact a JOIN env e ON e.id = a.environment_id LEFT JOIN of_release r ON r.system_id = e.system_id AND r.hash = a.hash
),
scan AS (  -- the newest scan of each tool
    SELECT release_id, digest, tool, arg_max(critical + high, (scanned_at, id)) AS blocking, arg_max(id, (scanned_at, id)) AS id
    FROM code_scan GROUP BY release_id, digest, tool
),
owed AS (
    SELECT r.*, (SELECT min(x.began_at) FROM runs x WHERE x.release_id = r.id AND x.hash = r.hash) AS began_at,
           (SELECT list(x.last_line) FROM runs x WHERE x.release_id = r.id AND x.hash = r.hash) AS lines
    FROM of_release r
    WHERE r.state = 'live' OR EXISTS (SELECT 1 FROM runs x WHERE x.release_id = r.id AND x.hash = r.hash)
),
offence AS (
    SELECT o.*, 'artifact_unscanned' AS why, '' AS tools, 0 AS blocking, NULL::VARCHAR[] AS scans FROM owed o
    WHERE NOT EXISTS (SELECT 1 FROM scan c WHERE c.release_id = o.id AND c.digest = o.hash)
    UNION ALL
    SELECT o.*, 'artifact_with_open_results', (SELECT string_agg(c.tool, '、' ORDER BY c.tool) FROM scan c
               WHERE c.release_id = o.id AND c.digest = o.hash AND c.blocking > 0),
           (SELECT sum(c.blocking) FROM scan c WHERE c.release_id = o.id AND c.digest = o.hash AND c.blocking > 0),
           (SELECT list('code_scan:' || c.id ORDER BY c.id) FROM scan c WHERE c.release_id = o.id AND c.digest = o.hash AND c.blocking > 0)
    FROM owed o WHERE EXISTS (SELECT 1 FROM scan c WHERE c.release_id = o.id AND c.digest = o.hash AND c.blocking > 0)
),
actor AS (
    SELECT a.environment_id, a.hash, any_value(p.code) AS person, any_value(p.name) AS person_name
    FROM runs a JOIN account c ON c.system_id = a.system_id AND c.name = a.user_name JOIN person p ON p.id = c.person_id
    GROUP BY a.environment_id, a.hash
),
watched AS (
    SELECT DISTINCT s.environment_id FROM seen s JOIN heard k ON k.source = s.source AND k.last_at > $at - INTERVAL 1 DAY
    WHERE s.kind = 'artifact'
)
SELECT 'subject' AS kind, 'environment:' || e.code AS key, e.name AS label, e.unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM env e WHERE e.id IN (SELECT environment_id FROM watched)
UNION ALL
SELECT DISTINCT 'subject', 'release:' || code, name, unit, NULL, '', NULL, NULL::VARCHAR[], NULL::TIMESTAMP, '' FROM owed
UNION ALL
SELECT 'breach', 'environment:' || r.environment, r.environment_name, r.unit, w.person, 'artifact_unknown',
       to_json({
           'environment': r.environment_name, 'system': r.system_name, 'digest': r.hash[1:12], 'path': r.path, 'host': r.host,
           'person': coalesce(w.person_name, r.user_name, ''), 'at': strftime(r.began_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M:%S'), 'times': r.times
       }),
       list_distinct([r.first_line, r.last_line]), r.began_at, r.hash
FROM runs r LEFT JOIN actor w ON w.environment_id = r.environment_id AND w.hash = r.hash WHERE r.release_id IS NULL
UNION ALL
SELECT 'breach', 'release:' || code, name, unit, NULL, why,
       to_json({'release': name, 'system': system_name, 'digest': hash[1:12], 'tools': tools, 'count': blocking}),
       list_concat(['release:' || id], coalesce(scans, []), coalesce(list_distinct(lines)[1:10], [])), coalesce(began_at, live_at), why || ':' || hash
FROM offence
UNION ALL
SELECT 'unknown', 'environment:' || e.code, e.name, e.unit, NULL,
       CASE WHEN e.hosts = '[]' THEN 'environment_without_hosts' ELSE 'environment_not_watched' END, to_json({'environment': e.name}), NULL, NULL, ''
FROM env e WHERE e.id NOT IN (SELECT environment_id FROM watched)
UNION ALL
SELECT 'unknown', 'system:' || s.code, s.name, u.code, NULL, 'system_without_production', to_json({'system': s.name}), NULL, NULL, ''
FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service' AND s.id NOT IN (SELECT system_id FROM env)
ORDER BY ALL
