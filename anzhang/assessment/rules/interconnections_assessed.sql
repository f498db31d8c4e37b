/* +++
name = "interconnections_assessed"
title = "An interconnection has passed an assessment before the first traffic on it"
streams = ["api_event", "flow_event"]
registers = ["interconnection", "interconnection_network", "assessment", "unit", "person"]
parameters = []
window_days = 184
mode = "append"
+++ */
-- When two addresses first spoke with each other in a Beijing month, calls of interfaces by their caller, and that flows were told at all: a
-- window of half a year by days would keep thirty times as much, and by nothing would never let go of what is old.
SELECT way, source_ip, destination_ip, client, month, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times, arg_min(line, at_) AS first_line
FROM (
    SELECT 'flow' AS way, timestamp AS at_, line, source_ip, destination_ip, NULL AS client, strftime(timestamp + INTERVAL 8 HOUR, '%Y-%m') AS month
    FROM flow_event
    WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
    UNION ALL
    SELECT 'api', timestamp, line, source_ip, NULL, client, strftime(timestamp + INTERVAL 8 HOUR, '%Y-%m')
    FROM api_event WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, NULL, strftime(timestamp + INTERVAL 8 HOUR, '%Y-%m') FROM flow_event
)
GROUP BY way, source_ip, destination_ip, client, month;

-- Art. 10, obligation A10.3. Traffic is an interconnection's if the outside address lies in its peers and the inner one in its own networks;
-- a call of an interface if its caller does, under a client's name that it lists where it lists any. Its first traffic of the window is held
-- against the assessments that had passed by then and still held; what stands of an assessment today counts, whenever it was written down.
-- Without any traffic nothing is wrong, as long as flows were told at all within a week. A month whose last traffic is older than the logs
-- that are kept is over.
WITH
fact AS (
    SELECT *, row_number() OVER (ORDER BY way, source_ip, destination_ip, client, month) AS n
    FROM (
        SELECT way, source_ip, destination_ip, client, month, min(first_at) AS first_at, sum(times) AS times,
               arg_min(first_line, first_at) AS first_line
        FROM facts WHERE way <> 'alive' AND last_at > $since GROUP BY way, source_ip, destination_ip, client, month
    )
),
stands AS (SELECT * FROM interconnection WHERE superseded_at IS NULL AND valid_from < $at),
-- The one who answers for a code is the newest row's.
owner AS (
    SELECT i.code, arg_max(i.name, i.valid_from) AS name, arg_max(u.code, i.valid_from) AS unit, arg_max(p.code, i.valid_from) AS person,
           arg_max(i.id, i.valid_from) AS id, bool_or(i.valid_to IS NULL OR i.valid_to > $at) AS live
    FROM stands i JOIN unit u ON u.id = i.unit_id LEFT JOIN person p ON p.id = i.person_id GROUP BY i.code
),
address AS (
    SELECT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact) WHERE ip IS NOT NULL
),
side_of AS (
    SELECT DISTINCT a.ip, n.side, n.interconnection_id AS id
    FROM address a JOIN interconnection_network n ON a.k BETWEEN n.first AND n.last JOIN stands s ON s.id = n.interconnection_id
),
traffic AS (
    SELECT f.n, i.code, peer.ip AS peer, mine.ip AS inner_ip, f.client, f.first_at, f.times, f.first_line,
           f.first_at >= i.valid_from AND (i.valid_to IS NULL OR f.first_at < i.valid_to) AS held
    FROM fact f JOIN side_of peer ON peer.ip = f.destination_ip AND peer.side = 'peer'
    JOIN side_of mine ON mine.ip = f.source_ip AND mine.side = 'inner' AND mine.id = peer.id JOIN stands i ON i.id = peer.id
    WHERE f.way = 'flow'
    UNION ALL
    SELECT f.n, i.code, peer.ip, mine.ip, f.client, f.first_at, f.times, f.first_line,
           f.first_at >= i.valid_from AND (i.valid_to IS NULL OR f.first_at < i.valid_to)
    FROM fact f JOIN side_of peer ON peer.ip = f.source_ip AND peer.side = 'peer'
    JOIN side_of mine ON mine.ip = f.destination_ip AND mine.side = 'inner' AND mine.id = peer.id JOIN stands i ON i.id = peer.id
    WHERE f.way = 'flow'
    UNION ALL
    SELECT f.n, i.code, peer.ip, NULL, f.client, f.first_at, f.times, f.first_line,
           f.first_at >= i.valid_from AND (i.valid_to IS NULL OR f.first_at < i.valid_to)
    FROM fact f JOIN side_of peer ON peer.ip = f.source_ip AND peer.side = 'peer' JOIN stands i ON i.id = peer.id
    WHERE f.way = 'api' AND (i.clients = '[]' OR f.client IS NULL OR list_contains(from_json(i.clients, '["VARCHAR"]'), f.client))
),
-- Where several codes name the same addresses, traffic is theirs that held then; where none held, it is everyone's.
whose AS (SELECT n, bool_or(held) AS anyone FROM traffic GROUP BY n),
begun AS (
    SELECT t.code, min(t.first_at) AS first_at, arg_min(t.peer, t.first_at) AS peer,
           arg_min(coalesce(t.inner_ip, t.client, ''), t.first_at) AS inner_name, sum(t.times) AS times,
           arg_min(t.first_line, t.first_at) AS first_line
    FROM (SELECT n, code, any_value(peer) AS peer, any_value(inner_ip) AS inner_ip, any_value(client) AS client, min(first_at) AS first_at,
                 any_value(times) AS times, any_value(first_line) AS first_line, bool_or(held) AS held FROM traffic GROUP BY n, code) t
    JOIN whose w ON w.n = t.n WHERE t.held OR NOT w.anyone GROUP BY t.code
),
judged AS (
    SELECT b.*,
           count(*) FILTER (
               WHERE a.concluded_at <= b.first_at AND (a.valid_until IS NULL OR a.valid_until >= CAST(b.first_at + INTERVAL 8 HOUR AS DATE))
           ) AS before,
           min(a.concluded_at) FILTER (WHERE a.concluded_at > b.first_at AND a.concluded_at <= $at) AS passed_at,
           max(a.concluded_at) FILTER (WHERE a.concluded_at <= b.first_at) AS old_at, arg_max(a.id, a.concluded_at) AS assessment_id
    FROM begun b LEFT JOIN assessment a ON a.kind = 'interconnection' AND a.subject = b.code AND a.result = 'passed'
    GROUP BY ALL
),
watch AS (SELECT count(*) > 0 AS alive FROM facts WHERE way = 'alive' AND last_at > $at - INTERVAL 7 DAY)
SELECT 'subject' AS kind, 'interconnection:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM owner, watch WHERE alive AND live
UNION ALL
SELECT 'breach', 'interconnection:' || o.code, o.name, o.unit, o.person,
       CASE WHEN j.passed_at IS NOT NULL THEN 'traffic_before_assessment' WHEN j.old_at IS NOT NULL THEN 'traffic_after_assessment'
            ELSE 'traffic_without_assessment' END,
       to_json({
           'interconnection': o.name, 'peer': j.peer, 'inner': j.inner_name, 'times': j.times,
           'at': strftime(j.first_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'passed_at': coalesce(strftime(coalesce(j.passed_at, j.old_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), '')
       }),
       list_concat([j.first_line, 'interconnection:' || o.id], CASE WHEN j.assessment_id IS NULL THEN [] ELSE ['assessment:' || j.assessment_id] END),
       j.first_at, 'assessment'
FROM judged j JOIN owner o ON o.code = j.code WHERE j.before = 0
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_watch_of_assessed', to_json({'interconnections': count(*)}), NULL, NULL, ''
FROM owner, watch WHERE NOT alive AND live GROUP BY unit
ORDER BY ALL
