/* +++
name = "network_devices_send"
title = "Network devices in service keep sending logs, flows and configurations, from addresses that are registered"
streams = ["flow_event"]
registers = ["device", "interface", "config_snapshot", "log_source", "log_source_network", "environment", "unit", "person"]
parameters = ["source_silence_minutes", "config_match_hours"]
window_days = 7
mode = "append"
+++ */
-- Who told of flows on a Beijing day.
SELECT source, lower(host_name) AS host, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day, min(timestamp) AS first_at, max(timestamp) AS last_at
FROM flow_event GROUP BY source, host, day;

-- Art. 8, obligation A08.3. A device sends through the active log sources that bear a name of its own, or an address of one of its interfaces
-- (a source of a network: those of its addresses that lie in it). Every network device sends logs, routers and firewalls flows besides,
-- routers, switches and firewalls their configurations; of flows those count too that somebody told under the device's name. A source may be
-- silent as long as its register row says, else as the parameter does; a configuration is due within twice the hours in which a change is
-- matched to its order. An address that a source of no system sends from, not a loopback one, belongs to an interface or an environment.
WITH
net AS (
    SELECT d.id, d.code, d.name, d.kind, d.hosts, u.code AS unit, p.code AS person
    FROM device d JOIN unit u ON u.id = d.unit_id LEFT JOIN person p ON p.id = d.person_id
    WHERE d.state = 'in_service' AND d.kind IN ('router', 'switch', 'firewall', 'security', 'wireless', 'jump_host')
),
named AS (SELECT DISTINCT id AS device_id, lower(unnest(list_append(from_json(hosts, '["VARCHAR"]'), name))) AS host FROM net),
port AS (SELECT i.device_id, unnest(from_json(i.addresses, '["VARCHAR"]')) AS ip FROM interface i SEMI JOIN net ON net.id = i.device_id),
sender AS (
    SELECT s.id, s.code, lower(s.name) AS name, s.hosts, s.addresses, s.system_id, u.code AS unit, s.name AS label,
           $at - to_minutes(CAST(coalesce(s.silence_minutes, $source_silence_minutes) AS BIGINT)) AS due_at
    FROM log_source s JOIN unit u ON u.id = s.unit_id WHERE s.state = 'active'
),
sender_host AS (SELECT id AS source_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM sender),
-- Of a source that names hosts on a shared address the names alone say whose it is.
matched AS (
    SELECT n.device_id, h.source_id FROM named n JOIN sender_host h ON h.host = n.host
    UNION
    SELECT n.device_id, s.id FROM named n JOIN sender s ON s.name = n.host
    UNION
    SELECT p.device_id, w.source_id FROM port p JOIN log_source_network w ON ip_key(p.ip) BETWEEN w.first AND w.last
    JOIN sender s ON s.id = w.source_id AND s.hosts = '[]'
),
logs AS (
    SELECT m.device_id, max(k.last_at) AS last_at, bool_or(k.last_at >= s.due_at) AS talks, string_agg(s.code, '、' ORDER BY s.code) AS sources
    FROM matched m JOIN sender s ON s.id = m.source_id LEFT JOIN heard k ON k.source = s.code GROUP BY m.device_id
),
flowing AS (
    SELECT device_id, max(last_at) AS last_at FROM (
        SELECT m.device_id, f.last_at FROM facts f JOIN sender s ON s.code = f.source JOIN matched m ON m.source_id = s.id
        UNION ALL
        SELECT n.device_id, f.last_at FROM facts f JOIN named n ON n.host = f.host
    ) GROUP BY device_id
),
config AS (SELECT device_id, max(collected_at) AS last_at FROM config_snapshot WHERE collected_at <= $at GROUP BY device_id),
state AS (
    SELECT n.*, CASE WHEN l.device_id IS NULL THEN 'device_without_log_source' WHEN NOT coalesce(l.talks, false) THEN 'device_log_silent' END AS code_of,
           l.last_at, l.sources
    FROM net n LEFT JOIN logs l ON l.device_id = n.id
    UNION ALL
    SELECT n.*, CASE WHEN f.device_id IS NULL THEN 'device_without_flows'
                     WHEN f.last_at < $at - to_minutes(CAST($source_silence_minutes AS BIGINT)) THEN 'device_flows_silent' END,
           f.last_at, NULL
    FROM net n LEFT JOIN flowing f ON f.device_id = n.id WHERE n.kind IN ('router', 'firewall')
    UNION ALL
    SELECT n.*, CASE WHEN c.device_id IS NULL THEN 'device_without_configuration'
                     WHEN c.last_at < $at - to_hours(CAST(2 * $config_match_hours AS BIGINT)) THEN 'device_configuration_silent' END,
           c.last_at, NULL
    FROM net n LEFT JOIN config c ON c.device_id = n.id WHERE n.kind IN ('router', 'switch', 'firewall')
),
known AS (
    SELECT ip_key(unnest(from_json(addresses, '["VARCHAR"]'))) AS k FROM interface
    UNION
    SELECT ip_key(unnest(from_json(addresses, '["VARCHAR"]'))) FROM environment
),
stranger AS (
    SELECT s.code, s.label, s.unit, a.ip FROM (SELECT *, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM sender WHERE system_id IS NULL) a
    JOIN sender s ON s.id = a.id
    WHERE ip_key(a.ip) IS NOT NULL AND NOT regexp_matches(a.ip, '^(127\.|::1$)') AND ip_key(a.ip) NOT IN (SELECT k FROM known WHERE k IS NOT NULL)
)
SELECT 'subject' AS kind, 'device:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM net
UNION ALL
SELECT 'breach', 'device:' || code, name, unit, person, code_of,
       to_json({
           'device': name, 'last': coalesce(strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), '—'), 'sources': coalesce(sources, ''),
           'minutes': CAST($source_silence_minutes AS INTEGER), 'hours': CAST(2 * $config_match_hours AS INTEGER)
       }),
       ['device:' || id], last_at, code_of
FROM state WHERE code_of IS NOT NULL
UNION ALL
SELECT 'breach', 'source:' || code, label, unit, NULL, 'sender_without_interface', to_json({'source': label, 'address': ip}), NULL, NULL, ip
FROM stranger
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_network_devices', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM net) = 0
ORDER BY ALL
