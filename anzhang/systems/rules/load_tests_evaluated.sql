/* +++
name = "load_tests_evaluated"
title = "Nobody puts production under load outside an evaluated load test"
streams = ["flow_event", "app_event"]
registers = ["environment", "system", "unit", "load_test", "approval"]
parameters = ["load_factor", "baseline_days"]
window_days = 60
mode = "append"
+++ */
-- How often one source came to one target in an hour: flows by address, records of applications by the host that tells them.
SELECT way, source_ip, target, hour, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'flow' AS way, timestamp AS at_, line, source_ip, destination_ip AS target, date_trunc('hour', timestamp) AS hour
    FROM flow_event WHERE source_ip IS NOT NULL AND destination_ip IS NOT NULL
    UNION ALL
    SELECT 'app', timestamp, line, source_ip, lower(host_name), date_trunc('hour', timestamp) FROM app_event WHERE source_ip IS NOT NULL
)
GROUP BY way, source_ip, target, hour;

-- Art. 13, obligation A13.4. Load is what came in an hour. The peak of a target is the most that all sources together brought it in one hour
-- of the days before, so a proxy or jump host through which everybody comes is part of it. Hours of evaluated tests are no measure, nor is
-- the day before the hour that is judged: who drives load up slowly shall not become the measure. A target is judged once it was watched as
-- long as the peak reaches back. A test covers an hour that lies in its window, the sources and the targets that it names; one that names
-- only hosts, or only addresses, covers the environment as the other way tells it. Recorded later, it makes the load regularized. What is a
-- week old is over.
WITH
env AS (
    SELECT e.id, e.code, e.name, u.code AS unit, s.name AS system_name, e.hosts, e.addresses
    FROM environment e JOIN system s ON s.id = e.system_id JOIN unit u ON u.id = s.managing_unit_id
    WHERE e.kind = 'production' AND e.state = 'in_service' AND s.state = 'in_service'
),
place AS (
    SELECT id AS environment_id, 'flow' AS way, lower(unnest(from_json(addresses, '["VARCHAR"]'))) AS target FROM env
    UNION SELECT id, 'app', lower(unnest(from_json(hosts, '["VARCHAR"]'))) FROM env
),
fact AS (
    SELECT p.environment_id, p.way, p.target, f.source_ip, f.hour, min(f.first_at) AS first_at, max(f.last_at) AS last_at,
           CAST(sum(f.times) AS BIGINT) AS times, arg_min(f.first_line, f.first_at) AS first_line, arg_max(f.last_line, f.last_at) AS last_line
    FROM facts f JOIN place p ON p.way = f.way AND p.target = f.target GROUP BY p.environment_id, p.way, p.target, f.source_ip, f.hour
),
granted AS (
    SELECT t.id, t.environment_id, t.window_from, t.window_to, t.recorded_at, from_json(t.sources, '["VARCHAR"]') AS sources,
           from_json(lower(t.targets), '["VARCHAR"]') AS targets,
           coalesce(b.valid_to, TIMESTAMP '9999-12-31') AS stands_to
    FROM load_test t JOIN approval b ON b.id = t.basis_id AND b.superseded_at IS NULL
),
reach AS (  -- which targets of which way a test names
    SELECT g.id, g.environment_id, g.window_from, g.window_to, g.recorded_at, g.sources, g.stands_to, p.way, p.target
    FROM granted g JOIN place p ON p.environment_id = g.environment_id
    WHERE list_contains(g.targets, p.target) OR NOT EXISTS (
        SELECT 1 FROM place o WHERE o.environment_id = p.environment_id AND o.way = p.way AND list_contains(g.targets, o.target)
    )
),
covered AS (
    SELECT f.environment_id, f.way, f.target, f.source_ip, f.hour, min(r.recorded_at) AS recorded_at, list(DISTINCT 'load_test:' || r.id) AS tests
    FROM fact f JOIN reach r ON r.environment_id = f.environment_id AND r.way = f.way AND r.target = f.target
      AND r.window_from <= f.hour AND f.hour < r.window_to AND r.stands_to > f.hour AND list_contains(r.sources, f.source_ip)
    GROUP BY f.environment_id, f.way, f.target, f.source_ip, f.hour
),
hourly AS (  -- of ordinary hours only
    SELECT f.environment_id, f.way, f.target, f.hour, sum(f.times) FILTER (WHERE c.tests IS NULL) AS load
    FROM fact f LEFT JOIN covered c ON c.environment_id = f.environment_id AND c.way = f.way AND c.target = f.target
      AND c.source_ip = f.source_ip AND c.hour = f.hour
    GROUP BY f.environment_id, f.way, f.target, f.hour
),
span AS (
    SELECT environment_id, way, target, min(hour) AS begun, max(hour) AS heard,
           coalesce(bool_or(load IS NOT NULL AND hour > $at - to_days(CAST($baseline_days AS INTEGER)) AND hour <= $at - INTERVAL 24 HOUR), false)
               AS measured
    FROM hourly GROUP BY environment_id, way, target
),
peak AS (
    SELECT h.environment_id, h.way, h.target, h.hour,
           max(h.load) OVER (
               PARTITION BY h.environment_id, h.way, h.target ORDER BY h.hour
               RANGE BETWEEN to_days(CAST($baseline_days AS INTEGER)) PRECEDING AND INTERVAL 24 HOUR PRECEDING
           ) AS peak
    FROM hourly h
),
surge AS (
    SELECT f.*, p.peak, c.tests, c.recorded_at
    FROM fact f JOIN peak p ON p.environment_id = f.environment_id AND p.way = f.way AND p.target = f.target AND p.hour = f.hour
    JOIN span s ON s.environment_id = f.environment_id AND s.way = f.way AND s.target = f.target
    LEFT JOIN covered c ON c.environment_id = f.environment_id AND c.way = f.way AND c.target = f.target
      AND c.source_ip = f.source_ip AND c.hour = f.hour
    WHERE f.hour > $at - INTERVAL 7 DAY AND s.begun <= f.hour - to_days(CAST($baseline_days AS INTEGER))
      AND f.times > $load_factor * p.peak
),
told AS (
    SELECT g.*, CASE WHEN g.tests IS NULL THEN 'no' WHEN g.recorded_at > g.first_at THEN 'later' ELSE 'yes' END AS state,
           e.code AS environment, e.name AS environment_name, e.unit, e.system_name,
           EXISTS (SELECT 1 FROM granted t WHERE t.environment_id = g.environment_id AND t.window_from <= g.last_at
                   AND t.window_to > g.first_at) AS in_a_window,
           EXISTS (SELECT 1 FROM granted t WHERE t.environment_id = g.environment_id AND list_contains(t.sources, g.source_ip)) AS is_named
    FROM surge g JOIN env e ON e.id = g.environment_id
),
-- An environment is judged if what is heard of it within a day was heard long enough.
watch AS (
    SELECT e.id, e.code, e.name, e.unit, e.hosts = '[]' AND e.addresses = '[]' AS unnamed,
           max(s.heard) > $at - INTERVAL 1 DAY AS alive, min(s.begun) AS begun,
           bool_or(s.heard > $at - INTERVAL 1 DAY AND s.measured AND s.begun <= $at - to_days(CAST($baseline_days AS INTEGER))) AS judged
    FROM env e LEFT JOIN span s ON s.environment_id = e.id GROUP BY e.id, e.code, e.name, e.unit, e.hosts, e.addresses
)
SELECT 'subject' AS kind, 'environment:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE judged
UNION ALL
SELECT CASE WHEN state = 'later' THEN 'regularized' ELSE 'breach' END, 'environment:' || environment, any_value(environment_name), any_value(unit),
       NULL, CASE WHEN state = 'later' THEN 'load_approved_later' WHEN bool_or(in_a_window) THEN 'load_of_other_source'
                  WHEN bool_or(is_named) THEN 'load_outside_window' ELSE 'load_without_test' END,
       to_json({
           'environment': any_value(environment_name), 'system': any_value(system_name), 'source': source_ip, 'target': target,
           'at': strftime(arg_max(hour, times) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'load': max(times), 'peak': arg_max(peak, times),
           'factor': CAST($load_factor AS VARCHAR), 'days': CAST($baseline_days AS INTEGER), 'hours': count(*)
       }),
       list_concat(list_distinct(flatten(list([first_line, last_line] ORDER BY times DESC)))[1:16],
                   coalesce(list_distinct(flatten(list(tests))), [])),
       min(first_at), way || ':' || target || ':' || source_ip
FROM told WHERE state <> 'yes' GROUP BY environment, way, target, source_ip, state
UNION ALL
SELECT 'unknown', 'environment:' || code, name, unit, NULL,
       CASE WHEN unnamed THEN 'environment_without_addresses' WHEN alive IS NOT TRUE THEN 'load_not_watched' ELSE 'load_without_peak' END,
       to_json({'environment': name, 'days': CAST($baseline_days AS INTEGER), 'since': strftime(begun + INTERVAL 8 HOUR, '%Y-%m-%d')}),
       NULL, NULL, ''
FROM watch WHERE judged IS NOT TRUE
UNION ALL
SELECT 'unknown', 'system:' || s.code, s.name, u.code, NULL, 'system_without_production', to_json({'system': s.name}), NULL, NULL, ''
FROM system s JOIN unit u ON u.id = s.managing_unit_id
WHERE s.state = 'in_service' AND NOT EXISTS (SELECT 1 FROM environment e WHERE e.system_id = s.id AND e.kind = 'production' AND e.state = 'in_service')
ORDER BY ALL
