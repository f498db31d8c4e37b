/* +++
name = "services_have_systems"
title = "Every service that answers on the bureau's networks is part of a system that some unit manages"
streams = ["flow_event"]
registers = ["environment", "system", "unit", "device", "interface", "person", "zone", "zone_network"]
parameters = ["shadow_service_days"]
window_days = 90
mode = "append"
+++ */
-- Which address answered on which port on a Beijing day, and how many asked. An answer on its way back is no service of who asked, and
-- neither is a port that was lent for one conversation.
SELECT destination_ip AS ip, coalesce(lower(protocol), '') AS protocol, destination_port AS port,
       CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day, min(timestamp) AS first_at, max(timestamp) AS last_at, count(*) AS times,
       count(DISTINCT source_ip) AS clients, arg_min(line, timestamp) AS first_line, arg_max(line, timestamp) AS last_line
FROM flow_event
WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL AND destination_port > 0
  AND coalesce(bytes_in, 1) > 0 AND destination_port < 49152 AND NOT coalesce(source_port < 32768 AND destination_port >= 32768, false)
GROUP BY ip, protocol, port, day;

-- Art. 6, obligation A06.2. A service is a port of an address in a zone of the bureau's own that answered. It is part of the system whose
-- environment in service names the address, or a host of the device that has it. What network and security devices, jump hosts and
-- printers answer is their own, and so are the ports by which any computer is administered: their unit stands in the register of devices.
-- It is found when it has answered for longer than the parameter, and is over when it has not for as long; a gap as long begins anew.
WITH
fact AS (
    SELECT ip, protocol, port, day, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times, max(clients) AS clients,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE last_at > $since GROUP BY ip, protocol, port, day
),
own_zone AS (
    SELECT z.id, z.code, z.name, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind <> 'internet'
),
spot AS (
    SELECT a.ip, first(z.id ORDER BY n.first DESC, n.last, z.id) AS zone_id
    FROM (SELECT DISTINCT ip, ip_key(ip) AS k FROM fact) a JOIN zone_network n ON a.k BETWEEN n.first AND n.last
    JOIN own_zone z ON z.id = n.zone_id GROUP BY a.ip
),
card AS (
    SELECT i.ip, first(d.id ORDER BY d.state = 'in_service' DESC, d.id) AS device_id
    FROM (SELECT device_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM interface) i
    JOIN device d ON d.id = i.device_id GROUP BY i.ip
),
env AS (
    SELECT e.hosts, e.addresses, s.code, s.name, u.code AS unit, u.name AS unit_name, u.closed_on
    FROM environment e JOIN system s ON s.id = e.system_id JOIN unit u ON u.id = s.managing_unit_id
    WHERE e.state = 'in_service' AND s.state <> 'retired'
),
called AS (SELECT id AS device_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM device),
named AS (
    SELECT unnest(from_json(addresses, '["VARCHAR"]')) AS ip, code, name, unit, unit_name, closed_on FROM env
    UNION
    SELECT c.ip, e.code, e.name, e.unit, e.unit_name, e.closed_on
    FROM (SELECT *, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM env) e
    JOIN called k ON k.host = e.host JOIN card c ON c.device_id = k.device_id
),
-- An address that serves several systems is served if one of them has a unit that is still there.
home AS (
    SELECT ip, first(code ORDER BY closed_on IS NOT NULL, code) AS code, first(name ORDER BY closed_on IS NOT NULL, code) AS name,
           first(unit ORDER BY closed_on IS NOT NULL, code) AS unit, first(unit_name ORDER BY closed_on IS NOT NULL, code) AS unit_name,
           first(closed_on ORDER BY closed_on IS NOT NULL, code) AS closed_on
    FROM named GROUP BY ip
),
stepped AS (
    SELECT *, coalesce(first_at - lag(last_at) OVER (PARTITION BY ip, protocol, port ORDER BY day)
                       > to_days(CAST($shadow_service_days AS INTEGER)), false) AS anew
    FROM fact
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE anew) OVER (PARTITION BY ip, protocol, port ORDER BY day ROWS UNBOUNDED PRECEDING) AS run FROM stepped
),
service AS (  -- the run of days that lasts
    SELECT ip, protocol, port, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times, max(clients) AS clients,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM numbered GROUP BY ip, protocol, port, run
    HAVING max(last_at) > $at - to_days(CAST($shadow_service_days AS INTEGER))
),
kept AS (
    SELECT s.*, z.name AS zone, coalesce(nullif(s.protocol, ''), 'ip') || '/' || s.port AS door, h.name AS system, h.unit_name, h.closed_on,
           d.code AS device_code, d.name AS device, coalesce(h.unit, du.code, z.unit) AS unit, p.code AS person
    FROM service s JOIN spot t ON t.ip = s.ip JOIN own_zone z ON z.id = t.zone_id
    LEFT JOIN home h ON h.ip = s.ip LEFT JOIN card c ON c.ip = s.ip
    LEFT JOIN device d ON d.id = c.device_id AND d.state <> 'retired' LEFT JOIN unit du ON du.id = d.unit_id
    LEFT JOIN person p ON p.id = d.person_id
    WHERE h.code IS NOT NULL OR NOT (
        coalesce(d.kind IN ('router', 'switch', 'firewall', 'security', 'wireless', 'jump_host', 'printer'), false)
        OR s.port IN (22, 111, 135, 137, 138, 139, 161, 445, 623, 3389, 5900, 5985, 5986, 10050)
    )
),
alive AS (SELECT count(*) > 0 AS yes FROM facts WHERE last_at > $at - INTERVAL 1 DAY * 7)
SELECT 'subject' AS kind, 'service:' || ip || ' ' || door AS key, ip || ' ' || door AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM kept
UNION ALL
SELECT 'breach', 'service:' || ip || ' ' || door, ip || ' ' || door, unit, person,
       CASE WHEN system IS NULL THEN 'service_without_system' ELSE 'service_without_unit' END,
       to_json({
           'address': ip, 'door': door, 'zone': zone, 'device': coalesce(device, ''), 'clients': clients, 'times': times,
           'system': coalesce(system, ''), 'unit': coalesce(unit_name, ''), 'closed_on': coalesce(CAST(closed_on AS VARCHAR), ''),
           'from': strftime(first_at + INTERVAL 8 HOUR, '%Y-%m-%d'), 'at': strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'days': CAST($shadow_service_days AS BIGINT)
       }),
       list_distinct([last_line, first_line]), first_at, ''
FROM kept
WHERE last_at - first_at > to_days(CAST($shadow_service_days AS INTEGER))
  AND (system IS NULL OR closed_on <= CAST($at + INTERVAL 8 HOUR AS DATE))
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_flows_of_services', to_json({'zones': count(*)}), NULL, NULL, ''
FROM own_zone, alive WHERE NOT alive.yes GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_own_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM own_zone) = 0
ORDER BY ALL
