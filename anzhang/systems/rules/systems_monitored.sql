/* +++
name = "systems_monitored"
title = "Every system in service is watched: its newest availability event is minutes old"
streams = ["availability_event"]
registers = ["system", "environment", "unit", "log_source", "log_receipt"]
parameters = ["monitor_silence_minutes"]
window_days = 7
mode = "append"
+++ */
-- What was last told of a target, by the day.
SELECT source, lower(host_name) AS host, lower(coalesce(nullif(trim(target), ''), nullif(trim(service), ''))) AS target, process_name,
       CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day, min(timestamp) AS first_at, max(timestamp) AS last_at, count(*) AS times,
       arg_min(line, timestamp) AS first_line, arg_max(line, timestamp) AS last_line
FROM availability_event
GROUP BY ALL;

-- Art. 12, obligation A12.3, the part that events prove. A monitor watches a system if it names its code or name, or a host or address of its
-- production; of a test environment does not count. An URL is its host, a server of a load balancer is either part of `backend/server`.
-- What names no target, or is a program on the watched host (monit), speaks of the system of its source, or of its host. A monitor that says
-- "down" is alive. Silence is told only by who listened: something was sealed as long ago as a monitor may be silent, and something came since.
-- A platform that stood still, or was just started, says of nobody that they were silent.
WITH
subject AS (
    SELECT s.id, s.code, s.name, u.code AS unit FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service'
),
production AS (SELECT * FROM environment WHERE kind = 'production' AND state = 'in_service'),
known AS (
    SELECT id AS system_id, lower(code) AS called FROM subject
    UNION SELECT id, lower(name) FROM subject
    UNION SELECT system_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) FROM production
    UNION SELECT system_id, lower(unnest(from_json(addresses, '["VARCHAR"]'))) FROM production
),
said AS (
    SELECT source, host, target, process_name, min(first_at) AS first_at, max(last_at) AS last_at, arg_max(last_line, last_at) AS last_line
    FROM facts GROUP BY ALL
),
named AS (
    SELECT n, regexp_replace(unnest(CASE WHEN contains(target, '://') THEN [split_part(split_part(target, '://', 2), '/', 1)]
                                         ELSE list_append(string_split(target, '/'), target) END), ':[0-9]+$', '') AS called
    FROM (SELECT row_number() OVER (ORDER BY source, host, target, process_name) AS n, * FROM said) WHERE target IS NOT NULL
),
numbered AS (SELECT row_number() OVER (ORDER BY source, host, target, process_name) AS n, * FROM said),
whose AS (
    SELECT DISTINCT n.n, k.system_id FROM named n JOIN known k ON k.called = n.called
    UNION
    SELECT n.n, o.system_id FROM numbered n JOIN log_source o ON o.code = n.source WHERE n.target IS NULL AND o.system_id IS NOT NULL
    UNION
    SELECT n.n, k.system_id FROM numbered n JOIN known k ON k.called = n.host WHERE n.target IS NULL OR n.process_name = 'monit'
),
newest AS (
    SELECT w.system_id, max(n.last_at) AS last_at, arg_max(n.last_line, n.last_at) AS last_line
    FROM whose w JOIN numbered n ON n.n = w.n GROUP BY w.system_id
),
listening AS (
    SELECT coalesce(max(last_at) > $at - to_minutes(CAST($monitor_silence_minutes AS BIGINT)), false) AND EXISTS (
        SELECT 1 FROM log_receipt r
        WHERE r.sealed_at > $at - to_minutes(CAST(2 * $monitor_silence_minutes AS BIGINT))
          AND r.sealed_at <= $at - to_minutes(CAST($monitor_silence_minutes AS BIGINT))
    ) AS alive
    FROM heard
),
state AS (
    SELECT s.*, n.last_at, n.last_line,
           coalesce(n.last_at >= $at - to_minutes(CAST($monitor_silence_minutes AS BIGINT)), false) AS watched
    FROM subject s LEFT JOIN newest n ON n.system_id = s.id
)
SELECT 'subject' AS kind, 'system:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM state, listening WHERE watched OR alive
UNION ALL
SELECT 'breach', 'system:' || code, name, unit, NULL, CASE WHEN last_at IS NULL THEN 'system_without_monitor' ELSE 'monitor_silent' END,
       to_json({
           'system': name, 'minutes': CAST($monitor_silence_minutes AS INTEGER),
           'last': strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       CASE WHEN last_line IS NULL THEN NULL ELSE [last_line] END, last_at, 'monitor'
FROM state, listening WHERE NOT watched AND alive
UNION ALL
SELECT 'unknown', 'system:' || code, name, unit, NULL, 'nothing_heard',
       to_json({'system': name, 'minutes': CAST($monitor_silence_minutes AS INTEGER)}), NULL, NULL, ''
FROM state, listening WHERE NOT watched AND NOT alive
ORDER BY ALL
