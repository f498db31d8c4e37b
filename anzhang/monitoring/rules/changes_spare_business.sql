/* +++
name = "changes_spare_business"
title = "No system goes down while a device that serves it is changed outside an approved window"
streams = ["availability_event"]
registers = [
    "system", "environment", "device", "interface", "zone_network", "config_snapshot", "change_order", "approval", "unit", "person",
]
parameters = ["outage_minutes"]
window_days = 7
+++ */
-- Art. 7, obligation A07.1. A system is down from the first failed probe of a target to the next one that succeeds, or to the last that was
-- heard. A target is the system's if it is, or names as host, one of the hosts or addresses of its production environments, its code or its
-- name. A device serves it if it stands in the zone of such an address, or bears such a host or address. A change lies between two collected
-- configurations. An order of the device or of the environment whose window overlaps the outage allows it; one approved later regularizes.
WITH
own AS (
    SELECT s.id, s.code, s.name, u.code AS unit FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service'
),
env AS (SELECT e.* FROM environment e JOIN own o ON o.id = e.system_id WHERE e.kind = 'production' AND e.state = 'in_service'),
env_host AS (SELECT system_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM env),
env_ip AS (SELECT system_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM env),
bears AS (
    SELECT system_id, host AS name FROM env_host UNION SELECT system_id, ip FROM env_ip
    UNION SELECT id, lower(code) FROM own UNION SELECT id, lower(name) FROM own
),
probe AS (
    SELECT lower(target) AS target, timestamp AS at_, event_outcome = 'failure' AS down, line
    FROM availability_event WHERE target IS NOT NULL AND event_outcome IN ('success', 'failure')
),
called AS (
    SELECT target, name FROM (
        SELECT target, unnest(list_distinct([
            target, split_part(target, '/', 2), split_part(target, '/', 1),
            regexp_replace(regexp_extract(target, '^(?:[a-z]+://)?([^/]+)', 1), ':[0-9]+$', '')
        ])) AS name FROM (SELECT DISTINCT target FROM probe)
    ) WHERE name <> ''
),
of_system AS (SELECT DISTINCT c.target, b.system_id FROM called c JOIN bears b ON b.name = c.name),
turn AS (
    SELECT p.*, coalesce(down <> lag(down) OVER w, true) AS turned
    FROM probe p WHERE target IN (SELECT target FROM of_system) WINDOW w AS (PARTITION BY target ORDER BY at_, line)
),
turned AS (
    SELECT target, at_ AS begins, down, line, lead(at_) OVER (PARTITION BY target ORDER BY at_, line) AS ends FROM turn WHERE turned
),
last_heard AS (SELECT target, max(at_) AS at_ FROM probe GROUP BY target),
outage AS (
    SELECT o.system_id, t.target, t.begins, coalesce(t.ends, l.at_) AS ends, t.line
    FROM turned t JOIN of_system o ON o.target = t.target JOIN last_heard l ON l.target = t.target
    WHERE t.down AND coalesce(t.ends, l.at_) - t.begins > to_minutes(CAST($outage_minutes AS BIGINT))
),
serves AS (
    SELECT DISTINCT e.system_id, d.id AS device_id FROM env_ip e JOIN zone_network n ON ip_key(e.ip) BETWEEN n.first AND n.last
    JOIN device d ON d.zone_id = n.zone_id
    UNION
    SELECT e.system_id, i.device_id FROM env_ip e JOIN (SELECT device_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM interface) i ON i.ip = e.ip
    UNION
    SELECT e.system_id, d.id FROM env_host e JOIN (SELECT id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM device) d ON d.host = e.host
),
change AS (
    SELECT c.id, c.device_id, b.collected_at AS begins, c.collected_at AS ends FROM config_snapshot c JOIN config_snapshot b ON b.id = c.previous_id
    WHERE c.added + c.removed > 0 AND c.collected_at > $since
),
struck AS (
    SELECT o.*, c.id AS snapshot_id, c.device_id, d.code AS device_code, d.name AS device, c.begins AS changed_from, c.ends AS changed_to
    FROM outage o JOIN serves s ON s.system_id = o.system_id JOIN change c ON c.device_id = s.device_id AND c.begins < o.ends AND c.ends > o.begins
    JOIN device d ON d.id = c.device_id
),
leave_ AS (
    SELECT r.devices, r.environment_id, r.valid_from AS begins, least(r.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS ends, a.valid_from AS approved_at
    FROM change_order r JOIN approval a ON a.id = r.basis_id WHERE r.superseded_at IS NULL
),
judged AS (
    SELECT s.system_id, s.target, s.begins, s.ends, s.line, s.snapshot_id, s.device, s.device_code, s.changed_from, s.changed_to,
           min(l.approved_at) AS approved_at
    FROM struck s LEFT JOIN leave_ l ON l.begins < s.ends AND l.ends > s.begins
     AND (list_contains(from_json(l.devices, '["VARCHAR"]'), s.device_code)
          OR l.environment_id IN (SELECT e.id FROM env e WHERE e.system_id = s.system_id))
    GROUP BY ALL
),
heard_of AS (SELECT DISTINCT system_id FROM of_system)
SELECT 'subject' AS kind, 'system:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM own WHERE id IN (SELECT system_id FROM heard_of)
UNION ALL
SELECT CASE WHEN j.approved_at IS NULL THEN 'breach' ELSE 'regularized' END, 'system:' || o.code, o.name, o.unit, NULL, 'outage_during_change',
       to_json({
           'system': o.name, 'target': j.target, 'begin': strftime(j.begins + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'minutes': CAST(date_diff('minute', j.begins, j.ends) AS INTEGER), 'device': j.device,
           'from': strftime(j.changed_from + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'to': strftime(j.changed_to + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       [j.line, 'config_snapshot:' || j.snapshot_id], j.begins, j.target || ' ' || j.device_code || ' ' || strftime(j.begins, '%Y%m%d%H%M%S')
FROM judged j JOIN own o ON o.id = j.system_id WHERE j.approved_at IS NULL OR j.approved_at > j.begins
UNION ALL
SELECT 'unknown', 'system:' || code, name, unit, NULL, 'system_without_availability', to_json({'system': name}), NULL, NULL, ''
FROM own WHERE id NOT IN (SELECT system_id FROM heard_of)
ORDER BY ALL
